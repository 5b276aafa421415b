//! What the configuration says about one scope's polls.

use std::sync::Arc;
use std::time::Duration;

use crate::config::LoggedResults;
use crate::record::Settings;

/// A poll has so long at least, however short the interval is, or histories would never be read.
const LEAST_FOR_HISTORIES: Duration = Duration::from_secs(1);

/// How a scope is polled, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct PollPlan {
    /// `poll.interval`.
    pub interval: Duration,
    /// `events.min_interval`.
    pub min_interval: Duration,
    /// `poll.sweep_interval`; none for 0.
    pub sweep_interval: Option<Duration>,
    /// `poll.timeout`.
    pub timeout: Duration,
    /// About how many requests of a poll may go to histories of schedules.
    pub history_budget: u64,
    /// Whether the region was found by DescribeRegions: it is then set aside where its API does not know Cloud
    /// Assistant, instead of failing.
    pub discovered: bool,
    /// How results are counted; the records share it.
    pub settings: Arc<Settings>,
    /// `log.results`.
    pub logged_results: LoggedResults,
}

impl PollPlan {
    /// When a poll that has read for so long leaves what is unread of histories to the next ones: the results that it
    /// has found already wait for its end.
    pub(super) fn for_histories(&self) -> Duration {
        (self.interval / 2).max(LEAST_FOR_HISTORIES).min(self.timeout / 2)
    }
}
