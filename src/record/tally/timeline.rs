//! The window in columns, for a picture of it: how many results of each kind each has.
//!
//! A column counts what the window counts, and changes where the window changes: nothing is scanned for it, and the
//! sum of all columns is the window's.

use std::collections::BTreeMap;

use super::window::Beside;
use crate::record::identities::{Entry, Flags};
use crate::record::labels::{ResultLabels, StatusNumber};
use crate::result::{Seconds, StatusKind};

/// So many columns are as long as the window.
pub const COLUMNS: u32 = 32;

/// How many results of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Column {
    /// They could not be run, or did not end well.
    pub failed: u32,
    /// Cancelled or Terminated: somebody's decision.
    pub ended: u32,
    /// Success.
    pub success: u32,
    /// Still to settle.
    pub open: u32,
    /// Settled with a status that is not known.
    pub unknown: u32,
}

impl Column {
    /// All of them.
    pub fn sum(self) -> u64 {
        [self.failed, self.ended, self.success, self.open, self.unknown]
            .map(u64::from)
            .iter()
            .sum()
    }

    /// Takes those of another column in.
    pub fn add(&mut self, other: Self) {
        self.failed = self.failed.saturating_add(other.failed);
        self.ended = self.ended.saturating_add(other.ended);
        self.success = self.success.saturating_add(other.success);
        self.open = self.open.saturating_add(other.open);
        self.unknown = self.unknown.saturating_add(other.unknown);
    }

    fn of(&mut self, status: StatusNumber) -> &mut u32 {
        match StatusKind::of(status.known()) {
            StatusKind::Success => &mut self.success,
            StatusKind::Ended => &mut self.ended,
            StatusKind::Open => &mut self.open,
            StatusKind::Failure => &mut self.failed,
            StatusKind::Unknown => &mut self.unknown,
        }
    }
}

/// The columns that have any results, by their number since the epoch.
#[derive(Debug)]
pub(in crate::record) struct Timeline {
    width: u32,
    columns: BTreeMap<u32, Column>,
    /// How many settled results have a time that is not their own, by that time.
    undated: BTreeMap<Seconds, u32>,
}

/// The columns as they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownTimeline {
    /// Seconds that a column is for; the n-th since the epoch begins at n times that.
    pub width: u32,
    /// Those that have any results, by their number.
    pub columns: Box<[(u32, Column)]>,
    /// Settled results among them whose time is not their own.
    pub undated: u64,
}

/// Seconds that a column is for.
fn width(window: u32) -> u32 {
    window.div_ceil(COLUMNS).max(1)
}

impl Timeline {
    pub(in crate::record) fn shown(&self) -> ShownTimeline {
        ShownTimeline {
            width: self.width,
            columns: self
                .columns
                .iter()
                .map(|(place, column)| (*place, *column))
                .collect(),
            undated: self.undated.values().map(|count| u64::from(*count)).sum(),
        }
    }

    fn take(&mut self, status: StatusNumber, time: Seconds, count: u32) {
        let place = time / self.width;
        if let Some(column) = self.columns.get_mut(&place) {
            let kind = column.of(status);
            *kind = kind.saturating_sub(count);
            if column.sum() == 0 {
                self.columns.remove(&place);
            }
        }
    }
}

fn is_undated(entry: &Entry) -> bool {
    !entry.is_open() && entry.flags.has(Flags::UNDATED)
}

impl Beside<ResultLabels> for Timeline {
    fn new(window: u32) -> Self {
        Self {
            width: width(window),
            columns: BTreeMap::new(),
            undated: BTreeMap::new(),
        }
    }

    fn came(&mut self, key: ResultLabels, entry: &Entry) {
        *self
            .columns
            .entry(entry.time / self.width)
            .or_default()
            .of(key.status) += 1;
        if is_undated(entry) {
            *self.undated.entry(entry.time).or_default() += 1;
        }
    }

    fn left(&mut self, key: ResultLabels, entry: &Entry) {
        self.take(key.status, entry.time, 1);
        if is_undated(entry)
            && let Some(count) = self.undated.get_mut(&entry.time)
        {
            *count -= 1;
            if *count == 0 {
                self.undated.remove(&entry.time);
            }
        }
    }

    fn passed(&mut self, key: ResultLabels, time: Seconds, count: u32) {
        self.take(key.status, time, count);
        // All of one time leave together.
        self.undated.remove(&time);
    }
}
