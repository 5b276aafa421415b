//! What happened to the results of a scope, one fact at a time.
//!
//! The ledger says them while it takes in what a poll found; each tally folds them in its own way. Facts borrow from
//! both, and nobody keeps one.

use std::collections::HashSet;

use super::findings::Naming;
use super::identities::{Entry, EntryId, Identities};
use super::labels::{LabelTexts, Labelled};
use crate::result::{CommandOfRow, Delivery, Identity, Ids, Seconds};

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Fact<'a> {
    /// Time has passed: it is so late now, by the wall clock.
    Passed(Seconds),
    /// What DescribeInvocations said of commands.
    Named(&'a Naming),
    /// A result is held, or no longer, or what is known of it has changed.
    Moved {
        id: EntryId,
        /// None for one that was not held.
        before: Option<&'a Entry>,
        /// None for one that is no longer held.
        after: Option<&'a Entry>,
    },
    /// A row shows a held result, and the command that it is of.
    Shown {
        id: EntryId,
        command: &'a CommandOfRow,
        /// When the newest run of the schedule began, where it is one's.
        run_began: Option<Seconds>,
    },
    /// What a row has shown is the first run of a schedule.
    Parted {
        row: EntryId,
        /// Where that is held by itself from now on; none where it is held no longer.
        run: Option<EntryId>,
    },
    /// A result is seen settled.
    Settled(&'a Settled<'a>),
    /// Rule 7: what had settled as `before` shows another state.
    Changed {
        id: EntryId,
        before: &'a Entry,
        how: Changed,
    },
    /// The delivery of an output has ended, and counts.
    Delivered {
        /// Of the result; with its run for one of a schedule.
        identity: Identity,
        /// How it has ended.
        delivery: &'a Delivery,
        /// OssOutputErrorCode, by its number.
        error_code: u16,
        /// Whether that is shown as `other`.
        folded: bool,
    },
    /// An open result was given up.
    Lost,
    /// A result, or a run, that only a sweep found.
    Late,
    /// What the poll has found is taken in, but for what it has found missing.
    TakenIn,
    /// A result was forgotten.
    Forgotten,
    /// A sweep has been taken in; these are the invocations of the schedules that are known.
    Swept(&'a HashSet<&'a str>),
}

/// A result that is seen settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled<'a> {
    /// With its run for one of a schedule.
    pub identity: Identity,
    /// Where to look; none for a plain success, unless its row came with them.
    pub ids: Option<&'a Ids>,
    /// Its command, where that may be a selected one.
    pub command: Option<&'a CommandOfRow>,
    pub labelled: Labelled,
    /// Rule 10's.
    pub time: Seconds,
    /// The same where the row itself has one.
    pub own_time: Option<Seconds>,
    /// FinishedTime − StartTime.
    pub duration: Option<u32>,
    /// Bytes of output that the API dropped.
    pub dropped: u64,
    /// What a person wants to know of one that has failed.
    pub details: Details<'a>,
    pub how: How,
}

/// Why a result ended as it did, and where its output is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Details<'a> {
    /// Which run of a schedule it is; 0 for a result that is none.
    pub run: u32,
    /// ErrorInfo, or `""`.
    pub error_info: &'a str,
    /// How the delivery of the output ended, where it has.
    pub delivery: Option<&'a Delivery>,
}

impl Settled<'_> {
    /// Whether it is how it should be.
    pub(super) fn is_success(&self) -> bool {
        self.labelled.labels.status.is_success()
    }

    /// Whether it adds to the counters.
    pub(super) fn counts(&self) -> bool {
        self.how == How::Counted
    }
}

/// Why a settled result is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// For the first time: it counts.
    Counted,
    /// By the baseline.
    Baseline,
    /// It ended before the baseline, or before it was forgotten, and only a later look shows it.
    Old,
    /// It had counted, or was known.
    Again,
}

impl How {
    /// That of a result that was not known. `is_old` where it is from before the baseline, or before it was forgotten.
    pub(super) fn of_new(is_old: bool) -> Self {
        match is_old {
            true => Self::Old,
            false => Self::Counted,
        }
    }
}

/// What of a settled result is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// It is open again.
    Reopened,
    /// Its labels.
    Relabelled,
    /// Labels of it that were folded into `other`, and have room now: it has not changed as far as anybody knows.
    Unfolded,
    /// Only its time.
    Retimed,
    /// It was in no gauge, and is open again.
    Unhidden,
}

/// What the record knows at the moment of a fact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub identities: &'a Identities,
    pub labels: &'a LabelTexts,
}
