//! What one poll found, all of it or nothing.

use std::collections::HashSet;
use std::time::Duration;

use crate::clock::Now;
use crate::result::{Identity, InvocationSummary, Row, Seconds};

/// A day: a time that lies further ahead of the clock than this is no time.
const DAY: Seconds = 86_400;

/// The pages, answers and histories of one poll.
#[derive(Debug, Default, Clone)]
pub struct Findings {
    /// When the scan began.
    pub began: Now,
    /// When the last request was signed that was answered.
    pub answered: Option<Now>,
    /// Set when everything that the API lists was read.
    pub sweep: Option<Sweep>,
    /// The rows of the pages, in the order of the list.
    pub pages: Vec<Row>,
    /// Rows without ids.
    pub skipped: u64,
    /// Answers to questions about what is open.
    pub answers: Vec<Answer>,
    /// Histories of schedules.
    pub histories: Vec<History>,
    /// Rows that belong to a schedule, by DescribeInvocations.
    pub scheduled: Vec<Identity>,
    /// What commands are called, as far as it was asked for.
    pub naming: Naming,
}

impl Findings {
    /// The end of the scan, when the process's own time is `steady`.
    pub fn ended(&self, steady: Duration) -> Now {
        self.answered.unwrap_or(self.began).at(steady)
    }

    /// The results that it shows, and those that it has asked about.
    pub fn looked_at(&self) -> impl Iterator<Item = Identity> {
        let answered = self.answers.iter().flat_map(|answer| &answer.rows);
        let shown = self.pages.iter().chain(answered).map(|row| row.identity);
        shown.chain(
            self.answers
                .iter()
                .flat_map(|answer| answer.asked.iter().copied()),
        )
    }
}

/// That everything was read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// How many rows at the front an ordinary poll would have read: what is new behind them, only a sweep finds.
    pub front: usize,
    /// What other polls have looked at since it began: of that, its own pages are older.
    pub newer: HashSet<Identity>,
}

/// The rows of one InvokeId question, or of the list of what is Running.
#[derive(Debug, Default, Clone)]
pub struct Answer {
    /// The open results that must be among the rows if the API still lists them.
    pub asked: Vec<Identity>,
    /// In the order of the answer.
    pub rows: Vec<Row>,
}

/// Answers to questions for the names of commands.
#[derive(Debug, Default, Clone)]
pub struct Naming {
    /// In the order of the lists, newest first.
    pub found: Vec<InvocationSummary>,
    /// CommandIds that were asked for and are not listed.
    pub missing: Vec<Box<str>>,
    /// Schedules that were asked for and are not listed: CommandId, InvokeId.
    pub missing_schedules: Vec<(Box<str>, Box<str>)>,
    /// Why an answer could not be had.
    pub unavailable: Option<NamesUnavailable>,
}

impl Naming {
    /// Whether any question was answered.
    pub fn is_answered(&self) -> bool {
        !self.found.is_empty() || !self.missing.is_empty() || !self.missing_schedules.is_empty()
    }

    /// Adds what was read after it.
    pub fn add(&mut self, later: Self) {
        self.found.extend(later.found);
        self.missing.extend(later.missing);
        self.missing_schedules.extend(later.missing_schedules);
        self.unavailable = later.unavailable.or(self.unavailable);
    }
}

/// Why names could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamesUnavailable {
    /// DescribeInvocations is not allowed, or not understood: asking again soon does not help.
    Refused,
    /// It will pass.
    Passing,
}

/// Runs of one schedule.
#[derive(Debug, Default, Clone)]
pub struct History {
    /// The schedule's rows that it was asked for, and what of them is among `rows` now, as far as the API lists it.
    pub asked: Vec<(Identity, Sought)>,
    /// One row for each run; Repeats is its number. None where the history could not be had.
    pub rows: Vec<Row>,
    /// Whether what was missing was looked for in all of it, like a sweep looks.
    pub thorough: bool,
}

/// Which runs a history is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sought {
    /// Those up to the one that Repeats shows.
    Newest,
    /// Those that are missing among the known ones.
    Missing,
}

/// Rule 10's time of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dated {
    /// FinishedTime, else StopTime, else StartTime.
    Own(Seconds),
    /// It has none, and this is what its dated neighbours in the list say.
    Near {
        /// The time of the nearest one; of two as near, of the one before.
        time: Seconds,
        /// In a list that is in order, it is no newer than the later of both; none at an end.
        at_most: Option<Seconds>,
    },
    /// No row of the list has one.
    Unknown,
}

impl Dated {
    /// The time, where there is one.
    pub(super) fn time(self) -> Option<Seconds> {
        match self {
            Self::Own(time) | Self::Near { time, .. } => Some(time),
            Self::Unknown => None,
        }
    }

    /// A time that it had ended by, as far as the list tells.
    pub(super) fn at_most(self) -> Option<Seconds> {
        match self {
            Self::Own(time) => Some(time),
            Self::Near { at_most, .. } => at_most,
            Self::Unknown => None,
        }
    }

    /// The row's own.
    pub(super) fn own(self) -> Option<Seconds> {
        match self {
            Self::Own(time) => Some(time),
            Self::Near { .. } | Self::Unknown => None,
        }
    }
}

/// Rule 10: the time of each row of a list.
pub(super) fn times(rows: &[Row], now: Seconds) -> Vec<Dated> {
    let own: Vec<Option<Seconds>> = rows.iter().map(|row| own_time(row, now)).collect();
    let before = neighbours(own.iter().copied().enumerate());
    let mut behind = neighbours(own.iter().copied().enumerate().rev());
    behind.reverse();
    let times = own.into_iter().enumerate().zip(before.into_iter().zip(behind));
    times
        .map(|((place, own), neighbours)| match (own, neighbours) {
            (Some(time), _) => Dated::Own(time),
            (None, (Some((before, newer)), Some((behind, older)))) => Dated::Near {
                time: if behind - place < place - before {
                    older
                } else {
                    newer
                },
                at_most: Some(newer.max(older)),
            },
            (None, (Some((_, time)), None) | (None, Some((_, time)))) => Dated::Near { time, at_most: None },
            (None, (None, None)) => Dated::Unknown,
        })
        .collect()
}

/// Place and time of the last dated row up to each, in this order of rows.
fn neighbours(times: impl Iterator<Item = (usize, Option<Seconds>)>) -> Vec<Option<(usize, Seconds)>> {
    let last = times.scan(None, |last, (place, time)| {
        *last = time.map(|time| (place, time)).or(*last);
        Some(*last)
    });
    last.collect()
}

/// FinishedTime, else StopTime, else StartTime.
pub(super) fn own_time(row: &Row, now: Seconds) -> Option<Seconds> {
    let valid = |time: Option<std::num::NonZeroU32>| {
        time.map(std::num::NonZeroU32::get)
            .filter(|time| *time <= now.saturating_add(DAY))
    };
    let times = row.times;
    valid(times.finished)
        .or_else(|| valid(times.stopped))
        .or_else(|| valid(times.started))
}

/// StartTime, where there is a believable one.
pub(super) fn started(row: &Row, now: Seconds) -> Option<Seconds> {
    row.times
        .started
        .map(std::num::NonZeroU32::get)
        .filter(|time| *time <= now.saturating_add(DAY))
}

/// FinishedTime − StartTime in seconds, where both are believable and in order.
pub(super) fn duration(row: &Row, now: Seconds) -> Option<u32> {
    let finished = row
        .times
        .finished
        .map(std::num::NonZeroU32::get)
        .filter(|time| *time <= now.saturating_add(DAY))?;
    finished.checked_sub(started(row, now)?)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::result::{KnownStatus, Status, Times};

    fn row(finished: u32, stopped: u32, started: u32) -> Row {
        Row {
            times: Times {
                finished: NonZeroU32::new(finished),
                stopped: NonZeroU32::new(stopped),
                started: NonZeroU32::new(started),
            },
            ..Row::numbered(0, Status::Known(KnownStatus::Failed))
        }
    }

    #[test]
    fn finished_then_stopped_then_started_then_the_nearest_neighbour() {
        let undated = row(0, 0, 0);
        let rows = [
            undated.clone(),
            row(30, 20, 10),
            row(0, 20, 10),
            undated.clone(),
            undated.clone(),
            row(0, 0, 10),
            undated.clone(),
        ];
        let found: Vec<Option<Seconds>> = times(&rows, 1000).into_iter().map(Dated::time).collect();
        assert_eq!(found, [30, 30, 20, 20, 10, 10, 10].map(Some));
        assert_eq!(times(std::slice::from_ref(&undated), 1000), [Dated::Unknown]);
        let even = [row(50, 0, 0), undated, row(40, 0, 0)];
        let near = |time, at_most| Dated::Near { time, at_most };
        assert_eq!(times(&even, 1000)[1], near(50, Some(50)));
    }

    #[test]
    fn what_has_no_time_is_no_newer_than_its_neighbours_unless_it_stands_at_an_end() {
        let list = |times: &[u32]| -> Vec<Option<Seconds>> {
            let rows: Vec<Row> = times.iter().map(|time| row(*time, 0, 0)).collect();
            self::times(&rows, 1000).into_iter().map(Dated::at_most).collect()
        };
        let [none, old, new] = [None, Some(30), Some(50)];
        assert_eq!(list(&[0, 50, 0, 30, 0]), [none, new, new, old, none]);
        assert_eq!(list(&[0, 30, 0, 50, 0]), [none, old, new, new, none]);
        assert_eq!(list(&[0, 30, 0]), [none, old, none]);
        assert_eq!(list(&[0, 0]), [none, none]);
    }

    #[test]
    fn a_time_over_a_day_ahead_is_none() {
        let now = 1_000_000;
        assert_eq!(times(&[row(now + DAY, 0, 7)], now), [Dated::Own(now + DAY)]);
        assert_eq!(times(&[row(now + DAY + 1, 0, 7)], now), [Dated::Own(7)]);
        assert_eq!(duration(&row(now + DAY + 1, 0, 7), now), None);
        assert_eq!(duration(&row(17, 0, 7), now), Some(10));
        assert_eq!(duration(&row(7, 0, 17), now), None);
    }
}
