//! Rule 9: which histories of schedules to read in this poll, and when to stop reading one.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::follow::PAGE;
use crate::record::{Pauses, Schedule, Sought};
use crate::result::{Identity, Row};

/// A schedule's row, some of whose runs are not known.
#[derive(Debug, Clone)]
pub struct UnreadRuns {
    /// The row.
    pub identity: Identity,
    /// What is known of it, with Repeats as this poll has seen it.
    pub schedule: Schedule,
}

/// One history to be read: of a whole invocation, or of one of its instances.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    /// The invocation.
    pub invoke_id: Box<str>,
    /// Only this instance's runs.
    pub instance_id: Option<Box<str>>,
    /// Which runs are looked for.
    pub sought: Sought,
    /// Whether the whole history is to be read: the others end where the known runs begin.
    pub thorough: bool,
    /// Whose runs are looked for.
    pub rows: Vec<UnreadRuns>,
}

/// Whether it is thorough, what is sought, InvokeId, and InstanceId where instances are read one by one.
pub(super) type Place = (bool, bool, Box<str>, Box<str>);

impl HistoryRequest {
    /// Whether it is for runs that nobody has looked for yet: few, and at the front.
    pub(super) fn is_new(&self) -> bool {
        let was_in_vain = |row: &UnreadRuns| row.schedule.was_in_vain(Sought::Newest);
        self.sought == Sought::Newest && !self.thorough && !self.rows.iter().any(was_in_vain)
    }

    pub(super) fn place(&self) -> Place {
        let instance = self.instance_id.clone().unwrap_or_default();
        let is_for_missing = self.sought == Sought::Missing;
        (self.thorough, is_for_missing, self.invoke_id.clone(), instance)
    }
}

/// The histories that are to be read at `steady`.
///
/// A whole invocation is read where that takes no more than `budget` requests and no more than reading its instances
/// one by one; else, as after a long time away, they are: each reading is complete in itself.
///
/// `instances` has how many rows each invocation has that is a schedule.
pub fn requests(
    rows: &[UnreadRuns],
    instances: &HashMap<&str, u64>,
    budget: u64,
    steady: Duration,
    pauses: Pauses,
) -> Vec<HistoryRequest> {
    let mut requests = Vec::new();
    for sought in [Sought::Newest, Sought::Missing] {
        let mut invocations: BTreeMap<&str, Vec<&UnreadRuns>> = BTreeMap::new();
        for row in rows
            .iter()
            .filter(|row| row.schedule.seeks(sought, steady, pauses))
        {
            let invoke_id = &row.schedule.ids.invoke_id;
            invocations.entry(invoke_id).or_default().push(row);
        }
        for (invoke_id, unread) in invocations {
            let (thorough, unread): (Vec<_>, Vec<_>) = unread
                .into_iter()
                .partition(|row| row.schedule.is_thorough(sought, pauses));
            // The runs of the others have sunk what was looked for in vain: it would hold up the reading for what is new.
            let (again, new): (Vec<_>, Vec<_>) = unread
                .into_iter()
                .partition(|row| row.schedule.was_in_vain(sought));
            for rows in [new, again] {
                let instances = instances
                    .get(invoke_id)
                    .copied()
                    .unwrap_or(0)
                    .max(rows.len() as u64);
                let is_sunk =
                    sought == Sought::Missing || rows.iter().any(|row| row.schedule.was_in_vain(sought));
                let depth = rows.iter().map(|row| row.schedule.depth(sought)).max();
                let whole = match is_sunk {
                    false => pages(rows.iter().map(|row| row.schedule.unknown(sought)).sum()),
                    true => pages(depth.unwrap_or(0).saturating_mul(instances)),
                };
                let one_by_one = rows.iter().map(|row| pages(row.schedule.depth(sought)));
                let is_whole = rows.len() > 1 && whole <= budget && whole <= one_by_one.sum();
                match is_whole {
                    true => requests.push(HistoryRequest {
                        invoke_id: invoke_id.into(),
                        instance_id: None,
                        sought,
                        thorough: false,
                        rows: rows.into_iter().cloned().collect(),
                    }),
                    false => requests.extend(by_instance(invoke_id, sought, false, &rows)),
                }
            }
            // A thorough look reads all there is: of one instance, so that it ends.
            requests.extend(by_instance(invoke_id, sought, true, &thorough));
        }
    }
    requests
}

/// The history of each instance by itself.
fn by_instance(
    invoke_id: &str,
    sought: Sought,
    thorough: bool,
    rows: &[&UnreadRuns],
) -> impl Iterator<Item = HistoryRequest> {
    let mut instances: BTreeMap<&str, Vec<UnreadRuns>> = BTreeMap::new();
    for row in rows {
        let instance_id = &row.schedule.ids.instance_id;
        instances.entry(instance_id).or_default().push((*row).clone());
    }
    instances
        .into_iter()
        .map(move |(instance_id, rows)| HistoryRequest {
            invoke_id: invoke_id.into(),
            instance_id: Some(instance_id.into()),
            sought,
            thorough,
            rows,
        })
}

fn pages(runs: u64) -> u64 {
    runs / PAGE as u64 + 1
}

/// How far one reading has come.
#[derive(Debug)]
pub struct Progress {
    rows: HashMap<Identity, Wanted>,
    thorough: bool,
    /// Whether two runs of a row have come, the newer one first.
    descends: bool,
    /// Whether any have come the other way round.
    ascends: bool,
}

#[derive(Debug)]
struct Wanted {
    schedule: Schedule,
    /// The lowest run that is wanted.
    lowest: u32,
    /// The highest.
    highest: u32,
    /// Unknown runs that have not been seen settled.
    missing: u64,
    /// The number of the last run seen.
    last: Option<u32>,
}

impl Progress {
    /// At the start of a reading.
    pub fn new(request: &HistoryRequest) -> Self {
        let rows = request.rows.iter().map(|row| {
            let schedule = row.schedule.clone();
            let wanted = Wanted {
                lowest: schedule.lowest(request.sought),
                highest: schedule.highest_sought(request.sought),
                missing: schedule.unknown(request.sought),
                last: None,
                schedule,
            };
            (row.identity, wanted)
        });
        Self {
            rows: rows.collect(),
            thorough: request.thorough,
            descends: false,
            ascends: false,
        }
    }

    /// Takes a page's rows in.
    pub fn take(&mut self, rows: &[Row]) {
        for row in rows {
            let Some(wanted) = self.rows.get_mut(&row.identity) else {
                continue;
            };
            let run = row.run();
            if let Some(last) = wanted.last.replace(run) {
                self.descends |= run < last;
                self.ascends |= run > last;
            }
            if !row.status.is_open() {
                wanted.settled(run);
            }
        }
    }

    /// Whether nothing that is wanted can be on later pages.
    ///
    /// The order is no promise: a run below the wanted ones ends the reading only where the pages have kept to it.
    pub fn is_done(&self) -> bool {
        let in_order = self.descends && !self.ascends && !self.thorough;
        self.rows.values().all(|wanted| {
            wanted.missing == 0 || (in_order && wanted.last.is_some_and(|run| run < wanted.lowest))
        })
    }
}

impl Wanted {
    fn settled(&mut self, run: u32) {
        if run >= self.lowest && !self.schedule.knows(run) {
            // Runs that came while this poll was under way stand in for none of those that it looks for.
            if run <= self.highest {
                self.missing = self.missing.saturating_sub(1);
            }
            self.schedule.learn(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cursor::HistoryCursor;
    use super::*;
    use crate::record::{Looked, Schedule};
    use crate::result::{Ids, KnownStatus, Status};

    fn behind(invoke: &str, instance: &str, shown: u32, known: u32) -> UnreadRuns {
        let ids = Ids::of_test(invoke, instance);
        let identity = Identity::of_row(invoke, instance, "");
        UnreadRuns {
            identity,
            schedule: Schedule::new(ids, shown, known),
        }
    }

    fn runs(instance: &str, numbers: impl IntoIterator<Item = u32>) -> Vec<Row> {
        let row = |repeats| Row {
            identity: Identity::of_row("t", instance, ""),
            repeats,
            scheduled: true,
            ..Row::numbered(0, Status::Known(KnownStatus::Success))
        };
        numbers.into_iter().map(row).collect()
    }

    fn is_done(behind: UnreadRuns, numbers: impl IntoIterator<Item = u32>) -> bool {
        let reading = HistoryRequest {
            invoke_id: "t".into(),
            instance_id: None,
            sought: Sought::Newest,
            thorough: false,
            rows: vec![behind],
        };
        let mut progress = Progress::new(&reading);
        progress.take(&runs("i", numbers));
        progress.is_done()
    }

    const PAUSES: Pauses = Pauses {
        least: Duration::from_secs(60),
        most: Duration::from_secs(3600),
    };

    fn read(rows: &[UnreadRuns], instances: u64) -> Vec<HistoryRequest> {
        let instances = HashMap::from([("t", instances)]);
        requests(rows, &instances, 60, Duration::ZERO, PAUSES)
    }

    #[test]
    fn a_reading_ends_at_the_known_runs_if_the_list_keeps_its_order() {
        assert!(is_done(behind("t", "i", 7, 5), [7, 6]), "all seen");
        assert!(!is_done(behind("t", "i", 7, 5), [7]));
        assert!(is_done(behind("t", "i", 7, 5), [7, 5]), "number 6 is missing");
        assert!(is_done(behind("t", "i", 7, 5), [6, 5]), "number 7 is under way");
        assert!(!is_done(behind("t", "i", 7, 5), [5]), "one alone shows no order");
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
        assert!(
            is_done(behind("t", "i", 1_000_000, 5), [5, 4]),
            "a number that jumps"
        );
    }

    #[test]
    fn a_long_backlog_takes_turns() {
        let backlog: Vec<UnreadRuns> = (0..10).map(|n| behind("t", &format!("i{n}"), 1440, 0)).collect();
        let mut cursor = HistoryCursor::default();
        let mut order: Vec<String> = Vec::new();
        for _ in 0..5 {
            let due = cursor.in_turn(read(&backlog, 10));
            assert_eq!(due.len(), 10, "one by one: 29 requests each");
            for reading in due.into_iter().take(2) {
                order.push(reading.instance_id.clone().unwrap().into_string());
                cursor.begin(reading);
            }
        }
        order.sort();
        assert_eq!(order, (0..10).map(|n| format!("i{n}")).collect::<Vec<_>>());
    }

    #[test]
    fn what_fits_is_read_at_once() {
        let minute: Vec<UnreadRuns> = (0..100).map(|n| behind("t", &format!("i{n}"), 8, 7)).collect();
        let due = read(&minute, 100);
        assert_eq!((due.len(), due[0].rows.len()), (1, 100));
        assert_eq!(due[0].instance_id, None);
    }

    #[test]
    fn what_was_looked_for_in_vain_does_not_hold_up_what_is_new() {
        let mut rows: Vec<UnreadRuns> = (0..100).map(|n| behind("t", &format!("i{n:02}"), 8, 7)).collect();
        let asked = |rows: &[UnreadRuns]| -> Vec<(Option<String>, usize)> {
            let later = Duration::from_secs(3600);
            let due = requests(rows, &HashMap::from([("t", 100)]), 60, later, PAUSES);
            let of = |request: HistoryRequest| (request.instance_id.map(String::from), request.rows.len());
            due.into_iter().map(of).collect()
        };
        rows[7]
            .schedule
            .asked(Sought::Newest, Looked::Partly, Duration::ZERO, PAUSES);
        assert_eq!(asked(&rows), [(None, 99), (Some("i07".to_owned()), 1)]);
        for row in &mut rows {
            row.schedule
                .asked(Sought::Newest, Looked::Partly, Duration::ZERO, PAUSES);
        }
        assert_eq!(asked(&rows), [(None, 100)], "all of them are read at once still");
    }

    #[test]
    fn a_thorough_look_is_at_one_instance_also_where_others_are_read_together() {
        let mut rows: Vec<UnreadRuns> = (0..4).map(|n| behind("t", &format!("i{n}"), 8, 7)).collect();
        for row in &mut rows[..2] {
            for minute in [0, 10, 30, 70, 150, 300, 600, 1000] {
                let steady = Duration::from_secs(minute * 60);
                row.schedule.asked(Sought::Newest, Looked::Partly, steady, PAUSES);
            }
        }
        let late = Duration::from_secs(2000 * 60);
        let due = requests(&rows, &HashMap::from([("t", 4)]), 60, late, PAUSES);
        let asked: Vec<(Option<&str>, bool, usize)> = due
            .iter()
            .map(|request| {
                (
                    request.instance_id.as_deref(),
                    request.thorough,
                    request.rows.len(),
                )
            })
            .collect();
        assert_eq!(
            asked,
            [(None, false, 2), (Some("i0"), true, 1), (Some("i1"), true, 1)]
        );
        for (row, looked) in rows.iter_mut().zip([Looked::Partly, Looked::Thoroughly]) {
            row.schedule.asked(Sought::Newest, looked, late, PAUSES);
        }
        let still = rows
            .iter()
            .map(|row| row.schedule.is_thorough(Sought::Newest, PAUSES));
        assert_eq!(
            still.collect::<Vec<_>>(),
            [true, false, false, false],
            "until one was thorough"
        );
    }

    #[test]
    fn a_run_that_is_missing_deep_down_is_looked_for_in_its_instance_alone() {
        let mut rows: Vec<UnreadRuns> = (0..100).map(|n| behind("t", &format!("i{n}"), 8, 7)).collect();
        rows[3].schedule = behind("t", "i3", 500, 100).schedule;
        (102..=500).for_each(|run| rows[3].schedule.learn(run));
        let due = read(&rows, 100);
        let sought: Vec<(Sought, usize)> = due
            .iter()
            .map(|reading| (reading.sought, reading.rows.len()))
            .collect();
        assert_eq!(sought, [(Sought::Newest, 99), (Sought::Missing, 1)]);
        assert_eq!(due[1].instance_id.as_deref(), Some("i3"));
    }
}
