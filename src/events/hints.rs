//! Whose event it is: from the account and region that it names to the inboxes of the pollers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::message::{About, Message};
use crate::aliyun::queue::QueueError;
use crate::config::is_account_id;
use crate::poll::inbox::Inbox;
use crate::scope::Scope;
use crate::timestamp;
use crate::view::{Board, Outcome, QueueFailed, Source};

/// How many events came to each outcome, by its place in [`Outcome::ALL`].
pub(super) type Outcomes = [u64; Outcome::ALL.len()];

/// The scopes that can be hinted at. Clones are the same.
#[derive(Debug, Clone)]
pub struct Hints {
    known: Arc<Mutex<Known>>,
    board: Board,
}

/// Accounts by configured name: a list of events may name a thousand, and each is looked for.
#[derive(Debug, Default)]
struct Known(BTreeMap<Arc<str>, Account>);

#[derive(Debug, Default)]
struct Account {
    /// Its number. Until that is known it may be any.
    id: Option<String>,
    /// Of the pollers, by region.
    inboxes: BTreeMap<Arc<str>, Inbox>,
}

impl Hints {
    /// Nothing is polled yet; what comes is counted on `board`.
    pub fn new(board: Board) -> Self {
        Self {
            known: Arc::default(),
            board,
        }
    }

    /// A scope is polled from now on: the inbox of its poller.
    pub fn open(&self, scope: &Scope) -> Inbox {
        let inbox = Inbox::default();
        self.known().change(&scope.account, |account| {
            account
                .inboxes
                .insert(Arc::clone(&scope.region_id), inbox.clone());
        });
        inbox
    }

    /// Whether what is told can hurry a poll here, and not only at another replica.
    pub(super) fn are_of_use(&self) -> bool {
        self.board.leadership().shows()
    }

    /// No scope is polled any more.
    pub fn close_all(&self) {
        *self.known() = Known::default();
    }

    /// A scope is no longer polled.
    pub fn close(&self, scope: &Scope) {
        self.known().change(&scope.account, |account| {
            account.inboxes.remove(&scope.region_id);
        });
    }

    /// The number of an account, or that it is not known.
    pub(super) fn set_account_id(&self, account: &str, id: Option<String>) {
        self.known().change(&account.into(), |account| account.id = id);
    }

    /// Takes what has come in one go, and hurries whom it concerns. `of` is whose queue it was in, of which the events
    /// are that name nobody.
    pub(super) fn tell(&self, source: Source, of: &About, messages: &[Message]) -> Outcomes {
        let mut outcomes = Outcomes::default();
        let mut hinted: BTreeSet<Scope> = BTreeSet::new();
        {
            let known = self.known();
            // A list may name the same scopes a thousand times.
            let mut answered: BTreeMap<&About, bool> = BTreeMap::new();
            let nobody = About::default();
            for message in messages {
                let (outcome, about) = match message {
                    Message::Foreign => (Outcome::Ignored, None),
                    // What lies in a queue of events was put there by a rule, whatever it looks like.
                    Message::Unreadable if source == Source::Queue => (Outcome::Unreadable, Some(&nobody)),
                    Message::Unreadable => (Outcome::Unreadable, None),
                    Message::Hint(about) => (Outcome::Hint, Some(about)),
                };
                let is_known = about.is_none_or(|about| {
                    *answered.entry(about).or_insert_with(|| {
                        let mut is_known = false;
                        for (scope, inbox) in known.of(about, of) {
                            inbox.hint();
                            hinted.insert(scope);
                            is_known = true;
                        }
                        is_known
                    })
                });
                let outcome = match outcome {
                    Outcome::Hint if !is_known => Outcome::Unknown,
                    outcome => outcome,
                };
                outcomes[outcome as usize] += 1;
            }
        }
        let now = timestamp::seconds(SystemTime::now());
        self.board
            .change_events(|events| events.received(source, outcomes, hinted, now));
        outcomes
    }

    /// A request to a queue has failed.
    pub(super) fn queue_failed(&self, shown_at: &[Scope], error: &QueueError) {
        let at = timestamp::seconds(SystemTime::now());
        self.board.change_events(|events| {
            for scope in shown_at {
                let seen = events.scopes.entry(scope.clone()).or_default();
                let queue = seen.queue.get_or_insert_default();
                queue.failures[error.reason as usize] += 1;
                queue.error = Some(QueueFailed {
                    at,
                    reason: error.reason,
                    what: error.to_string(),
                });
            }
        });
    }

    /// A request to a queue has not failed, or there is none any more.
    pub(super) fn queue_is_well(&self, shown_at: &[Scope]) {
        let view = self.board.view();
        let is_shown = |scope: &Scope| {
            let seen = view.events.scopes.get(scope).and_then(|seen| seen.queue.as_ref());
            seen.is_some_and(|queue| queue.error.is_none())
        };
        if shown_at.iter().all(is_shown) {
            return;
        }
        self.board.change_events(|events| {
            for scope in shown_at {
                let seen = events.scopes.entry(scope.clone()).or_default();
                seen.queue.get_or_insert_default().error = None;
            }
        });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Changes what is known of an account; of one that has neither a number nor a poller nothing is.
    fn change(&mut self, name: &Arc<str>, change: impl FnOnce(&mut Account)) {
        let account = self.0.entry(Arc::clone(name)).or_default();
        change(account);
        if account.id.is_none() && account.inboxes.is_empty() {
            self.0.remove(name);
        }
    }

    /// The scopes that an event is about.
    fn of<'a>(&'a self, about: &'a About, queue: &'a About) -> impl Iterator<Item = (Scope, &'a Inbox)> {
        let account = about.account.as_deref().or(queue.account.as_deref());
        let region_id = about.region_id.as_deref().or(queue.region_id.as_deref());
        let named = self.0.iter().filter(move |(name, known)| {
            account.is_none_or(|account| {
                let is_of_id = |id: &String| id == account;
                // The number of an account that has none yet may be this one: a request too many does no harm.
                *account == ***name || known.id.as_ref().map_or_else(|| is_account_id(account), is_of_id)
            })
        });
        named.flat_map(move |(name, known)| {
            let (one, all) = match region_id {
                Some(region_id) => (known.inboxes.get_key_value(region_id), None),
                None => (None, Some(&known.inboxes)),
            };
            one.into_iter()
                .chain(all.into_iter().flatten())
                .map(|(region_id, inbox)| {
                    let scope = Scope {
                        account: Arc::clone(name),
                        region_id: Arc::clone(region_id),
                    };
                    (scope, inbox)
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(account: &str, region_id: &str) -> About {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        About {
            account: some(account),
            region_id: some(region_id),
        }
    }

    #[test]
    fn an_event_hurries_the_scopes_that_it_names() {
        let hints = Hints::new(Board::new());
        let scopes = ["a/r", "a/s", "b/r", "c/r"].map(|scope| {
            let (account, region_id) = scope.split_once('/').unwrap();
            (scope, hints.open(&Scope::new(account, region_id)))
        });
        hints.set_account_id("a", Some("11".to_owned()));
        hints.set_account_id("b", Some("22".to_owned()));
        let hurried = |source, of: &About, message: Message| -> (Vec<&str>, Outcome) {
            let outcomes = hints.tell(source, of, &[message]);
            let hurried = scopes.iter().filter(|(_, inbox)| inbox.take());
            let outcome = Outcome::ALL
                .into_iter()
                .find(|outcome| outcomes[*outcome as usize] == 1);
            (hurried.map(|(scope, _)| *scope).collect(), outcome.unwrap())
        };
        let nobody = About::default();
        let http = |account, region| hurried(Source::Http, &nobody, Message::Hint(about(account, region)));
        // Account c has no number yet, and may be any.
        assert_eq!(http("11", "r"), (vec!["a/r", "c/r"], Outcome::Hint));
        assert_eq!(http("a", ""), (vec!["a/r", "a/s"], Outcome::Hint));
        assert_eq!(http("", "s"), (vec!["a/s"], Outcome::Hint));
        assert_eq!(http("", "").0.len(), 4);
        hints.set_account_id("c", Some("33".to_owned()));
        assert_eq!(http("11", "r"), (vec!["a/r"], Outcome::Hint));
        assert_eq!(http("44", "r"), (vec![], Outcome::Unknown));
        assert_eq!(http("nobody", "r"), (vec![], Outcome::Unknown));
        assert_eq!(http("a", "t"), (vec![], Outcome::Unknown));
        assert_eq!(
            hurried(Source::Http, &nobody, Message::Foreign),
            (vec![], Outcome::Ignored)
        );
        assert_eq!(
            hurried(Source::Http, &nobody, Message::Unreadable),
            (vec![], Outcome::Unreadable)
        );
        // In a queue what names nobody is of the queue's own scope.
        let queue = about("b", "r");
        let queued = |message| hurried(Source::Queue, &queue, message);
        assert_eq!(queued(Message::Unreadable), (vec!["b/r"], Outcome::Unreadable));
        assert_eq!(
            queued(Message::Hint(nobody.clone())),
            (vec!["b/r"], Outcome::Hint)
        );
        assert_eq!(
            queued(Message::Hint(about("11", "s"))),
            (vec!["a/s"], Outcome::Hint)
        );
        hints.close(&Scope::new("b", "r"));
        assert_eq!(queued(Message::Unreadable), (vec![], Outcome::Unreadable));
        let events = Arc::clone(&hints.board.view().events);
        assert_eq!(events.received[Source::Http as usize], [5, 1, 3, 1]);
        assert_eq!(events.received[Source::Queue as usize], [2, 0, 0, 2]);
        assert!(events.scopes.values().all(|scope| scope.last.is_some()));
        assert_eq!(events.scopes.len(), 4, "and none of those that are not polled");
    }

    #[test]
    fn ten_thousand_events_are_one_hint() {
        let hints = Hints::new(Board::new());
        let inbox = hints.open(&Scope::new("a", "r"));
        let messages = vec![Message::Hint(About::default()); 10_000];
        assert_eq!(
            hints.tell(Source::Http, &About::default(), &messages),
            [10_000, 0, 0, 0]
        );
        assert!(inbox.take());
        assert!(!inbox.take());
    }
}
