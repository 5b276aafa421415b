//! The head: the single numbers of a scope, which are saved together, and when that is worth a save.
//!
//! Most polls of most scopes find nothing. All that such a poll changes of what is saved is when a poll was last
//! recorded, and thousands of scopes would write to the disk all the time for that. It is left to the next save, at most
//! for a while. That is exact:
//!
//! - Whatever else a poll changes is saved at once, as it always was: any other pair, and every other number of the
//!   head, [`Numbers`]. So what is on the disk is what is known, but for that one time, and a crash between two saves
//!   is no other than one before the first of the polls that have found nothing.
//! - Nothing is counted, known, forgotten or held by that time. It is when the last poll succeeded, for people
//!   (`cloud_assistant_last_success_timestamp_seconds`), and when a scope was last in use, which is told by days.
//! - The first poll of a record that was read is always saved: where a disk refuses, it fails each poll until it does
//!   not.

use std::time::Duration;

use super::Record;
use super::ledger::baseline::Baseline;
use super::table::{decode, encode};
use super::tally::newest::Newest;
use super::tally::work::Work;
use crate::result::Seconds;

/// So much older than the last poll is what is saved of its time, at most.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// So many polls in a row are not saved, at most, however short the interval is.
const MOST: u8 = 10;

/// As it is saved; the last one is [`super::tally::failures::Failures::let_go`].
type Head = (Baseline, Work, Newest, Seconds);

/// What it was saved as at first.
type HeadFirst = (Baseline, Work, Newest);

/// All numbers of the head but when a poll was last recorded.
pub(super) type Numbers = (Baseline, Work, Newest, Option<Seconds>);

/// Whether the head is worth a save.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadSaves {
    /// Polls recorded since the last save, none of which had news.
    polls: u8,
    /// When the last poll ended that was saved, by the process's own time.
    saved: Duration,
    /// When the last poll ended.
    last: Duration,
    /// Whether the next save has it in any case. So from the start on: nobody knows how old what was read is.
    is_due: bool,
}

impl Default for HeadSaves {
    fn default() -> Self {
        Self {
            polls: 0,
            saved: Duration::ZERO,
            last: Duration::ZERO,
            is_due: true,
        }
    }
}

impl HeadSaves {
    /// A poll was recorded.
    pub(super) fn recorded(&mut self, is_news: bool, steady: Duration) {
        self.polls = self.polls.saturating_add(1);
        self.last = steady;
        let is_old = steady.saturating_sub(self.saved) >= LONGEST;
        self.is_due |= is_news || is_old || self.polls > MOST;
    }

    /// What is not saved yet is to be.
    pub(super) fn hurry(&mut self) {
        self.is_due = true;
    }

    /// Something is saved, if there is anything; `has_others` where there is without the head. Returns whether the head
    /// goes with it.
    pub(super) fn take(&mut self, has_others: bool) -> bool {
        let is_saved = self.polls > 0 && (self.is_due || has_others);
        if is_saved {
            *self = Self {
                polls: 0,
                saved: self.last,
                is_due: false,
                ..*self
            };
        }
        is_saved
    }
}

impl Record {
    /// The bytes of the head.
    pub(super) fn head(&self) -> Vec<u8> {
        let tallies = &self.tallies;
        let (baseline, work, newest) = (&self.ledger.baseline, &tallies.work, &tallies.newest);
        match tallies.failures.let_go {
            Some(let_go) => encode(&(baseline, work, newest, let_go)),
            None => encode(&(baseline, work, newest)),
        }
    }

    /// What of the head is news where it is another.
    pub(super) fn numbers(&self) -> Numbers {
        let baseline = Baseline {
            recorded_at: 0,
            ..self.ledger.baseline.clone()
        };
        let tallies = &self.tallies;
        let let_go = tallies.failures.let_go;
        (baseline, tallies.work, tallies.newest.clone(), let_go)
    }

    /// Puts saved bytes back; `false` where they are none.
    pub(super) fn restore_head(&mut self, value: &[u8]) -> bool {
        let head = decode(value).map(|(baseline, work, newest, let_go): Head| {
            self.tallies.failures.let_go = Some(let_go);
            (baseline, work, newest)
        });
        let head: Option<HeadFirst> = head.or_else(|| {
            self.tallies.failures.let_go = None;
            decode(value)
        });
        head.map(|(baseline, work, newest)| {
            self.ledger.baseline = baseline;
            self.tallies.work = work;
            self.tallies.newest = newest;
        })
        .is_some()
    }

    /// Whether another record has the same head, but for when a poll was last recorded.
    #[cfg(test)]
    pub(crate) fn has_numbers_of(&self, other: &Self) -> bool {
        self.numbers() == other.numbers()
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::record::Settings;
    use crate::record::saved::Key;
    use crate::result::Seconds;

    /// The single numbers as format version 2 has them.
    #[derive(Serialize)]
    struct Head2 {
        looked_with: Option<u64>,
        baseline_began: Seconds,
        recorded_at: Seconds,
        swept_at: Seconds,
        oldest_listed: Option<Seconds>,
        forgotten_until: Seconds,
        lost: u64,
        late: u64,
        old: u64,
        reclassified: u64,
        dropped_bytes: u64,
        overflow: [u64; 3],
        newest: Vec<(u8, Seconds)>,
    }

    #[test]
    fn what_is_kept_apart_is_saved_as_one() {
        let head = encode(&Head2 {
            looked_with: Some(7),
            baseline_began: 1,
            recorded_at: 2,
            swept_at: 3,
            oldest_listed: Some(4),
            forgotten_until: 5,
            lost: 6,
            late: 8,
            old: 9,
            reclassified: 10,
            dropped_bytes: 11,
            overflow: [12, 13, 14],
            newest: vec![(4, 15), (5, 16)],
        });
        let mut record = Record::new(Settings::default());
        record.restore(Key::Head, &head).unwrap();
        assert_eq!((record.recorded_at(), record.swept_at()), (2, 3));
        let counts = record.counts(Duration::ZERO).unwrap();
        assert_eq!((counts.lost, counts.late, counts.old), (6, 8, 9));
        assert_eq!((counts.reclassified, counts.dropped_bytes), (10, 11));
        assert_eq!(counts.overflow, [12, 13, 14]);
        let newest: Vec<(&str, Seconds)> = counts.newest().collect();
        assert_eq!(newest, [("Success", 15), ("Failed", 16)]);
        assert_eq!(record.head(), head);
        assert!(record.restore(Key::Head, &head[1..]).is_err());
    }

    /// Whether each of these polls is saved: at so many seconds, with news or without, with other changes or without.
    fn saved(polls: &[(u64, bool, bool)]) -> Vec<bool> {
        let mut saves = HeadSaves::default();
        let polls = polls.iter().map(|(at, is_news, has_others)| {
            saves.recorded(*is_news, Duration::from_secs(*at));
            saves.take(*has_others)
        });
        polls.collect()
    }

    #[test]
    fn polls_that_find_nothing_are_saved_now_and_then() {
        let quiet = |every: u64| move |poll: u64| (1000 + poll * every, false, false);
        let is_saved = |every: u64, polls: u64| {
            let saved = saved(&(0..polls).map(quiet(every)).collect::<Vec<_>>());
            let places = saved.iter().enumerate().filter(|(_, saved)| **saved);
            places.map(|(place, _)| place).collect::<Vec<_>>()
        };
        assert_eq!(is_saved(60, 13), [0, 5, 10], "the first, and every five minutes");
        assert_eq!(is_saved(1, 24), [0, 11, 22], "ten are left out, and no more");
        assert_eq!(is_saved(600, 3), [0, 1, 2]);
        let with_news = [
            (0, false, false),
            (60, true, false),
            (120, false, false),
            (180, false, true),
        ];
        assert_eq!(saved(&with_news), [true, true, false, true]);
        let mut saves = HeadSaves::default();
        saves.recorded(false, Duration::ZERO);
        assert!(saves.take(false) && !saves.take(true), "once");
        saves.recorded(false, Duration::from_secs(1));
        saves.hurry();
        assert!(saves.take(false));
        saves.hurry();
        assert!(!saves.take(false), "there is nothing");
    }
}
