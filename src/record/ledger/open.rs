//! What is known of open results, and how deep in the list they are.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::result::{Ids, Seconds};

/// What is known of an open result beside its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// For asking about it.
    pub ids: Ids,
    /// When the exporter first saw it.
    pub first_seen: Seconds,
    /// StartTime, once it has one.
    pub started: Option<Seconds>,
    /// If it ended before this, it had been known, and was forgotten before it was shown open.
    pub(super) old_before: Seconds,
    /// Since when looks for it have been in vain, by the process's own time: a restart begins them anew.
    #[serde(skip)]
    pub(super) missing_since: Option<Duration>,
    /// Whether no list has shown it since the filter is another: it may be listed no more because of that.
    #[serde(skip)]
    pub(super) is_filtered: bool,
    /// Where a page has shown it last.
    #[serde(skip)]
    pub(super) listed: Option<ListPlace>,
}

impl Open {
    pub(in crate::record) fn new(ids: Ids, first_seen: Seconds, started: Option<Seconds>) -> Self {
        Self {
            ids,
            first_seen,
            started,
            old_before: 0,
            missing_since: None,
            is_filtered: false,
            listed: None,
        }
    }
}

/// How many new rows pages have shown since the start: so far has sunk what stood at the front of the list then.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ListDepth(usize);

/// A row's place in the list, told from what has come since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListPlace {
    /// The place from the front.
    place: usize,
    /// [`ListDepth`] at that time.
    after: usize,
}

impl ListDepth {
    /// Pages have shown so many rows that no page had shown before.
    pub(super) fn sink(&mut self, new_rows: usize) {
        self.0 += new_rows;
    }

    /// A page shows a row at this place now.
    pub(super) fn place(self, place: usize) -> ListPlace {
        ListPlace { place, after: self.0 }
    }

    /// How far from the front that row should be now.
    pub(super) fn of(self, listed: ListPlace) -> usize {
        listed.place + (self.0 - listed.after)
    }
}
