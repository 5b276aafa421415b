//! The newest results that did not succeed, for a person to look at.

pub(in crate::record) mod kept;
pub(in crate::record) mod shown;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::record::fact::{Changed, Fact, Settled};
use crate::record::identities::Identities;
use crate::record::labels::{LabelTexts, ResultLabels};
use crate::record::table::{Table, decode};
use crate::result::{Delivery, Identity, Seconds};
use kept::{Failure, Kept, PackedIds, SavedFirst, shortened};
use shown::ShownFailures;

/// So many are kept of each scope, or fewer where many scopes have many.
pub const MAX_FAILURES: usize = 1000;

/// So many each scope may keep, however many scopes there are.
pub const LEAST_FAILURES: usize = 20;

/// So many of each combination of codes are let go last: frequent failures do not push out a rare one.
const KEPT_OF_EACH: usize = 20;

/// A bounded set of failures, by time.
#[derive(Debug)]
pub(in crate::record) struct Failures {
    /// The upper half of a key is the time, the lower a number that tells equal times apart.
    pub by_time: Table<u64, Kept>,
    next: u32,
    /// Where each one is: a result, or a run, is kept once.
    by_identity: HashMap<Identity, u64>,
    /// How many there are of each combination.
    of_each: HashMap<ResultLabels, usize>,
    /// Each ErrorInfo once.
    texts: HashSet<Arc<str>>,
    /// The newest time of those that were let go, 0 where none was; saved with the head. None while what an earlier
    /// version has saved is read, which has not saved this.
    pub let_go: Option<Seconds>,
    /// As they were shown last; made anew when they have changed.
    shown: Option<ShownFailures>,
    /// [`super::commands::Commands::names_revision`] of what is shown.
    shown_with: u64,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            by_time: Table::default(),
            next: 0,
            by_identity: HashMap::new(),
            of_each: HashMap::new(),
            texts: HashSet::new(),
            let_go: Some(0),
            shown: None,
            shown_with: 0,
        }
    }
}

impl Failures {
    pub(super) fn on(&mut self, fact: &Fact<'_>, identities: &Identities) {
        match fact {
            Fact::Settled(settled) if !settled.is_success() => self.add(settled),
            Fact::Parted { row, .. } => {
                if let Some(row) = identities.get(*row) {
                    self.part(&row.identity);
                }
            }
            Fact::Changed {
                how: Changed::Unhidden,
                ..
            } => {}
            Fact::Changed { before, .. } => self.forget(&before.identity),
            Fact::Delivered {
                identity, delivery, ..
            } => self.delivered(identity, delivery),
            _ => {}
        }
    }

    /// Lets go of what is more than so many.
    pub(in crate::record) fn bound(&mut self, most: usize) {
        while self.by_time.len() > most {
            let Some(key) = self.surplus() else { return };
            self.let_go = self.let_go.max(Some((key >> 32) as Seconds));
            self.remove(key);
        }
    }

    fn add(&mut self, settled: &Settled<'_>) {
        let Some(ids) = settled.ids else { return };
        let details = settled.details;
        self.make_room_for(&settled.identity, details.run);
        let failure = Failure {
            identity: settled.identity,
            time: settled.time,
            labels: settled.labelled.labels,
            run: details.run,
            duration: settled.duration,
            ids: PackedIds::of(ids),
            error_info: self.text(shortened(details.error_info)),
            delivery: details.delivery.cloned().map(Box::new),
        };
        let key = u64::from(failure.time) << 32 | u64::from(self.next);
        self.next = self.next.wrapping_add(1);
        *self.of_each.entry(failure.labels).or_default() += 1;
        self.by_identity.insert(failure.identity, key);
        self.by_time.insert(key, Kept(Arc::new(failure)));
        self.shown = None;
        self.bound(MAX_FAILURES);
    }

    /// A run of a schedule has two identities: its own, where its history has told of it, and that of the row which
    /// shows it. Whatever is kept of it under either gives way, and an earlier run that the row has shown stays.
    fn make_room_for(&mut self, identity: &Identity, run: u32) {
        let key = self.by_identity.get(identity).copied();
        match key.and_then(|key| self.by_time.get(key)) {
            Some(kept) if kept.0.run == run => self.forget(identity),
            Some(_) => self.part(identity),
            None => {}
        }
        if !self.by_identity.is_empty() {
            self.forget(&identity.of_run(run.max(1)));
        }
    }

    /// What a row has shown is kept as a run, for the row shows another one from now on.
    fn part(&mut self, row: &Identity) {
        let Some(key) = self.by_identity.remove(row) else {
            return;
        };
        let Some(Kept(failure)) = self.by_time.change(key) else {
            return;
        };
        let failure = Arc::make_mut(failure);
        failure.run = failure.run.max(1);
        failure.identity = row.of_run(failure.run);
        self.shown = None;
        if let Some(same) = self.by_identity.insert(failure.identity, key) {
            self.remove(same);
        }
    }

    /// The one text with these words.
    fn text(&mut self, text: String) -> Arc<str> {
        match self.texts.get(&*text) {
            Some(known) => Arc::clone(known),
            None => {
                let text: Arc<str> = text.into();
                self.texts.insert(Arc::clone(&text));
                text
            }
        }
    }

    /// The oldest one of a combination that there are many of, else the oldest.
    fn surplus(&self) -> Option<u64> {
        let is_frequent = |kept: &Kept| {
            let count = self.of_each.get(&kept.0.labels);
            count.is_some_and(|count| *count > KEPT_OF_EACH)
        };
        let mut kept = self.by_time.iter();
        let frequent = kept.find(|(_, kept)| is_frequent(kept)).map(|(key, _)| *key);
        frequent.or_else(|| self.by_time.first())
    }

    fn forget(&mut self, identity: &Identity) {
        if let Some(key) = self.by_identity.get(identity).copied() {
            self.remove(key);
        }
    }

    /// The delivery of an output has ended, which may be long after the result was seen settled.
    fn delivered(&mut self, identity: &Identity, delivery: &Delivery) {
        let mut failures = self.by_time.iter();
        let found = failures.find(|(_, kept)| kept.0.identity == *identity && kept.0.delivery.is_none());
        let Some((key, Kept(failure))) = found else { return };
        let failure = Failure {
            delivery: Some(Box::new(delivery.clone())),
            ..Failure::clone(failure)
        };
        self.by_time.insert(*key, Kept(Arc::new(failure)));
        self.shown = None;
    }

    fn remove(&mut self, key: u64) {
        self.shown = None;
        let Some(Kept(failure)) = self.by_time.remove(key) else {
            return;
        };
        if self.by_identity.get(&failure.identity) == Some(&key) {
            self.by_identity.remove(&failure.identity);
        }
        if let Some(count) = self.of_each.get_mut(&failure.labels) {
            *count -= 1;
            if *count == 0 {
                self.of_each.remove(&failure.labels);
            }
        }
    }

    /// Puts a saved one back; `false` where no sound state has it.
    pub(in crate::record) fn restore(&mut self, key: u64, bytes: &[u8], labels: &LabelTexts) -> bool {
        self.next = self.next.max((key as u32).wrapping_add(1));
        let kept: Option<Kept> = decode(bytes).or_else(|| Some(decode::<SavedFirst>(bytes)?.into()));
        let has_room = self.by_time.len() < MAX_FAILURES;
        let is_sound = |kept: &Kept| has_room && labels.has(kept.0.labels) && kept.0.is_sound();
        let Some(mut kept) = kept.filter(is_sound) else {
            return false;
        };
        if let Some(failure) = Arc::get_mut(&mut kept.0) {
            failure.error_info = self.text(String::from(&*failure.error_info));
        }
        *self.of_each.entry(kept.0.labels).or_default() += 1;
        self.by_identity.insert(kept.0.identity, key);
        self.by_time.restore_value(key, kept)
    }

    /// After the last saved one. An earlier version has not said what it had let go: where the set may have been cut,
    /// that is what is older than the oldest of what would go next.
    pub(in crate::record) fn restored(&mut self) {
        if self.let_go.is_none() {
            let may_be_cut = self.by_time.len() >= LEAST_FAILURES;
            let next = self.surplus().filter(|_| may_be_cut);
            self.let_go = Some(next.map_or(0, |key| (key >> 32) as Seconds));
        }
    }

    /// All of them, the newest first. What was shown before is shared, as long as commands have the same names: those
    /// of `revision`.
    pub(in crate::record) fn shown<'a>(
        &mut self,
        revision: u64,
        name: impl Fn(&str) -> Option<&'a str>,
    ) -> ShownFailures {
        if self.shown_with != revision {
            self.shown_with = revision;
            self.shown = None;
        }
        if let Some(shown) = &self.shown {
            return shown.clone();
        }
        let mut names = BTreeMap::new();
        for (_, kept) in self.by_time.iter() {
            let [.., id] = kept.0.ids.parts();
            if let Some(name) = name(id)
                && !names.contains_key(id)
            {
                names.insert(id.into(), name.into());
            }
        }
        let shown = ShownFailures {
            all: self
                .by_time
                .iter()
                .rev()
                .map(|(_, kept)| Arc::clone(&kept.0))
                .collect(),
            names: Arc::new(names),
            complete_after: self.let_go.filter(|time| *time > 0),
        };
        // Those that no failure has any more; a picture may still hold some.
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.shown.insert(shown).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fact::{Details, How};
    use crate::record::labels::{Folded, Labelled};
    use crate::result::{Ids, KnownStatus};

    /// The `n`-th failure of a code, at `time`.
    fn add(failures: &mut Failures, (code, n): (&str, u32), time: Seconds) {
        let ids = Ids {
            invoke_id: format!("t-{code}-{n}").into(),
            instance_id: "i-1".into(),
            container_id: "".into(),
            command_id: "c-1".into(),
        };
        let combination = LabelTexts::default().reserved(KnownStatus::Aborted, code, "");
        let settled = Settled {
            identity: Identity([n, 0, 0, 0]),
            ids: Some(&ids),
            command: None,
            labelled: Labelled {
                labels: combination,
                folded: Folded::default(),
            },
            time,
            own_time: None,
            duration: Some(3),
            dropped: 0,
            details: Details {
                error_info: "the agent is not running",
                ..Details::default()
            },
            how: How::Counted,
        };
        failures.on(&Fact::Settled(&settled), &Identities::default());
    }

    fn count(failures: &mut Failures, code: &str) -> usize {
        let shown = failures.shown(0, |_| None);
        let labels = LabelTexts::default();
        shown.iter(&labels).filter(|one| one.error_code() == code).count()
    }

    #[test]
    fn frequent_failures_do_not_push_out_rare_ones() {
        let mut failures = Failures::default();
        for n in 0..30 {
            add(&mut failures, ("ClientNotRunning", n), 1000 + n);
        }
        assert_eq!(failures.shown(0, |_| None).complete_after(), None);
        for n in 100..3100 {
            add(&mut failures, ("DeliveryTimeout", n), 2000 + n);
        }
        assert_eq!(failures.by_time.len(), MAX_FAILURES);
        // The ten oldest were more than are let go last.
        assert_eq!(count(&mut failures, "ClientNotRunning"), KEPT_OF_EACH);
        assert_eq!(
            count(&mut failures, "DeliveryTimeout"),
            MAX_FAILURES - KEPT_OF_EACH
        );
        let complete_after = failures.shown(0, |_| None).complete_after();
        assert_eq!(complete_after, Some(2000 + 3100 - 981));
        failures.bound(50);
        assert_eq!(count(&mut failures, "ClientNotRunning"), KEPT_OF_EACH);
        assert_eq!(count(&mut failures, "DeliveryTimeout"), 30);
    }

    #[test]
    fn one_text_is_held_once_and_let_go_with_the_last_of_it() {
        let mut failures = Failures::default();
        for n in 0..10 {
            add(&mut failures, ("DeliveryTimeout", n), n);
        }
        assert_eq!(failures.texts.len(), 1);
        failures.bound(0);
        failures.shown(0, |_| None);
        assert_eq!((failures.texts.len(), failures.of_each.len()), (0, 0));
    }

    #[test]
    fn a_name_is_that_of_the_newest_revision() {
        let mut failures = Failures::default();
        add(&mut failures, ("DeliveryTimeout", 1), 1);
        let labels = LabelTexts::default();
        let before = failures.shown(1, |_| Some("before"));
        let after = failures.shown(2, |_| Some("after"));
        let name = |shown: &ShownFailures| shown.iter(&labels).next().unwrap().command().map(str::to_owned);
        assert_eq!(name(&before).as_deref(), Some("before"));
        assert_eq!(name(&after).as_deref(), Some("after"));
        assert!(Arc::ptr_eq(&after.all, &failures.shown(2, |_| None).all));
    }
}
