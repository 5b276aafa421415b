//! What is written together: scopes and their requests, in blocks of neighbours.
//!
//! A block is as large as makes both its writing anew and the joining of all blocks cheap. Where it ends is told by
//! its last scope alone, so that a scope that comes or goes changes one block and no other.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::record::Counts;
use crate::requests::{Moment, Requests, ShownTally, Tally};
use crate::scope::Scope;
use crate::view::{Accounts, ScopeView, View};

/// So many scopes are in a block on average.
const SCOPES: u64 = 16;

/// A block of several scopes has no more samples than this; where one has grown beyond twice as many, it is cut.
const SAMPLES: usize = 2000;

/// A scope, or an account where its requests have no region.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub scope: Scope,
    /// None for an account.
    pub view: Option<Arc<ScopeView>>,
    /// What is shown of its requests.
    pub requests: ShownTally,
    tally: Option<Arc<Tally>>,
    /// Of the tally, as it was shown.
    revision: u64,
}

/// What a family shows of a subject comes from one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Facet {
    /// How its polls go.
    Health,
    /// What its results add up to.
    Results,
    /// What was asked.
    Requests,
}

/// Which facets are others than before, by their numbers.
pub(super) type Changed = [bool; 3];

/// Neighbours.
#[derive(Debug)]
pub(super) struct Block {
    pub subjects: Vec<Subject>,
    samples: usize,
    /// When a series of requests that is held at 0 is to show its value.
    pub next_change: Option<Duration>,
}

/// All blocks, in the order of their subjects.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub all: Vec<Arc<Block>>,
    /// For how many tallies accounts were looked up.
    tallies: usize,
    accounts: Arc<Accounts>,
}

/// A block of now, as it comes from before.
#[derive(Debug, Clone, Copy)]
pub(super) struct From {
    /// The place that the block of the same subjects had; none where it is new.
    pub place: Option<usize>,
    pub changed: Changed,
}

impl From {
    /// Of a block that was never written.
    pub(super) const NEW: Self = Self {
        place: None,
        changed: [true; 3],
    };

    /// Whether the block is where it was, and a facet is as it was.
    pub(super) fn is_as_before(&self, place: usize, facet: usize) -> bool {
        self.place == Some(place) && !self.changed[facet]
    }
}

impl Subject {
    fn new(scope: Scope, view: Option<Arc<ScopeView>>, tally: Option<Arc<Tally>>, moment: Moment) -> Self {
        let mut subject = Self {
            scope,
            view,
            requests: ShownTally::default(),
            tally,
            revision: 0,
        };
        subject.look(moment);
        subject
    }

    /// Shows its requests as they are now.
    fn look(&mut self, moment: Moment) {
        if let Some(tally) = &self.tally {
            // Before: what is counted meanwhile is shown the next time.
            self.revision = tally.revision();
            self.requests = tally.shown(self.counts().is_some(), moment);
        }
    }

    /// Whether its requests are to be looked at.
    fn is_due(&self, moment: Moment) -> bool {
        let has_more = |tally: &Arc<Tally>| tally.revision() != self.revision;
        self.tally.as_ref().is_some_and(has_more)
            || self.requests.next_change.is_some_and(|next| next <= moment.now)
    }

    /// What its results add up to; none before one was listed.
    pub(super) fn counts(&self) -> Option<&Counts> {
        self.view.as_deref()?.listed()
    }

    fn samples(&self) -> usize {
        SCOPES as usize + self.counts().map_or(0, Counts::samples)
    }

    /// Whether a block ends with it, but for its size.
    fn is_last(&self) -> bool {
        let mut hasher = DefaultHasher::new();
        self.scope.hash(&mut hasher);
        hasher.finish().is_multiple_of(SCOPES)
    }

    fn changed(&self, before: &Self) -> Changed {
        let (now, then) = (self.view.as_deref(), before.view.as_deref());
        let counts = |view: Option<&ScopeView>| Some(Arc::as_ptr(view?.counts.as_ref()?));
        let health = |view: Option<&ScopeView>| Some((view?.last_poll, view?.last_success, view?.work));
        [
            health(now) != health(then),
            counts(now) != counts(then),
            self.requests != before.requests,
        ]
    }
}

impl Block {
    fn new(subjects: Vec<Subject>) -> Self {
        let next_changes = subjects.iter().filter_map(|subject| subject.requests.next_change);
        Self {
            next_change: next_changes.min(),
            samples: subjects.iter().map(Subject::samples).sum(),
            subjects,
        }
    }

    fn changed(&self, before: &Self) -> Changed {
        let pairs = self.subjects.iter().zip(&before.subjects);
        pairs.fold([false; 3], |changed, (now, then)| {
            let other = now.changed(then);
            [0, 1, 2].map(|facet| changed[facet] || other[facet])
        })
    }

    fn has_the_subjects_of<'a>(&'a self, other: &'a Self) -> bool {
        let scopes = |subject: &'a Subject| &subject.scope;
        let of_other = other.subjects.iter().map(scopes);
        self.subjects.iter().map(scopes).eq(of_other)
    }
}

impl Blocks {
    /// The blocks of a view, and where each comes from.
    pub(super) fn of(view: &View, requests: &Requests, moment: Moment, before: &Self) -> (Self, Vec<From>) {
        // Before the tallies: one that is made meanwhile is found the next time.
        let tallies = requests.count();
        let is_as_before = tallies == before.tallies && before.is_of(&view.accounts);
        let renewed = match is_as_before {
            true => before.renewed(view, moment),
            false => None,
        };
        if let Some((all, from)) = renewed {
            let blocks = Self {
                all,
                tallies,
                accounts: Arc::clone(&view.accounts),
            };
            return (blocks, from);
        }
        let blocks = Self {
            all: cut(subjects(view, requests, moment)),
            tallies,
            accounts: Arc::clone(&view.accounts),
        };
        let from = blocks.come_from(before);
        (blocks, from)
    }

    /// Whether they are of these accounts. What else is told of an account is in no block: a credential that is renewed
    /// changes none.
    fn is_of(&self, accounts: &Arc<Accounts>) -> bool {
        Arc::ptr_eq(accounts, &self.accounts) || accounts.keys().eq(self.accounts.keys())
    }

    /// The same blocks as they are now; none where there are other subjects, or a block has grown too large.
    fn renewed(&self, view: &View, moment: Moment) -> Option<(Vec<Arc<Block>>, Vec<From>)> {
        let mut views = view.scopes.iter();
        let mut all = Vec::with_capacity(self.all.len());
        let mut from = Vec::with_capacity(self.all.len());
        let mut others: Vec<Option<&Arc<ScopeView>>> = Vec::new();
        for (place, block) in self.all.iter().enumerate() {
            let mut is_same = true;
            others.clear();
            for subject in &block.subjects {
                is_same &= !subject.is_due(moment);
                let Some(before) = &subject.view else {
                    others.push(None);
                    continue;
                };
                let (scope, view) = views.next()?;
                if !Arc::ptr_eq(view, before) {
                    if *scope != subject.scope {
                        return None;
                    }
                    is_same = false;
                }
                others.push(Some(view));
            }
            let mut changed = [false; 3];
            if is_same {
                all.push(Arc::clone(block));
            } else {
                let subjects = block.subjects.iter().zip(&others).map(|(subject, view)| {
                    let mut subject = subject.clone();
                    subject.view = view.cloned();
                    subject.look(moment);
                    subject
                });
                let now = Block::new(subjects.collect());
                if now.subjects.len() > 1 && now.samples > 2 * SAMPLES {
                    return None;
                }
                changed = now.changed(block);
                all.push(Arc::new(now));
            }
            from.push(From {
                place: Some(place),
                changed,
            });
        }
        views.next().is_none().then_some((all, from))
    }

    /// Where blocks of other cuts come from.
    fn come_from(&self, before: &Self) -> Vec<From> {
        let mut places = before.all.iter().enumerate().peekable();
        fn first(block: &Block) -> Option<&Scope> {
            block.subjects.first().map(|subject| &subject.scope)
        }
        let come = |block: &Arc<Block>| {
            while places.next_if(|(_, other)| first(other) < first(block)).is_some() {}
            let found = places
                .peek()
                .filter(|(_, other)| other.has_the_subjects_of(block));
            match found {
                Some((place, other)) => From {
                    place: Some(*place),
                    changed: block.changed(other),
                },
                None => From::NEW,
            }
        };
        self.all.iter().map(come).collect()
    }
}

/// Every subject of a view, in their order. A scope that is no longer polled leaves every series.
fn subjects(view: &View, requests: &Requests, moment: Moment) -> Vec<Subject> {
    let scopes = view
        .scopes
        .iter()
        .map(|(scope, view)| (scope.clone(), Some(Arc::clone(view))));
    let accounts = view.accounts.keys().map(|account| {
        let scope = Scope {
            account: Arc::clone(account),
            region_id: "".into(),
        };
        (scope, None)
    });
    let mut all: Vec<(Scope, Option<Arc<ScopeView>>)> = scopes.chain(accounts).collect();
    all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let subjects = all.into_iter().filter_map(|(scope, view)| {
        let tally = requests.find(&scope);
        let has_anything = view.is_some() || tally.is_some();
        has_anything.then(|| Subject::new(scope, view, tally, moment))
    });
    subjects.collect()
}

fn cut(subjects: Vec<Subject>) -> Vec<Arc<Block>> {
    let mut blocks = Vec::new();
    let (mut block, mut samples) = (Vec::new(), 0);
    for subject in subjects {
        let more = subject.samples();
        if samples + more > SAMPLES && !block.is_empty() {
            blocks.push(Arc::new(Block::new(std::mem::take(&mut block))));
            samples = 0;
        }
        samples += more;
        let is_last = subject.is_last();
        block.push(subject);
        if is_last {
            blocks.push(Arc::new(Block::new(std::mem::take(&mut block))));
            samples = 0;
        }
    }
    if !block.is_empty() {
        blocks.push(Arc::new(Block::new(block)));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use prometheus::Registry;

    use super::*;
    use crate::view::{AccountView, CredentialsView};

    #[test]
    fn an_account_that_is_put_up_again_cuts_no_block_anew() {
        let requests = Requests::new(&Registry::new()).unwrap();
        let scope = Scope::new("a", "cn-hangzhou");
        let _tallies = [requests.tally("a", ""), requests.tally("a", "cn-hangzhou")];
        let view = |expiry| {
            let account = AccountView {
                credentials: CredentialsView {
                    expiry,
                    ..CredentialsView::default()
                },
                discovered: None,
                is_ready: true,
                error: None,
                console: None,
                set_aside: Vec::new(),
            };
            let scope_view = Arc::new(ScopeView::new(scope.clone()));
            (
                Arc::new(Accounts::from([("a".into(), Arc::new(account))])),
                scope_view,
            )
        };
        let moment = Moment {
            now: Duration::ZERO,
            hold: Duration::ZERO,
        };
        let (accounts, scope_view) = view(None);
        let mut shown = View {
            scopes: [(scope.clone(), scope_view)].into(),
            accounts,
            ..View::default()
        };
        let (before, _) = Blocks::of(&shown, &requests, moment, &Blocks::default());
        shown.accounts = view(Some(SystemTime::UNIX_EPOCH)).0;
        let (after, _) = Blocks::of(&shown, &requests, moment, &before);
        assert!(!before.all.is_empty());
        let pairs = before.all.iter().zip(&after.all);
        assert!(pairs.clone().all(|(before, after)| Arc::ptr_eq(before, after)));
        // Another account does.
        shown.accounts = Arc::default();
        let (without, _) = Blocks::of(&shown, &requests, moment, &after);
        assert!(!Arc::ptr_eq(&without.all[0], &after.all[0]));
    }
}
