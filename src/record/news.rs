//! The results that a poll has counted, one by one: for the log, where they are asked for.

use super::Record;
use super::label::{Combination, StatusNumber};
use crate::result::{Ids, KnownStatus, Row, Seconds};

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

impl Record {
    pub(super) fn note_news(&self, news: &mut News, row: &Row, combination: Combination, time: Seconds) {
        let succeeded = combination.status == StatusNumber::of(KnownStatus::Success);
        let wanted = match self.wanted {
            Wanted::None => false,
            Wanted::Failed => !succeeded,
            Wanted::All => true,
        };
        if !wanted {
            return;
        }
        if news.results.len() >= MAX_NEWS {
            news.more += 1;
            return;
        }
        // A run of a history comes without ids of its own where it succeeded.
        let of_schedule = || Some(self.schedule(&row.identity)?.ids.clone());
        let labels = &self.labels;
        news.results.push(CountedResult {
            time,
            ids: row.ids.as_deref().cloned().or_else(of_schedule),
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
    use crate::record::{Findings, Pauses, Settings, Sweep};
    use crate::result::{Identity, Status, Times};

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
