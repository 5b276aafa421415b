//! A cloud of a few lines, which misbehaves where it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::aliyun::invocations::InvocationsPage;
use crate::aliyun::rows::Page;
use crate::poll::scan::names::Lookup;
use crate::poll::scan::{Question, Request};
use crate::result::{
    CommandOfRow, Delivery, Identity, Ids, InvocationSummary, KnownStatus, Row, Seconds, Status, Times,
};

/// Small pages, so that a few rows are many pages.
pub(super) const ROWS_ON_A_PAGE: usize = 4;

/// How one run ended, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub code: i64,
    pub at: Seconds,
}

/// What the cloud knows of one instance of one invocation.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub invoke_id: u32,
    pub instance_id: u32,
    pub started: Seconds,
    /// How it ended.
    pub settled: Option<End>,
    /// Whether it is shown open although it has ended.
    pub reopened: bool,
    /// For a schedule: each run.
    pub runs: Option<BTreeMap<u32, End>>,
    /// Runs that the history does not have yet.
    pub lagging: BTreeSet<u32>,
    /// A run that is shown Running in the history, whatever comes after it.
    pub stuck: Option<u32>,
    /// Repeats as the row shows it, where that is wrong.
    pub spike: Option<u32>,
    /// Whether the API lists it: at first it may not yet, later it may not for a while.
    pub listed: bool,
    /// Whether the row shows the run under way.
    pub running: bool,
}

#[derive(Debug, Default)]
pub(super) struct Cloud {
    pub now: Seconds,
    pub instances: Vec<Instance>,
    pub invocations: u32,
    pub shuffle: u64,
    /// Every answer is empty.
    pub empty: bool,
    /// So many questions to DescribeInvocations fail.
    pub nameless: u32,
    pub was_nameless: bool,
    /// So many histories are refused.
    pub refusing: u32,
    /// After so many pages that are behind the first of a history, its token is refused, so many times.
    pub forgetting: Option<(u32, u32)>,
    /// Pages behind the first since then.
    pub pages_behind: u32,
}

impl Cloud {
    pub(super) fn run(&mut self, count: u32, listed: bool, scheduled: bool) {
        self.invocations += 1;
        for instance_id in 0..count {
            self.instances.push(Instance {
                invoke_id: self.invocations,
                instance_id,
                started: self.now,
                settled: None,
                reopened: false,
                runs: scheduled.then(BTreeMap::new),
                lagging: BTreeSet::new(),
                stuck: None,
                spike: None,
                listed,
                running: false,
            });
        }
    }

    /// So many instances run something, and it ends so.
    pub(super) fn settle(&mut self, count: u32, code: i64) {
        self.run(count, true, false);
        let end = End { code, at: self.now };
        let newest = self.instances.iter_mut().rev().take(count as usize);
        newest.for_each(|instance| instance.settled = Some(end));
    }

    /// What is under way ends so.
    pub(super) fn end(&mut self, code: i64) {
        let end = End { code, at: self.now };
        let open = self
            .instances
            .iter_mut()
            .filter(|instance| instance.settled.is_none());
        open.for_each(|instance| instance.settled = Some(end));
    }

    /// What is settled: one-time results, and each run of a schedule.
    pub(super) fn settled(&self) -> BTreeMap<Identity, End> {
        self.instances.iter().flat_map(Instance::ends).collect()
    }

    /// Whether the token of a history's next page is refused.
    pub(super) fn forgets_tokens(&mut self) -> bool {
        let Some((pages, times)) = self.forgetting.filter(|(_, times)| *times > 0) else {
            return false;
        };
        let forgets = self.pages_behind == pages;
        self.pages_behind = if forgets { 0 } else { self.pages_behind + 1 };
        self.forgetting = Some((pages, times - u32::from(forgets)));
        forgets
    }

    /// From now on it behaves, and shows everything.
    pub(super) fn behaves(&mut self) {
        (self.empty, self.nameless, self.refusing) = (false, 0, 0);
        self.forgetting = None;
        for instance in &mut self.instances {
            instance.listed = true;
            instance.reopened = false;
            instance.running = false;
            instance.spike = None;
            instance.stuck = None;
            instance.lagging.clear();
        }
    }

    fn rows(&self, request: &Request) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let listed = self
            .instances
            .iter()
            .rev()
            .filter(|instance| instance.listed && !self.empty);
        for instance in listed {
            let row = instance.row();
            let matches = |invoke_id: &str, instance_id: &Option<Box<str>>| {
                *invoke_id == instance.invoke_id.to_string()
                    && instance_id
                        .as_ref()
                        .is_none_or(|id| **id == instance.instance_id.to_string())
            };
            match &request.question {
                Question::List => rows.push(row),
                Question::Running => rows.extend(row.status.is_open().then_some(row)),
                Question::Invocation {
                    invoke_id,
                    instance_id,
                } if matches(invoke_id, instance_id) => rows.push(row),
                Question::History {
                    invoke_id,
                    instance_id,
                } if matches(invoke_id, instance_id) => rows.extend(instance.history(&row)),
                _ => {}
            }
        }
        if let Question::History { .. } = request.question {
            // Newest first, whoever's they are.
            rows.sort_by_key(|row| std::cmp::Reverse(row.repeats));
        }
        if self.shuffle != 0 {
            rows.sort_by_key(|row| row.identity.of_run(self.shuffle as u32 + row.repeats).0);
        }
        rows
    }

    /// DescribeInvocations: each invocation is of a command of its own, and few names are used.
    pub(super) fn named(&self, request: &Request) -> InvocationsPage {
        let Question::Names(lookup) = &request.question else {
            return InvocationsPage::default();
        };
        let named = |number: u32| InvocationSummary {
            command_id: format!("c-{number}").into(),
            invoke_id: number.to_string().into(),
            name: name(number).into(),
            kind: "".into(),
            repeat_mode: "Period".into(),
            frequency: format!("rate({number}m)").into(),
            created: 1_600_000_000 + number,
        };
        let all = (1..=self.invocations).rev().map(named);
        let all: Vec<InvocationSummary> = match lookup {
            Lookup::Newest => all.collect(),
            Lookup::Command(id) => all.filter(|named| named.command_id == *id).collect(),
            Lookup::Invocation(id) => all.filter(|named| named.invoke_id == *id).collect(),
        };
        let (from, to, next_token) = cut(request, all.len());
        InvocationsPage {
            rows: Vec::new(),
            commands: all[from..to].to_vec(),
            next_token,
        }
    }

    pub(super) fn page(&self, request: &Request) -> Page {
        let rows = self.rows(request);
        let (from, to, next_token) = cut(request, rows.len());
        Page {
            rows: rows[from..to].to_vec(),
            skipped: 0,
            next_token,
        }
    }
}

fn cut(request: &Request, all: usize) -> (usize, usize, Option<String>) {
    let from: usize = request.token.as_ref().map_or(0, |token| token.parse().unwrap());
    let to = (from + ROWS_ON_A_PAGE).min(all);
    (from.min(to), to, (to < all).then(|| to.to_string()))
}

impl Instance {
    pub(super) fn row(&self) -> Row {
        let (invoke_id, instance_id) = (self.invoke_id.to_string(), self.instance_id.to_string());
        let identity = Identity::of_row(&invoke_id, &instance_id, "");
        let ids = Ids {
            invoke_id: invoke_id.into(),
            instance_id: instance_id.into(),
            container_id: "".into(),
            command_id: "".into(),
        };
        let open = match self.runs.is_some() && !self.running {
            true => KnownStatus::Scheduled,
            false => KnownStatus::Running,
        };
        let last = self.runs.as_ref().and_then(|runs| runs.last_key_value());
        let under_way = u32::from(self.running && self.runs.is_some());
        let repeats = last.map_or(0, |(run, _)| *run) + under_way;
        let row = Row {
            identity,
            status: Status::Known(open),
            error_code: "".into(),
            exit_code: None,
            error_info: None,
            repeats: self.spike.unwrap_or(repeats),
            times: Times {
                started: NonZeroU32::new(self.started),
                ..Times::default()
            },
            dropped: 0,
            delivery: None,
            scheduled: self.runs.is_some(),
            ids: Some(Box::new(ids)),
            command: Some(Arc::new(CommandOfRow {
                id: format!("c-{}", self.invoke_id).into(),
                tagged: 0,
            })),
        };
        match self.settled.filter(|_| !self.reopened) {
            Some(end) => ended(&row, repeats, end),
            None => row,
        }
    }

    fn history(&self, row: &Row) -> Vec<Row> {
        let runs = self.runs.iter().flatten().rev();
        let runs = runs.filter(|(run, _)| !self.lagging.contains(run));
        let rows = runs.map(|(run, end)| match self.stuck == Some(*run) {
            false => ended(row, *run, *end),
            true => Row {
                status: Status::Known(KnownStatus::Running),
                repeats: *run,
                ..row.clone()
            },
        });
        rows.collect()
    }

    /// What of it is settled.
    pub(super) fn ends(&self) -> BTreeMap<Identity, End> {
        let row = self.row().identity;
        match &self.runs {
            None => self.settled.iter().map(|end| (row.of_run(1), *end)).collect(),
            Some(runs) => runs.iter().map(|(run, end)| (row.of_run(*run), *end)).collect(),
        }
    }
}

/// What ends with this code has no time of its own, as on an instance that is offline.
pub(super) const UNDATED: i64 = 77;

fn ended(row: &Row, run: u32, end: End) -> Row {
    let status = if end.code == 0 {
        KnownStatus::Success
    } else {
        KnownStatus::Failed
    };
    let plain = end.code == 0 && run <= 1;
    let delivery = (end.code == 1).then(|| Delivery {
        finished: true,
        error_code: "".into(),
        uri: "".into(),
    });
    Row {
        status: Status::Known(status),
        exit_code: Some(end.code),
        error_info: None,
        repeats: run,
        times: match end.code {
            UNDATED => Times::default(),
            _ => Times {
                started: NonZeroU32::new(end.at - 1),
                finished: NonZeroU32::new(end.at),
                ..row.times
            },
        },
        // One that is too large for a sum.
        dropped: if end.code == 2 { u64::MAX / 2 } else { 3 },
        delivery: delivery.map(Box::new),
        ids: row.ids.clone().filter(|_| !plain),
        ..row.clone()
    }
}

/// CommandName of an invocation.
pub(super) fn name(invocation: u32) -> String {
    format!("n{}", invocation % 5)
}
