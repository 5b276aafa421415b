//! Saved pairs of format version 1 as those of version 2.
//!
//! Version 1 did not save when the first look began: the last recorded poll stands for it, so that what settled while
//! the program was exchanged still counts. It held series at 0 by the wall clock, with the length of the time as it
//! was configured.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::hold::Hold;
use super::label::{Labels, StatusNumber};
use super::saved::{Damaged, Key, decode, encode};
use super::schedule::Schedule;
use super::totals::{Counter, Durations, Exemplar, Total};
use super::{Head, Open, command};
use crate::result::{Ids, Seconds};

#[derive(Deserialize)]
struct Head1 {
    looked_with: Option<u64>,
    recorded_at: Seconds,
    shown_at: Seconds,
    swept_at: Seconds,
    lost: u64,
    late: u64,
    reclassified: u64,
    dropped_bytes: u64,
    overflow: [u64; 3],
    newest: BTreeMap<StatusNumber, Seconds>,
}

#[derive(Deserialize)]
struct Open1 {
    ids: Ids,
    first_seen: Seconds,
    started: Option<Seconds>,
    _missed: u8,
}

#[derive(Deserialize)]
struct Schedule1 {
    ids: Ids,
    shown: u32,
    highest: u32,
    gaps: Vec<(u32, u32)>,
    _again: Again1,
}

#[derive(Deserialize)]
enum Again1 {
    No,
    From(#[allow(dead_code, reason = "read past")] u32),
    Sweep,
}

#[derive(Deserialize)]
struct Counter1 {
    value: u64,
    since: Seconds,
}

#[derive(Deserialize)]
struct Total1 {
    counter: Counter1,
    exemplar: Option<Exemplar>,
}

#[derive(Deserialize)]
struct Durations1 {
    bounds: Vec<u64>,
    counts: Vec<u64>,
    count: u64,
    sum: u64,
    since: Seconds,
}

#[derive(Deserialize)]
struct Series1 {
    label: Box<str>,
    selectors: BTreeSet<u64>,
    counted: BTreeMap<StatusNumber, Counter1>,
    last_success: Option<Seconds>,
    last_failure: Option<Seconds>,
    last_run: Option<Seconds>,
    durations: Option<Durations1>,
    overflow: u64,
}

/// What is known of a scope's record while its pairs are brought up to date.
struct Upgrade {
    /// Until when the record was shown.
    shown_at: Seconds,
    recorded_at: Seconds,
    /// `metrics.new_series_hold`, in seconds.
    hold: Seconds,
}

/// Brings the saved pairs of one scope from format version 1 to 2, and says which values change. Series that were
/// created less than `hold` seconds before they were last shown go on being held at 0.
///
/// # Errors
/// When a value is none of version 1.
pub fn from_version_1(pairs: &[(Key, Vec<u8>)], hold: Seconds) -> Result<Vec<(Key, Vec<u8>)>, Damaged> {
    let Some((key, head)) = pairs.iter().find(|(key, _)| *key == Key::Head) else {
        return Ok(Vec::new());
    };
    let head: Head1 = decode(*key, head)?;
    let upgrade = Upgrade {
        shown_at: head.shown_at,
        recorded_at: head.recorded_at,
        hold,
    };
    let mut changed = vec![(Key::Head, encode(&head.upgraded()))];
    for (key, value) in pairs {
        if let Some(value) = upgrade.pair(*key, value)? {
            changed.push((*key, value));
        }
    }
    Ok(changed)
}

impl Upgrade {
    fn pair(&self, key: Key, value: &[u8]) -> Result<Option<Vec<u8>>, Damaged> {
        fn old<T: DeserializeOwned>(key: Key, value: &[u8]) -> Result<T, Damaged> {
            decode(key, value)
        }
        Ok(match key {
            Key::Total(combination) => {
                let total: Total1 = old(key, value)?;
                let mut counter = self.counter(&total.counter);
                if Labels::new().is_zero(combination) {
                    counter.hold = Hold::Over;
                }
                Some(encode(&Total {
                    counter,
                    exemplar: total.exemplar,
                }))
            }
            Key::Delivery(_, error_code) => {
                let mut counter = self.counter(&old(key, value)?);
                if error_code == 0 {
                    counter.hold = Hold::Over;
                }
                Some(encode(&counter))
            }
            Key::Durations(status) => {
                let mut durations = self.durations(old(key, value)?);
                if Labels::new().is_zero_status(status) {
                    durations.hold = Hold::Over;
                }
                Some(encode(&durations))
            }
            Key::Open(_) => {
                let open: Open1 = old(key, value)?;
                Some(encode(&Open {
                    ids: open.ids,
                    first_seen: open.first_seen,
                    started: open.started,
                    old_before: 0,
                    missing_since: None,
                    listed_at: None,
                }))
            }
            Key::Schedule(_) => Some(encode(&self.schedule(old(key, value)?))),
            Key::CommandSeries(_) => Some(encode(&self.series(old(key, value)?))),
            _ => None,
        })
    }

    fn hold(&self, since: Seconds) -> Hold {
        if since.saturating_add(self.hold) <= self.shown_at {
            return Hold::Over;
        }
        Hold::On {
            seen_for: self.shown_at.saturating_sub(since).saturating_mul(1000),
            noted: None,
        }
    }

    fn counter(&self, counter: &Counter1) -> Counter {
        Counter {
            value: counter.value,
            hold: self.hold(counter.since),
        }
    }

    fn durations(&self, durations: Durations1) -> Durations {
        let Durations1 {
            bounds,
            counts,
            count,
            sum,
            since,
        } = durations;
        Durations::of_counts(bounds, counts, (count, sum), self.hold(since))
    }

    fn schedule(&self, schedule: Schedule1) -> Schedule {
        Schedule::of_saved(
            schedule.ids,
            schedule.shown,
            (schedule.highest, schedule.gaps),
            self.recorded_at,
        )
    }

    fn series(&self, series: Series1) -> command::Series {
        let counted = series.counted.iter();
        command::Series {
            label: series.label,
            selectors: series.selectors,
            counted: counted
                .map(|(status, counter)| (*status, self.counter(counter)))
                .collect(),
            last_success: series.last_success,
            last_failure: series.last_failure,
            last_run: series.last_run,
            durations: series.durations.map(|durations| self.durations(durations)),
            overflow: series.overflow,
        }
    }
}

impl Head1 {
    fn upgraded(self) -> Head {
        Head {
            looked_with: self.looked_with,
            baseline_began: self.recorded_at,
            recorded_at: self.recorded_at,
            swept_at: self.swept_at,
            oldest_listed: None,
            forgotten_until: 0,
            lost: self.lost,
            late: self.late,
            old: 0,
            reclassified: self.reclassified,
            dropped_bytes: self.dropped_bytes,
            overflow: self.overflow,
            newest: self.newest,
        }
    }
}
