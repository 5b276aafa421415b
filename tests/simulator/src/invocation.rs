//! One execution of a command on some instances, and its rows.

use std::fmt;
use std::ops::Deref;

use serde_json::{Map, Value, json};

use crate::status::{record_status, task_status};
use crate::{Delivery, InstanceAt, InvocationStatus, Outcome};

/// The id of an execution, `t-…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvokeId(pub(crate) String);

impl InvokeId {
    /// The id as the API writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for InvokeId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvokeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// When a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatMode {
    /// At once, and once.
    Once,
    /// By a Frequency.
    Period,
    /// Once, at the next start of the instance.
    NextRebootOnly,
    /// At each start of the instance.
    EveryReboot,
}

impl RepeatMode {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "Once",
            Self::Period => "Period",
            Self::NextRebootOnly => "NextRebootOnly",
            Self::EveryReboot => "EveryReboot",
        }
    }

    /// Whether it keeps a history of runs.
    pub fn has_history(self) -> bool {
        matches!(self, Self::Period | Self::EveryReboot)
    }
}

/// A command that was sent to some instances.
///
/// Change it through [`crate::Region::invocation_mut`]; all its fields are what the API shows.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "the names are the API's own, and the reference explains them"
)]
pub struct Invocation {
    pub invoke_id: InvokeId,
    pub command_id: String,
    pub command_name: String,
    pub command_description: String,
    pub command_type: String,
    pub command_content: String,
    /// A JSON text.
    pub parameters: String,
    pub creation_time: i64,
    pub repeat_mode: RepeatMode,
    pub frequency: String,
    /// Seconds.
    pub timeout: i64,
    pub working_dir: String,
    pub username: String,
    pub launcher: String,
    pub termination_mode: String,
    /// `oss://bucket/prefix`.
    pub oss_output_delivery: Option<String>,
    pub resource_group_id: Option<String>,
    pub tags: Vec<(String, String)>,
    /// Says InvokeRecordStatus, in place of what follows from the rows.
    pub record_status: Option<String>,
    /// One for each instance, or container on one.
    pub rows: Vec<Row>,
    /// A schedule that has ended is Stopped as a task.
    pub(crate) ended: bool,
}

/// How a command fares on one instance; in a history, how one run of it did.
///
/// [`Row::extra`] and [`Row::without`] change what is sent for it, whatever its fields say.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "the names are the API's own, and the reference explains them"
)]
pub struct Row {
    pub instance_id: String,
    pub container_id: String,
    pub container_name: String,
    pub status: InvocationStatus,
    pub error_code: String,
    pub error_info: String,
    pub exit_code: Option<i64>,
    pub start_time: Option<i64>,
    pub finished_time: Option<i64>,
    pub stop_time: Option<i64>,
    pub update_time: i64,
    /// The runs so far; in a history the number of this run.
    pub repeats: u32,
    pub dropped: i64,
    /// How much output it has, before Base64.
    pub output_bytes: usize,
    pub delivery: Option<Delivery>,
    /// It is not in the list before this time.
    pub listed_from: i64,
    /// Sent in place of the fields with these names, or besides them.
    pub extra: Map<String, Value>,
    /// The fields with these names are not sent.
    pub without: Vec<String>,
    /// The runs of a schedule on this instance, oldest first.
    pub history: Vec<Self>,
    /// Sent in place of everything.
    pub(crate) raw: Option<Value>,
    /// It is an entry of a history.
    pub(crate) is_run: bool,
    /// Had settled when the baseline was marked.
    pub(crate) known: bool,
    /// Had been delivered when the baseline was marked.
    pub(crate) delivery_known: bool,
    /// The highest run that had settled when the baseline was marked.
    pub(crate) known_run: u32,
}

impl Invocation {
    /// Whether it has, or may have, more than one run.
    pub fn is_scheduled(&self) -> bool {
        self.repeat_mode.has_history()
    }

    /// InvokeRecordStatus.
    pub fn record_status(&self) -> &str {
        match &self.record_status {
            Some(status) => status,
            None if self.is_scheduled() => {
                if self.ended {
                    "Stopped"
                } else {
                    "Running"
                }
            }
            None => record_status(self.statuses()),
        }
    }

    /// InvocationStatus of the whole task.
    pub fn status(&self) -> &'static str {
        task_status(self.statuses())
    }

    /// Whether nothing of it can change any more.
    pub fn is_settled(&self) -> bool {
        self.statuses().all(|status| !status.is_open())
    }

    /// The same invocation with other rows.
    pub(crate) fn with_rows(&mut self, rows: Vec<Row>) -> Self {
        let own = std::mem::replace(&mut self.rows, rows);
        let copy = self.clone();
        self.rows = own;
        copy
    }

    /// The index of the row that the address means.
    pub(crate) fn position(&self, instance: &InstanceAt) -> Option<usize> {
        match instance {
            InstanceAt::Index(index) => (*index < self.rows.len()).then_some(*index),
            InstanceAt::Id(id) => self.rows.iter().position(|row| {
                row.instance_id == *id || (!row.container_id.is_empty() && row.container_id == *id)
            }),
        }
    }

    fn statuses(&self) -> impl Iterator<Item = InvocationStatus> + Clone {
        self.rows.iter().map(|row| row.status)
    }
}

impl Row {
    /// A row that has just been created.
    pub(crate) fn pending(instance_id: String, now: i64) -> Self {
        Self {
            instance_id,
            container_id: String::new(),
            container_name: String::new(),
            status: InvocationStatus::Pending,
            error_code: String::new(),
            error_info: String::new(),
            exit_code: None,
            start_time: None,
            finished_time: None,
            stop_time: None,
            update_time: now,
            repeats: 0,
            dropped: 0,
            output_bytes: 24,
            delivery: None,
            listed_from: i64::MIN,
            extra: Map::new(),
            without: Vec::new(),
            history: Vec::new(),
            raw: None,
            is_run: false,
            known: false,
            delivery_known: false,
            known_run: 0,
        }
    }

    /// It starts on the instance.
    pub(crate) fn start(&mut self, now: i64) {
        self.status = InvocationStatus::Running;
        self.start_time = Some(now);
        self.finished_time = None;
        self.stop_time = None;
        self.exit_code = None;
        self.error_code.clear();
        self.error_info.clear();
        self.repeats = self.repeats.max(1);
        self.update_time = now;
    }

    /// It ends, with the times and codes that go with this end.
    pub(crate) fn settle(&mut self, outcome: &Outcome, timeout: i64, now: i64) {
        use InvocationStatus::{Cancelled, Terminated, Timeout};
        let Outcome { status, duration, .. } = *outcome;
        self.status = status;
        self.error_code.clone_from(&outcome.error_code);
        self.error_info.clone_from(&outcome.error_info);
        self.exit_code = outcome.exit_code;
        self.dropped = outcome.dropped;
        self.output_bytes = outcome.output_bytes.unwrap_or(self.output_bytes);
        self.update_time = now;
        if outcome.delivery.is_some() {
            self.delivery.clone_from(&outcome.delivery);
        }
        if matches!(status, Cancelled | Terminated) {
            self.stop_time = self.stop_time.or(Some(now));
        }
        if !outcome.started() {
            self.start_time = None;
            self.finished_time = None;
            return;
        }
        self.repeats = self.repeats.max(1);
        let ran = if status == Timeout { timeout } else { duration };
        let start = *self.start_time.get_or_insert(now - ran);
        // FinishedTime of a timeout is StartTime + Timeout, not the moment it was noticed.
        self.finished_time = Some(if status == Timeout { start + timeout } else { now });
    }
}

/// Tags as the API nests them.
pub(crate) fn tags_json(tags: &[(String, String)]) -> Value {
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({"TagKey": key, "TagValue": value}))
        .collect();
    json!({ "Tag": tags })
}
