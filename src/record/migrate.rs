//! Saved pairs of format version 1 as those of version 2, which are read as they are.
//!
//! Version 1 did not save when the baseline began, so that nobody knows it. All that ended well before the last
//! recorded poll counts as known, so that what settled while the program was exchanged still counts. It held series at 0 by the wall clock, with the length of the time as it
//! was configured.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::labels::{LabelTexts, StatusNumber};
use super::ledger::baseline::Baseline;
use super::ledger::open::Open;
use super::ledger::schedule::Schedule;
use super::pairs::Pair;
use super::saved::{Damaged, Key};
use super::table::{self, encode};
use super::tally::commands::series::Series;
use super::tally::durations::Histogram;
use super::tally::hold::{Beginning, Counter, Hold};
use super::tally::totals::{Exemplar, Total};
use super::tally::work::Work;
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

/// The saved pairs of one scope that are others in later format versions than in 1. Series that were created less than
/// `hold` seconds before they were last shown go on being held at 0.
///
/// # Errors
/// When a value is none of version 1.
pub fn pairs_from_version_1<'a>(
    pairs: impl IntoIterator<Item = Pair<&'a [u8]>>,
    hold: Seconds,
) -> Result<Vec<Pair<Vec<u8>>>, Damaged> {
    // Held results, which are nearly all there is, are as they were.
    let others = pairs.into_iter().filter_map(|((kind, number), value)| {
        let key = Key::decode(kind, number).filter(|key| !matches!(key, Key::Entry(_)))?;
        Some((key, value))
    });
    let others: Vec<(Key, &[u8])> = others.collect();
    let Some((key, head)) = others.iter().find(|(key, _)| *key == Key::Head) else {
        return Ok(Vec::new());
    };
    let head: Head1 = decode(*key, head)?;
    let upgrade = Upgrade {
        shown_at: head.shown_at,
        recorded_at: head.recorded_at,
        hold,
    };
    let mut changed = vec![(key.encode(), encode(&head.upgraded()))];
    for (key, value) in &others {
        if let Some(value) = upgrade.pair(*key, value)? {
            changed.push((key.encode(), value));
        }
    }
    Ok(changed)
}

impl Upgrade {
    fn pair(&self, key: Key, value: &[u8]) -> Result<Option<Vec<u8>>, Damaged> {
        Ok(match key {
            Key::Total(combination) => {
                let total: Total1 = decode(key, value)?;
                let mut counter = self.counter(&total.counter);
                if LabelTexts::default().is_zero(combination) {
                    counter.beginning.hold = Hold::Over;
                }
                Some(encode(&Total {
                    counter,
                    exemplar: total.exemplar,
                }))
            }
            Key::Delivery(_, error_code) => {
                let mut counter = self.counter(&decode(key, value)?);
                if error_code == 0 {
                    counter.beginning.hold = Hold::Over;
                }
                Some(encode(&counter))
            }
            Key::Durations(status) => {
                let mut durations = self.durations(decode(key, value)?);
                if LabelTexts::default().is_zero_status(status) {
                    durations.beginning.hold = Hold::Over;
                }
                Some(encode(&durations))
            }
            Key::Open(_) => {
                let open: Open1 = decode(key, value)?;
                Some(encode(&Open::new(open.ids, open.first_seen, open.started)))
            }
            Key::Schedule(_) => Some(encode(&self.schedule(decode(key, value)?))),
            Key::CommandSeries(_) => Some(encode(&self.series(decode(key, value)?))),
            _ => None,
        })
    }

    /// `since` is when the series was made, and not when it was at 0: that was not saved.
    fn beginning(&self, since: Seconds) -> Beginning {
        let hold = match since.saturating_add(self.hold) <= self.shown_at {
            true => Hold::Over,
            false => Hold::On {
                seen_for: self.shown_at.saturating_sub(since).saturating_mul(1000),
                noted: None,
            },
        };
        Beginning { start: None, hold }
    }

    fn counter(&self, counter: &Counter1) -> Counter {
        Counter {
            value: counter.value,
            beginning: self.beginning(counter.since),
        }
    }

    fn durations(&self, durations: Durations1) -> Histogram {
        let Durations1 {
            bounds,
            counts,
            count,
            sum,
            since,
        } = durations;
        Histogram::of_counts(bounds, counts, (count, sum), self.beginning(since))
    }

    fn schedule(&self, schedule: Schedule1) -> Schedule {
        Schedule::of_saved(
            schedule.ids,
            schedule.shown,
            (schedule.highest, schedule.gaps),
            self.recorded_at,
        )
    }

    fn series(&self, series: Series1) -> Series {
        let counted = series.counted.iter();
        Series {
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
    fn upgraded(self) -> (Baseline, Work, BTreeMap<StatusNumber, Seconds>) {
        let baseline = Baseline {
            looked_with: self.looked_with,
            began: 0,
            recorded_at: self.recorded_at,
            swept_at: self.swept_at,
            oldest_listed: None,
            forgotten_until: Baseline::known_before(self.recorded_at),
        };
        let work = Work {
            lost: self.lost,
            late: self.late,
            old: 0,
            reclassified: self.reclassified,
            dropped_bytes: self.dropped_bytes,
            overflow: self.overflow,
        };
        (baseline, work, self.newest)
    }
}

fn decode<T: DeserializeOwned>(key: Key, value: &[u8]) -> Result<T, Damaged> {
    table::decode(value).ok_or(Damaged { key })
}

#[cfg(test)]
mod tests;
