//! The requests of one scope, and what is shown of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::HistogramVec;

use super::action::Action;
use super::failure::Reason;
use super::last_hour::{LastHour, Minutes};
use crate::result::Seconds;

/// The requests of one scope; of an account where the region is `""`.
#[derive(Debug)]
pub struct Tally {
    duration: HistogramVec,
    /// Locked for a few additions at a time.
    held: Mutex<Held>,
    /// Another number whenever something was counted.
    revision: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    /// What has happened, in the order in which it did first: mostly one or two.
    counters: Vec<Counter>,
    /// Since when every series is shown, whatever has happened.
    whole_since: Option<Duration>,
    minutes: Minutes,
}

/// Requests of an action that were sent, or that failed for a reason.
#[derive(Debug)]
struct Counter {
    action: Action,
    reason: Option<Reason>,
    value: u64,
    hold: Hold,
}

/// What has come of holding a counter at 0. Once its value was shown, a longer hold takes nothing back.
#[derive(Debug, Clone, Copy)]
enum Hold {
    /// It is not shown yet.
    Ahead,
    /// It is shown at 0 since then, by the process's own time.
    Since(Duration),
    Over,
}

/// When a tally is shown, and how.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the process's own time.
    pub now: Duration,
    /// `metrics.new_series_hold`: so long a series that begins is shown at 0 first.
    pub hold: Duration,
}

/// What is shown of a tally; none is no series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShownTally {
    /// Whether what has not happened is there at 0.
    is_whole: bool,
    /// What has happened.
    counted: Box<[(Action, Option<Reason>, u64)]>,
    /// When a series that is held at 0 is to show its value.
    pub next_change: Option<Duration>,
}

impl Tally {
    pub(super) fn new(duration: HistogramVec) -> Self {
        Self {
            duration,
            held: Mutex::default(),
            revision: AtomicU64::new(0),
        }
    }

    /// Counts one request that was sent and how it ended, by the wall clock's `now`.
    pub fn record(&self, action: Action, took: Duration, failure: Option<Reason>, now: Seconds) {
        self.duration
            .with_label_values(&[action.as_str()])
            .observe(took.as_secs_f64());
        let mut held = self.held();
        held.count(action, None);
        if failure.is_some() {
            held.count(action, failure);
        }
        held.minutes.record(failure == Some(Reason::Throttled), now);
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// Another number whenever something was counted.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// What is shown from now on. Polls, and DescribeRegions, are there from the start. Every other series begins when
    /// there is something to count, or when all of them are to be there (`is_whole`), and is shown at 0 for a while.
    pub fn shown(&self, is_whole: bool, at: Moment) -> ShownTally {
        let mut held = self.held();
        if is_whole {
            held.whole_since.get_or_insert(at.now);
        }
        let whole_since = held.whole_since;
        let mut next_change = None;
        let counters = held.counters.iter_mut();
        let counted = counters.map(|counter| {
            let value = match counter.is_known() {
                true => counter.value,
                false => counter.shown(whole_since, at, &mut next_change),
            };
            (counter.action, counter.reason, value)
        });
        ShownTally {
            is_whole: whole_since.is_some(),
            counted: counted.collect(),
            next_change,
        }
    }

    /// What was sent in the hour before `now`.
    pub fn last_hour(&self, now: Seconds) -> LastHour {
        self.held().minutes.last_hour(now)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn count(&mut self, action: Action, reason: Option<Reason>) {
        let mut counters = self.counters.iter_mut();
        match counters.find(|counter| counter.action == action && counter.reason == reason) {
            Some(counter) => counter.value += 1,
            None => self.counters.push(Counter {
                action,
                reason,
                value: 1,
                hold: Hold::Ahead,
            }),
        }
    }
}

impl Counter {
    /// Whether its series is there before anything is counted.
    fn is_known(&self) -> bool {
        match self.action {
            Action::DescribeInvocationResults => self.reason.is_none(),
            Action::DescribeInvocations => false,
            Action::DescribeRegions => true,
        }
    }

    fn shown(&mut self, whole_since: Option<Duration>, at: Moment, next: &mut Option<Duration>) -> u64 {
        let since = match self.hold {
            Hold::Over => return self.value,
            Hold::Since(since) => since,
            Hold::Ahead => whole_since.map_or(at.now, |since| since.min(at.now)),
        };
        let over = since.saturating_add(at.hold);
        if over <= at.now {
            self.hold = Hold::Over;
            return self.value;
        }
        self.hold = Hold::Since(since);
        *next = Some(next.map_or(over, |next| next.min(over)));
        0
    }
}

impl ShownTally {
    /// Requests sent, tries again included.
    pub fn sent(&self, action: Action) -> Option<u64> {
        let is_there = self.is_whole || action != Action::DescribeInvocations;
        self.counted(action, None).or_else(|| is_there.then_some(0))
    }

    /// Those that failed for `reason`.
    pub fn failed(&self, action: Action, reason: Reason) -> Option<u64> {
        let is_there = match action {
            Action::DescribeInvocationResults => self.is_whole,
            // It is rare; what it has not met is not worth a series.
            Action::DescribeInvocations => false,
            Action::DescribeRegions => true,
        };
        self.counted(action, Some(reason))
            .or_else(|| is_there.then_some(0))
    }

    fn counted(&self, action: Action, reason: Option<Reason>) -> Option<u64> {
        let mut counted = self.counted.iter();
        let found = counted.find(|counted| (counted.0, counted.1) == (action, reason));
        found.map(|counted| counted.2)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;
    use crate::requests::Requests;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u32) -> Moment {
        Moment {
            now: SECOND * seconds,
            hold: SECOND * 90,
        }
    }

    #[test]
    fn a_failure_begins_a_series_at_0_that_is_held() {
        use Action::{DescribeInvocationResults as Polls, DescribeInvocations as Names};
        let tally = Requests::new(&Registry::new()).unwrap().tally("a", "b");
        let nothing = tally.shown(false, at(10));
        assert_eq!((nothing.sent(Polls), nothing.sent(Names)), (Some(0), None));
        assert_eq!(nothing.failed(Polls, Reason::Timeout), None);
        tally.record(Polls, SECOND, Some(Reason::Timeout), 0);
        tally.record(Names, SECOND, None, 0);
        let shown = |is_whole, seconds| {
            let shown = tally.shown(is_whole, at(seconds));
            (
                shown.failed(Polls, Reason::Timeout),
                shown.sent(Names),
                shown.next_change,
            )
        };
        assert_eq!(
            tally.shown(false, at(20)).sent(Polls),
            Some(1),
            "it was there at 0"
        );
        assert_eq!(shown(false, 20), (Some(0), Some(0), Some(SECOND * 110)));
        tally.record(Polls, SECOND, Some(Reason::Timeout), 0);
        assert_eq!(shown(false, 109), (Some(0), Some(0), Some(SECOND * 110)));
        assert_eq!(shown(false, 110), (Some(2), Some(1), None));
        let whole = tally.shown(true, at(200));
        assert_eq!(whole.failed(Polls, Reason::Denied), Some(0));
        assert_eq!(whole.failed(Names, Reason::Denied), None);
        // It was seen at 0 since 200.
        tally.record(Polls, SECOND, Some(Reason::Denied), 0);
        assert_eq!(tally.shown(true, at(250)).failed(Polls, Reason::Denied), Some(0));
        assert_eq!(tally.shown(false, at(290)).failed(Polls, Reason::Denied), Some(1));
        assert_eq!(
            shown(true, 300),
            (Some(2), Some(1), None),
            "nothing is taken back"
        );
    }
    #[test]
    fn a_longer_hold_takes_nothing_back() {
        use Action::{DescribeInvocationResults as Polls, DescribeInvocations as Names};
        let tally = Requests::new(&Registry::new()).unwrap().tally("a", "b");
        tally.record(Polls, SECOND, Some(Reason::Timeout), 0);
        tally.record(Names, SECOND, None, 0);
        let shown = |seconds: u32, hold: u32| {
            let at = Moment {
                now: SECOND * seconds,
                hold: SECOND * hold,
            };
            let shown = tally.shown(false, at);
            let failed = |reason| shown.failed(Polls, reason);
            (failed(Reason::Timeout), failed(Reason::Denied), shown.sent(Names))
        };
        assert_eq!(shown(10, 90), (Some(0), None, Some(0)));
        assert_eq!(shown(100, 90), (Some(1), None, Some(1)));
        tally.record(Polls, SECOND, Some(Reason::Denied), 0);
        assert_eq!(shown(102, 3600), (Some(1), Some(0), Some(1)));
        // What is still held is held for longer.
        assert_eq!(shown(192, 180), (Some(1), Some(0), Some(1)));
        assert_eq!(shown(282, 180), (Some(1), Some(1), Some(1)));
    }
}
