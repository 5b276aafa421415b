//! Which names of commands to ask for, with as few requests as can be.
//!
//! A listing of the newest invocations answers for many commands at once, one by one is sure. Whatever goes wrong
//! here ends the asking and not the poll.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::record::{NameNeed, NamesUnavailable, Naming, Record};
use crate::result::{InvocationSummary, Row};

/// At most so many commands and schedules are asked for one by one in one poll; the others wait for the next.
const MAX_ONE_BY_ONE: usize = 20;

/// A sweep reads so many pages of the newest invocations to see whether selected commands are still called the same.
const RENEWAL_PAGES: usize = 4;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The list of all invocations, newest first.
    Newest,
    /// Those of one CommandId.
    Command(Box<str>),
    /// One InvokeId: a schedule.
    Invocation(Box<str>),
}

/// The asking of one poll.
#[derive(Debug)]
pub struct Names {
    /// CommandIds without a name.
    names: BTreeSet<Box<str>>,
    /// Schedules that are not known: InvokeId, CommandId.
    schedules: BTreeMap<Box<str>, Box<str>>,
    /// CommandIds whose name is known, and may have changed.
    renewals: BTreeSet<Box<str>>,
    stage: Stage,
    naming: Naming,
}

#[derive(Debug)]
enum Stage {
    Newest {
        pages_left: usize,
        /// Pages with nothing that is wanted, such as of what has been sent since the results were read.
        useless: usize,
    },
    OneByOne(VecDeque<Lookup>),
}

impl Names {
    /// What the rows of a poll leave to be asked; none where that is nothing.
    ///
    /// `known` was read by this poll already, and is not recorded yet.
    pub fn plan<'a>(
        record: &Record,
        rows: impl Iterator<Item = &'a Row>,
        known: &Naming,
        sweep: bool,
    ) -> Option<Self> {
        let mut names: BTreeSet<Box<str>> = record.awaited_names().map(Into::into).collect();
        let mut schedules = BTreeMap::new();
        let mut renewals = BTreeSet::new();
        for row in rows {
            let Some(command) = row.command.as_deref() else {
                continue;
            };
            match (record.name_need(row), &row.ids) {
                (Some(NameNeed::Name), _) => {
                    names.insert(command.id.clone());
                }
                (Some(NameNeed::Schedule), Some(ids)) => {
                    schedules.insert(ids.invoke_id.clone(), command.id.clone());
                }
                (Some(NameNeed::Schedule | NameNeed::Nothing), _) if sweep => {
                    renewals.insert(command.id.clone());
                }
                _ => {}
            }
        }
        for named in &known.found {
            names.remove(&named.command_id);
            schedules.remove(&named.invoke_id);
        }
        let mut plan = Self {
            names,
            schedules,
            renewals,
            stage: Stage::OneByOne(VecDeque::new()),
            naming: Naming::default(),
        };
        plan.stage = match plan.missing() {
            0 | 1 if plan.renewals.is_empty() => plan.one_by_one(),
            missing => Stage::Newest {
                pages_left: missing.max(RENEWAL_PAGES.min(plan.renewals.len())),
                useless: 0,
            },
        };
        plan.next().is_some().then_some(plan)
    }

    /// The next question; none at the end.
    pub fn next(&self) -> Option<Lookup> {
        match &self.stage {
            Stage::Newest { .. } => Some(Lookup::Newest),
            Stage::OneByOne(queue) => queue.front().cloned(),
        }
    }

    /// Takes in an answer. Returns whether the same list is to be read on.
    pub fn take(&mut self, found: Vec<InvocationSummary>, has_more: bool) -> bool {
        let before = self.missing() + self.renewals.len();
        for named in &found {
            self.names.remove(&named.command_id);
            self.renewals.remove(&named.command_id);
            self.schedules.remove(&named.invoke_id);
        }
        self.naming.found.extend(found);
        let missing = self.missing();
        match &mut self.stage {
            Stage::Newest { pages_left, useless } => {
                *pages_left -= 1;
                let was_useful = missing + self.renewals.len() < before;
                *useless += usize::from(!was_useful);
                // As long as it can still cost less than asking one by one.
                let goes_on = has_more && (was_useful || *useless < missing / 2) && *pages_left > 0;
                // One question more costs the same for one, and is sure.
                if goes_on && (missing > 1 || !self.renewals.is_empty()) {
                    return true;
                }
                if has_more {
                    self.stage = self.one_by_one();
                } else {
                    self.nothing_more_is_listed();
                }
            }
            Stage::OneByOne(queue) => match queue.pop_front() {
                Some(Lookup::Command(id)) if self.names.remove(&id) => self.naming.missing.push(id),
                Some(Lookup::Invocation(invoke_id)) => {
                    if let Some(id) = self.schedules.remove(&invoke_id) {
                        self.naming.missing_schedules.push((id, invoke_id));
                    }
                }
                _ => {}
            },
        }
        false
    }

    /// An answer could not be had. The rest is not asked for in this poll.
    pub fn fail(&mut self, why: NamesUnavailable) {
        self.naming.unavailable = Some(why);
        self.stage = Stage::OneByOne(VecDeque::new());
    }

    /// What was found.
    pub fn naming(self) -> Naming {
        self.naming
    }

    fn missing(&self) -> usize {
        self.names.len() + self.schedules.len()
    }

    fn one_by_one(&self) -> Stage {
        let names = self.names.iter().cloned().map(Lookup::Command);
        let schedules = self.schedules.keys().cloned().map(Lookup::Invocation);
        Stage::OneByOne(names.chain(schedules).take(MAX_ONE_BY_ONE).collect())
    }

    fn nothing_more_is_listed(&mut self) {
        self.naming.missing.extend(std::mem::take(&mut self.names));
        let schedules = std::mem::take(&mut self.schedules).into_iter();
        self.naming
            .missing_schedules
            .extend(schedules.map(|(invoke_id, id)| (id, invoke_id)));
        self.stage = Stage::OneByOne(VecDeque::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wanted: &[&str], renewals: &[&str]) -> Names {
        let set = |ids: &[&str]| ids.iter().map(|id| Box::from(*id)).collect();
        let mut names = Names {
            names: set(wanted),
            schedules: BTreeMap::new(),
            renewals: set(renewals),
            stage: Stage::OneByOne(VecDeque::new()),
            naming: Naming::default(),
        };
        names.stage = match wanted.len() {
            0 | 1 if renewals.is_empty() => names.one_by_one(),
            missing => Stage::Newest {
                pages_left: missing.max(RENEWAL_PAGES),
                useless: 0,
            },
        };
        names
    }

    fn found(ids: &[&str]) -> Vec<InvocationSummary> {
        let named = |id: &&str| InvocationSummary {
            command_id: (*id).into(),
            invoke_id: "t".into(),
            name: "n".into(),
            kind: "".into(),
            repeat_mode: "Once".into(),
            frequency: "".into(),
            created: 0,
        };
        ids.iter().map(named).collect()
    }

    #[test]
    fn one_is_asked_for_by_its_id() {
        let mut names = names(&["a"], &[]);
        assert_eq!(names.next(), Some(Lookup::Command("a".into())));
        assert!(!names.take(found(&["a"]), false));
        assert_eq!((names.next(), names.naming().missing.len()), (None, 0));
    }

    #[test]
    fn a_listing_answers_for_many_and_is_left_when_it_does_not_help() {
        let mut names = names(&["a", "b", "c", "d"], &[]);
        assert_eq!(names.next(), Some(Lookup::Newest));
        assert!(names.take(found(&["x", "a", "b"]), true), "two are left");
        assert!(!names.take(found(&["x", "y"]), true), "none of them on that page");
        assert_eq!(names.next(), Some(Lookup::Command("c".into())));
        names.take(found(&["c"]), true);
        names.take(Vec::new(), false);
        assert_eq!(names.next(), None);
        assert_eq!(names.naming().missing, ["d".into()]);
    }

    #[test]
    fn what_a_whole_list_lacks_is_missing() {
        let mut names = names(&["a", "b"], &[]);
        assert!(!names.take(found(&["x"]), false));
        assert_eq!((names.next(), names.naming().missing.len()), (None, 2));
    }

    #[test]
    fn names_that_cannot_be_had_end_the_asking() {
        let mut names = names(&["a", "b"], &[]);
        names.fail(NamesUnavailable::Refused);
        assert_eq!(names.next(), None);
        let naming = names.naming();
        assert_eq!(
            (naming.unavailable, naming.missing.len()),
            (Some(NamesUnavailable::Refused), 0)
        );
    }

    #[test]
    fn names_that_are_known_are_looked_at_again_on_a_few_pages() {
        let mut names = names(&[], &["a", "b", "c", "d", "e", "f"]);
        for id in ["a", "b", "c"] {
            assert!(names.take(found(&[id]), true));
        }
        assert!(!names.take(found(&["d"]), true));
        assert_eq!(names.next(), None, "nobody waits for the others");
    }
}
