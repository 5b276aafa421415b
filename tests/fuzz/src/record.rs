//! Rows, settings and pictures for the targets that feed a record.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use cloud_assistant_exporter::clock::Now;
use cloud_assistant_exporter::record::{Counts, Pauses, Settings};
use cloud_assistant_exporter::result::{Delivery, Identity, Ids, KnownStatus, Row, Seconds, Status, Times};

/// An instant of a process whose own time is as old as that.
pub fn at(wall: Seconds) -> Now {
    let steady = std::time::Duration::from_secs(u64::from(wall));
    Now { wall, steady }
}

/// Settings without commands.
pub fn settings(hold: u32) -> Settings {
    Settings {
        window: 86_400,
        new_series_hold: hold,
        max_error_codes: 3,
        max_exit_codes: 3,
        duration_buckets: vec![1.0, 60.0].into(),
        native_histograms: hold > 0,
        filter: 7,
        pauses: Pauses::default(),
        commands: None,
    }
}

/// The row of a result on one instance.
pub fn row(number: u32, status: Status, code: u8, started: Seconds, finished: Option<Seconds>) -> Row {
    let invoke_id = format!("t-{number}");
    let is_scheduled = status == Status::Known(KnownStatus::Scheduled);
    Row {
        identity: Identity::of_row(&invoke_id, "i-1", ""),
        status,
        error_code: match code % 8 {
            0..4 => "".into(),
            code => format!("Code{code}").into(),
        },
        exit_code: (code % 5 > 2).then_some(i64::from(code)),
        error_info: None,
        repeats: 1,
        times: Times {
            started: NonZeroU32::new(started),
            finished: finished.and_then(NonZeroU32::new),
            stopped: None,
        },
        dropped: u64::from(code),
        delivery: (code % 4 == 1).then(|| {
            Box::new(Delivery {
                finished: code % 8 == 1,
                error_code: "".into(),
                uri: "".into(),
            })
        }),
        scheduled: is_scheduled,
        ids: Some(Box::new(Ids {
            invoke_id: invoke_id.into(),
            instance_id: "i-1".into(),
            container_id: "".into(),
            command_id: format!("c-{}", code % 3).into(),
        })),
        command: None,
    }
}

/// What is shown of a record, by the names and labels of its series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picture {
    /// What may never decrease.
    pub counters: BTreeMap<String, u64>,
    /// When counters were at 0, where that is known.
    pub starts: BTreeMap<String, u32>,
    /// What may.
    pub gauges: BTreeMap<String, u64>,
}

impl Picture {
    /// All that the counts have to show.
    pub fn of(counts: &Counts) -> Self {
        let mut picture = Self::default();
        let (counters, starts) = (&mut picture.counters, &mut picture.starts);
        for total in counts.totals() {
            let labels = format!(
                "{} {} {}",
                total.invocation_status, total.error_code, total.exit_code
            );
            let name = format!("total {labels}");
            starts.extend(total.start.map(|start| (name.clone(), start.get())));
            counters.insert(name, total.value);
        }
        for durations in &counts.durations {
            let status = counts.status_of(durations);
            let durations = &durations.histogram;
            counters.insert(format!("durations {status} sum"), durations.sum);
            counters.insert(format!("durations {status} count"), durations.count);
            if let Some(native) = &durations.native {
                let all: u64 = native.buckets.iter().map(|(_, count)| count).sum();
                assert_eq!(native.zero + all, durations.count, "{native:?}");
                counters.extend(
                    native
                        .buckets
                        .iter()
                        .map(|(index, count)| (format!("native {status} {index}"), *count)),
                );
            }
            for (place, bucket) in durations.buckets.iter().enumerate() {
                counters.insert(format!("durations {status} {place}"), *bucket);
            }
        }
        for (status, code, _, value) in counts.deliveries() {
            counters.insert(format!("deliveries {status} {code}"), value);
        }
        let [status, error_code, exit_code] = counts.overflow;
        let single = [
            ("dropped bytes", counts.dropped_bytes),
            ("lost", counts.lost),
            ("late", counts.late),
            ("reclassified", counts.reclassified),
            ("overflow status", status),
            ("overflow error code", error_code),
            ("overflow exit code", exit_code),
        ];
        counters.extend(single.map(|(name, value)| (name.to_owned(), value)));
        for command in counts.commands.iter().flat_map(|commands| &commands.commands) {
            for (status, start, value) in &command.counted {
                let name = format!("command {} {}", command.command, counts.status_text(*status));
                starts.extend(start.map(|start| (name.clone(), start.get())));
                counters.insert(name, *value);
            }
        }
        let gauges = &mut picture.gauges;
        for total in counts.recent() {
            let labels = format!(
                "{} {} {}",
                total.invocation_status, total.error_code, total.exit_code
            );
            gauges.insert(format!("recent {labels}"), total.value);
        }
        gauges.extend(
            counts
                .oldest_open()
                .map(|(status, time)| (format!("oldest {status}"), time.into())),
        );
        gauges.extend(
            counts
                .newest()
                .map(|(status, time)| (format!("newest {status}"), time.into())),
        );
        for (place, failure) in counts.failures().enumerate() {
            gauges.insert(
                format!("failure {place} {}", failure.ids().invoke_id),
                failure.time().into(),
            );
        }
        gauges.insert("held".to_owned(), counts.held as u64);
        gauges.insert("open".to_owned(), counts.open as u64);
        picture
    }

    /// Panics where a counter is less than in an earlier picture, or was at 0 at another time; `told` is what has happened.
    pub fn assert_after(&self, earlier: &Self, told: &[String]) {
        for (name, before) in &earlier.counters {
            let now = self.counters.get(name).copied();
            assert!(
                now.unwrap_or(0) >= *before,
                "{name}: {before}, then {now:?}: {told:?}"
            );
        }
        for (name, before) in &earlier.starts {
            let now = self.starts.get(name);
            // One ahead of the clock is not shown.
            assert!(
                now.is_none_or(|now| now == before),
                "{name}: {before}, then {now:?}: {told:?}"
            );
        }
    }

    /// All results that were counted.
    pub fn counted(&self) -> u64 {
        let totals = self
            .counters
            .iter()
            .filter(|(name, _)| name.starts_with("total "));
        totals.map(|(_, value)| *value).sum()
    }
}
