//! Rule 9: which histories of schedules to read in this poll, and when to stop reading one.

use std::collections::{BTreeMap, HashMap};

use super::follow::PAGE;
use crate::record::Schedule;
use crate::result::{Identity, Row};

/// The runs of one schedule's row that are not known.
#[derive(Debug, Clone)]
pub struct Behind {
    /// The row.
    pub identity: Identity,
    /// What is known of it, with Repeats as this poll has seen it.
    pub schedule: Schedule,
}

/// One question for a history: of a whole invocation, or of one of its instances.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The invocation.
    pub invoke_id: Box<str>,
    /// Only this instance's runs.
    pub instance_id: Option<Box<str>>,
    /// Whose runs are looked for.
    pub rows: Vec<Behind>,
}

/// Where the last poll's readings ended, so that the next one begins behind: everybody gets a turn.
#[derive(Debug, Clone, Default)]
pub struct Turn(Option<Place>);

/// InvokeId, and InstanceId where instances are read one by one.
type Place = (Box<str>, Box<str>);

/// Chooses what is read with about `budget` requests; at least one reading, so that it goes on.
///
/// A whole invocation is read where its unknown runs fit the budget. Where they do not, as after a long time away,
/// its instances are read one by one, over as many polls as that takes; each reading is complete in itself.
pub fn readings(behind: Vec<Behind>, budget: u64, turn: &mut Turn) -> Vec<Reading> {
    let mut invocations: BTreeMap<Box<str>, Vec<Behind>> = BTreeMap::new();
    for row in behind {
        invocations
            .entry(row.schedule.ids.invoke_id.clone())
            .or_default()
            .push(row);
    }
    let mut candidates: Vec<(Place, u64, Reading)> = Vec::new();
    for (invoke_id, rows) in invocations {
        let whole = pages(&rows);
        if whole <= budget || rows.len() == 1 {
            let instance_id = (rows.len() == 1).then(|| rows[0].schedule.ids.instance_id.clone());
            let key = (invoke_id.clone(), "".into());
            candidates.push((
                key,
                whole,
                Reading {
                    invoke_id,
                    instance_id,
                    rows,
                },
            ));
            continue;
        }
        let mut instances: BTreeMap<Box<str>, Vec<Behind>> = BTreeMap::new();
        for row in rows {
            instances
                .entry(row.schedule.ids.instance_id.clone())
                .or_default()
                .push(row);
        }
        for (instance_id, rows) in instances {
            let key = (invoke_id.clone(), instance_id.clone());
            let reading = Reading {
                invoke_id: invoke_id.clone(),
                instance_id: Some(instance_id),
                rows,
            };
            candidates.push((key, pages(&reading.rows), reading));
        }
    }
    let first = turn
        .0
        .as_ref()
        .map_or(0, |last| candidates.partition_point(|(key, ..)| key <= last));
    let count = candidates.len();
    candidates.rotate_left(if first < count { first } else { 0 });
    let mut left = budget;
    let mut chosen = Vec::new();
    for (key, pages, reading) in candidates {
        if !chosen.is_empty() && pages > left {
            break;
        }
        left = left.saturating_sub(pages);
        turn.0 = Some(key);
        chosen.push(reading);
    }
    chosen
}

fn pages(rows: &[Behind]) -> u64 {
    rows.iter().map(|row| row.schedule.unknown()).sum::<u64>() / PAGE as u64 + 1
}

/// How far one reading has come.
#[derive(Debug)]
pub struct Progress {
    rows: HashMap<Identity, Wanted>,
}

#[derive(Debug)]
struct Wanted {
    schedule: Schedule,
    /// The lowest run that is wanted.
    lowest: u32,
    /// Unknown runs that have not been seen settled.
    missing: u64,
    /// The number of the last run seen.
    last: Option<u32>,
    /// Whether the runs came newest first so far, from the newest on.
    newest_first: bool,
}

impl Progress {
    /// At the start of a reading.
    pub fn new(reading: &Reading) -> Self {
        let rows = reading.rows.iter().map(|row| {
            let missing = row.schedule.unknown();
            let schedule = row.schedule.clone();
            let lowest = schedule.lowest_wanted();
            (
                row.identity,
                Wanted {
                    schedule,
                    lowest,
                    missing,
                    last: None,
                    newest_first: true,
                },
            )
        });
        Self { rows: rows.collect() }
    }

    /// Takes a page's rows in.
    pub fn take(&mut self, rows: &[Row]) {
        for row in rows {
            if let Some(wanted) = self.rows.get_mut(&row.identity) {
                wanted.take(row);
            }
        }
    }

    /// Whether nothing that is wanted can be on later pages.
    pub fn is_done(&self) -> bool {
        self.rows.values().all(Wanted::is_done)
    }
}

impl Wanted {
    fn take(&mut self, row: &Row) {
        let run = row.run();
        self.newest_first &= match self.last {
            None => run >= self.schedule.shown,
            Some(last) => run < last,
        };
        self.last = Some(run);
        if !row.status.is_open() && run >= self.lowest && !self.schedule.knows(run) {
            // Runs that came while this poll was under way stand in for none of those that it looks for.
            if run <= self.schedule.shown {
                self.missing = self.missing.saturating_sub(1);
            }
            self.schedule.learn(run);
        }
    }

    /// The order is no promise: a run below the wanted ones ends the reading only where the pages have kept to it.
    fn is_done(&self) -> bool {
        self.missing == 0 || (self.newest_first && self.last.is_some_and(|run| run < self.lowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Schedule;
    use crate::result::{Ids, KnownStatus, Status, Times};

    fn behind(invoke: &str, instance: &str, shown: u32, known: u32) -> Behind {
        let ids = Ids {
            invoke_id: invoke.into(),
            instance_id: instance.into(),
            container_id: "".into(),
            command_id: "".into(),
        };
        let identity = Identity::of_row(invoke, instance, "");
        Behind {
            identity,
            schedule: Schedule::new(ids, shown, known),
        }
    }

    fn runs(instance: &str, numbers: impl IntoIterator<Item = u32>) -> Vec<Row> {
        let row = |repeats| Row {
            identity: Identity::of_row("t", instance, ""),
            status: Status::Known(KnownStatus::Success),
            error_code: "".into(),
            exit_code: Some(0),
            repeats,
            times: Times::default(),
            dropped: 0,
            delivery: None,
            scheduled: true,
            ids: None,
            command: None,
        };
        numbers.into_iter().map(row).collect()
    }

    fn is_done(behind: Behind, numbers: impl IntoIterator<Item = u32>) -> bool {
        let reading = Reading {
            invoke_id: "t".into(),
            instance_id: None,
            rows: vec![behind],
        };
        let mut progress = Progress::new(&reading);
        progress.take(&runs("i", numbers));
        progress.is_done()
    }

    #[test]
    fn a_reading_ends_at_the_known_runs_if_the_list_keeps_its_order() {
        assert!(is_done(behind("t", "i", 7, 5), [7, 6]), "all seen");
        assert!(!is_done(behind("t", "i", 7, 5), [7]));
        assert!(is_done(behind("t", "i", 7, 5), [7, 5]), "number 6 is missing");
        assert!(!is_done(behind("t", "i", 7, 5), [1, 2, 3]), "oldest first");
        assert!(!is_done(behind("t", "i", 7, 5), [7, 3, 4]), "no order");
        assert!(
            is_done(behind("t", "i", 7, 5), [1, 6, 2, 7]),
            "no order, all seen"
        );
        assert!(
            !is_done(behind("t", "i", 7, 5), [12, 11, 10, 9, 8]),
            "what has run since hides the wanted"
        );
    }

    #[test]
    fn a_long_backlog_takes_turns() {
        let backlog: Vec<Behind> = (0..10).map(|n| behind("t", &format!("i{n}"), 1440, 0)).collect();
        let mut turn = Turn::default();
        let mut read: Vec<String> = Vec::new();
        for _ in 0..5 {
            let chosen = readings(backlog.clone(), 60, &mut turn);
            assert_eq!(chosen.len(), 2, "29 requests each");
            read.extend(
                chosen
                    .iter()
                    .map(|reading| reading.instance_id.clone().unwrap().into_string()),
            );
        }
        read.sort();
        assert_eq!(read, (0..10).map(|n| format!("i{n}")).collect::<Vec<_>>());
    }

    #[test]
    fn what_fits_is_read_at_once() {
        let minute: Vec<Behind> = (0..100).map(|n| behind("t", &format!("i{n}"), 8, 7)).collect();
        let chosen = readings(minute, 60, &mut Turn::default());
        assert_eq!((chosen.len(), chosen[0].rows.len()), (1, 100));
        assert_eq!(chosen[0].instance_id, None);
        let one = readings(vec![behind("t", "i", 90_000, 0)], 60, &mut Turn::default());
        assert_eq!(one.len(), 1, "one reading at least, or it would never be done");
    }
}
