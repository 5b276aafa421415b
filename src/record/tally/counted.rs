//! The results that a poll has counted, one by one: for the log, where they are asked for.

use crate::record::fact::{Changed, Fact, How, Settled};
use crate::record::findings::Trouble;
use crate::record::labels::LabelTexts;
use crate::result::{Ids, Seconds};

/// So many results of a poll are told of; of the others only how many.
pub const MAX_NEWS: usize = 200;

/// Which counted results are told of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wanted {
    /// None.
    #[default]
    None,
    /// Those that are not Success.
    Failed,
    /// All.
    All,
}

/// What is told of one poll.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// In the order in which they were counted, at most [`MAX_NEWS`].
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
    pub nameless: Option<Trouble>,
    /// The counted results themselves, as far as they are wanted.
    pub news: News,
}

impl Applied {
    pub(super) fn on(&mut self, fact: &Fact<'_>, wanted: Wanted, labels: &LabelTexts) {
        match fact {
            Fact::Settled(settled) => match settled.how {
                How::Counted => {
                    self.counted += 1;
                    if wanted.takes(settled) {
                        self.news.add(settled, labels);
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

impl Wanted {
    fn takes(self, settled: &Settled<'_>) -> bool {
        match self {
            Self::None => false,
            Self::Failed => !settled.is_success(),
            Self::All => true,
        }
    }
}

impl News {
    fn add(&mut self, settled: &Settled<'_>, labels: &LabelTexts) {
        if self.results.len() >= MAX_NEWS {
            self.more += 1;
            return;
        }
        let combination = settled.labelled.combination;
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
    use crate::record::{Findings, Pauses, Record, Settings, Sweep};
    use crate::result::{Identity, KnownStatus, Row, Status, Times};

    fn record(wanted: Wanted) -> Record {
        let mut record = Record::new(Settings {
            window: 86_400,
            new_series_hold: 90,
            max_error_codes: 100,
            max_exit_codes: 100,
            duration_buckets: vec![1.0],
            filter: 0,
            pauses: Pauses::default(),
            commands: None,
        });
        record.tell(wanted);
        record
    }

    fn row(number: u32, status: KnownStatus) -> Row {
        Row {
            identity: Identity([number, 0, 0, 0]),
            status: Status::Known(status),
            error_code: "".into(),
            exit_code: Some(7),
            error_info: None,
            repeats: 1,
            times: Times {
                finished: NonZeroU32::new(1000 + number),
                ..Times::default()
            },
            dropped: 0,
            delivery: None,
            scheduled: false,
            command: None,
            ids: Some(Box::new(Ids {
                invoke_id: format!("t-{number}").into(),
                instance_id: "i-1".into(),
                container_id: "".into(),
                command_id: "c-1".into(),
            })),
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
            sweep: sweep.then_some(Sweep { front: pages.len() }),
            pages,
            ..Findings::default()
        }
    }

    #[test]
    fn only_counted_results_are_told_of_and_only_those_that_are_wanted() {
        let both = || vec![row(2, KnownStatus::Failed), row(1, KnownStatus::Success)];
        for (wanted, told) in [(Wanted::None, 0), (Wanted::Failed, 1), (Wanted::All, 2)] {
            let mut record = record(wanted);
            let first_look = record.apply(poll(vec![row(0, KnownStatus::Failed)], true), at(2000));
            assert_eq!(first_look.news, News::default());
            let applied = record.apply(poll(both(), false), at(2060));
            assert_eq!((applied.counted, applied.news.results.len()), (2, told));
            let again = record.apply(poll(both(), false), at(2120));
            assert_eq!(again.news, News::default());
            if let Some(first) = applied.news.results.first() {
                assert_eq!(&*first.ids.as_ref().unwrap().invoke_id, "t-2");
                assert_eq!((&*first.invocation_status, &*first.exit_code), ("Failed", "7"));
                assert_eq!(first.time, 1002);
            }
        }
    }

    #[test]
    fn a_poll_tells_of_so_many_and_counts_the_rest() {
        let mut record = record(Wanted::Failed);
        record.apply(poll(Vec::new(), true), at(2000));
        let rows = (0..250).map(|number| row(number, KnownStatus::Failed)).collect();
        let applied = record.apply(poll(rows, false), at(2060));
        assert_eq!((applied.counted, applied.news.results.len()), (250, MAX_NEWS));
        assert_eq!(applied.news.more, 50);
    }
}
