//! The results that a poll has counted, one by one: for the log, where they are asked for.

use crate::record::fact::{Changed, Fact, How, Settled};
use crate::record::findings::NamesUnavailable;
use crate::record::labels::LabelTexts;
use crate::result::{Ids, Seconds};

/// So many counted results of a poll are listed; of the others only how many.
pub const MAX_LISTED: usize = 200;

/// Which counted results are listed one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListedResults {
    /// None.
    #[default]
    None,
    /// Those that are not Success.
    Failed,
    /// All.
    All,
}

/// The counted results of one poll, one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountedResults {
    /// In the order in which they were counted, at most [`MAX_LISTED`].
    pub results: Vec<CountedResult>,
    /// Those above that.
    pub more: u64,
}

/// A result that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedResult {
    /// Its time.
    pub time: Seconds,
    /// Where to look; none for a success, unless its row came with them.
    pub ids: Option<Ids>,
    /// InvocationStatus, as its label shows it.
    pub invocation_status: Box<str>,
    /// ErrorCode, as its label shows it.
    pub error_code: Box<str>,
    /// ExitCode, as its label shows it.
    pub exit_code: Box<str>,
}

/// What a poll changed, for the log.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Results that were counted.
    pub counted: u64,
    /// Results that were settled before the baseline.
    pub baseline: u64,
    /// Results from before the baseline that only this poll has shown.
    pub old: u64,
    /// Open results that were given up.
    pub lost: u64,
    /// Results that only a sweep found.
    pub late: u64,
    /// Settled results that had changed.
    pub reclassified: u64,
    /// Identities forgotten.
    pub forgotten: u64,
    /// Why commands are labelled by their CommandIds from now on.
    pub names_unavailable: Option<NamesUnavailable>,
    /// The counted results themselves, as far as they are listed.
    pub listed: CountedResults,
}

impl Applied {
    pub(super) fn on(&mut self, fact: &Fact<'_>, listed: ListedResults, labels: &LabelTexts) {
        match fact {
            Fact::Settled(settled) => match settled.how {
                How::Counted => {
                    self.counted += 1;
                    if listed.takes(settled) {
                        self.listed.add(settled, labels);
                    }
                }
                How::Baseline => self.baseline += 1,
                How::Old => self.old += 1,
                How::Again => {}
            },
            Fact::Changed {
                how: Changed::Reopened | Changed::Relabelled,
                ..
            } => self.reclassified += 1,
            Fact::Lost => self.lost += 1,
            Fact::Late => self.late += 1,
            Fact::Forgotten => self.forgotten += 1,
            _ => {}
        }
    }
}

impl ListedResults {
    fn takes(self, settled: &Settled<'_>) -> bool {
        match self {
            Self::None => false,
            Self::Failed => !settled.is_success(),
            Self::All => true,
        }
    }
}

impl CountedResults {
    fn add(&mut self, settled: &Settled<'_>, labels: &LabelTexts) {
        if self.results.len() >= MAX_LISTED {
            self.more += 1;
            return;
        }
        let combination = settled.labelled.labels;
        self.results.push(CountedResult {
            time: settled.time,
            ids: settled.ids.cloned(),
            invocation_status: labels.status_text(combination.status).into(),
            error_code: labels.error_codes.text(combination.error_code).into(),
            exit_code: labels.exit_codes.text(combination.exit_code).into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::clock::Now;
    use crate::record::{Findings, Record, Settings, Sweep};
    use crate::result::{KnownStatus, Row, Status, Times};

    fn record(listed: ListedResults) -> Record {
        let mut record = Record::new(Settings::default());
        record.list_counted(listed);
        record
    }

    fn row(number: u32, status: KnownStatus) -> Row {
        Row {
            exit_code: Some(7),
            times: Times {
                finished: NonZeroU32::new(1000 + number),
                ..Times::default()
            },
            ..Row::numbered(number, Status::Known(status))
        }
    }

    fn at(wall: Seconds) -> Now {
        Now {
            wall,
            ..Now::default()
        }
    }

    fn poll(pages: Vec<Row>, sweep: bool) -> Findings {
        Findings {
            sweep: sweep.then_some(Sweep {
                front: pages.len(),
                ..Sweep::default()
            }),
            pages,
            ..Findings::default()
        }
    }

    #[test]
    fn only_counted_results_are_told_of_and_only_those_that_are_wanted() {
        let both = || vec![row(2, KnownStatus::Failed), row(1, KnownStatus::Success)];
        for (listed, told) in [
            (ListedResults::None, 0),
            (ListedResults::Failed, 1),
            (ListedResults::All, 2),
        ] {
            let mut record = record(listed);
            let baseline = record.apply(poll(vec![row(0, KnownStatus::Failed)], true), at(2000));
            assert_eq!(baseline.listed, CountedResults::default());
            let applied = record.apply(poll(both(), false), at(2060));
            assert_eq!((applied.counted, applied.listed.results.len()), (2, told));
            let again = record.apply(poll(both(), false), at(2120));
            assert_eq!(again.listed, CountedResults::default());
            if let Some(first) = applied.listed.results.first() {
                assert_eq!(&*first.ids.as_ref().unwrap().invoke_id, "t-2");
                assert_eq!((&*first.invocation_status, &*first.exit_code), ("Failed", "7"));
                assert_eq!(first.time, 1002);
            }
        }
    }

    #[test]
    fn a_poll_tells_of_so_many_and_counts_the_rest() {
        let mut record = record(ListedResults::Failed);
        record.apply(poll(Vec::new(), true), at(2000));
        let rows = (0..250).map(|number| row(number, KnownStatus::Failed)).collect();
        let applied = record.apply(poll(rows, false), at(2060));
        assert_eq!((applied.counted, applied.listed.results.len()), (250, MAX_LISTED));
        assert_eq!(applied.listed.more, 50);
    }
}
