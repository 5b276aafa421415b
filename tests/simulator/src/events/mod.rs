//! Task events: what is emitted when a task ends on an instance, and how it gets to whoever listens.
//!
//! Emitted as documented: one event for an instance of a task whose InvocationStatus becomes Aborted, Success, Failed,
//! Invalid, Timeout, Cancelled or Terminated; none for Error. A run of a schedule emits one, too, which the
//! documentation leaves open.

pub(crate) mod deliver;

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::utc;
use crate::invocation::{Invocation, Row};
use crate::{Cloud, InvocationStatus, Region};

/// Where events go, and what becomes of them on the way.
#[derive(Clone, Debug)]
pub struct Emission {
    /// An HTTP target.
    pub http: Option<HttpTarget>,
    /// The name of a queue; it must have been created.
    pub queue: Option<String>,
    /// Whether messages of the queue are Base64.
    pub base64: bool,
    /// Of a hundred so many are lost.
    pub lost: u8,
    /// Of a hundred so many are sent twice.
    pub doubled: u8,
    /// How late each is, at random: whatever is late by another time than its neighbour overtakes it.
    pub delay: RangeInclusive<Duration>,
    /// Between two tries of an HTTP target, of which there are three more than one.
    pub retry: RangeInclusive<Duration>,
    /// Another seed loses others.
    pub seed: u64,
}

/// An HTTP target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// `http://127.0.0.1:PORT/path?query`.
    pub url: String,
    /// Sent as `x-eventbridge-signature-token`.
    pub token: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}

impl HttpTarget {
    /// A target without a token.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            headers: Vec::new(),
        }
    }
}

impl Default for Emission {
    fn default() -> Self {
        let nothing = Duration::ZERO;
        Self {
            http: None,
            queue: None,
            base64: false,
            lost: 0,
            doubled: 0,
            delay: nothing..=nothing,
            // BACKOFF_RETRY.
            retry: Duration::from_secs(10)..=Duration::from_secs(20),
            seed: 1,
        }
    }
}

impl Emission {
    /// To an HTTP target.
    pub fn to_http(url: impl Into<String>) -> Self {
        Self {
            http: Some(HttpTarget::new(url)),
            ..Self::default()
        }
    }

    /// To a queue.
    pub fn to_queue(name: &str) -> Self {
        Self {
            queue: Some(name.to_owned()),
            ..Self::default()
        }
    }
}

/// An event that waits to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Emitted {
    pub(crate) account: String,
    pub(crate) event: Value,
}

impl Cloud {
    /// From now on events are emitted, or no longer.
    pub fn emit(&mut self, emission: Option<Emission>) {
        for region in self.regions_mut() {
            region.emitted = emission.as_ref().map(|_| Vec::new());
        }
        self.emission = emission;
    }

    /// The number of an account, as its events and STS name it; its name unless one is set.
    pub fn account_id(&self, account: &str) -> String {
        self.account_ids
            .get(account)
            .cloned()
            .unwrap_or_else(|| account.to_owned())
    }

    /// Gives an account a number.
    pub fn set_account_id(&mut self, account: &str, id: &str) {
        self.account_ids.insert(account.to_owned(), id.to_owned());
    }

    /// Takes what has been emitted.
    pub(crate) fn take_emitted(&mut self) -> Vec<Emitted> {
        let mut taken = Vec::new();
        for region in self.regions_mut() {
            let events = region.emitted.as_mut().map(std::mem::take).unwrap_or_default();
            let account = region.account.clone();
            taken.extend(events.into_iter().map(|event| (account.clone(), event)));
        }
        let with_number = |(account, mut event): (String, Value)| {
            let id = self.account_id(&account);
            if let Some(subject) = event["subject"].as_str() {
                event["subject"] = subject.replace("ACCOUNT", &id).into();
            }
            event["aliyunaccountid"] = id.into();
            Emitted { account, event }
        };
        taken.into_iter().map(with_number).collect()
    }
}

impl Region {
    /// A row, or a run of one, has ended.
    pub(crate) fn emit(&mut self, sequence: u64, row: usize, run: Option<usize>) {
        let Some(invocation) = self.invocations.get(&sequence).filter(|_| self.emitted.is_some()) else {
            return;
        };
        let ended = match run {
            Some(run) => &invocation.rows[row].history[run],
            None => &invocation.rows[row],
        };
        let is_emitted = !ended.status.is_open() && ended.status != InvocationStatus::Error;
        if is_emitted {
            let event = event(&self.id, invocation, ended, self.now);
            self.emitted
                .iter_mut()
                .for_each(|emitted| emitted.push(event.clone()));
        }
    }
}

/// As EventBridge sends it.
fn event(region_id: &str, invocation: &Invocation, row: &Row, now: i64) -> Value {
    let time = |at: Option<i64>| at.map(utc).unwrap_or_default();
    let number = fastrand::u64(..);
    let code = if row.error_code.is_empty() {
        "0"
    } else {
        &row.error_code
    };
    json!({
        "id": format!("51e00000-0000-4000-8000-{:012x}", number >> 16),
        "source": "acs.ecs",
        "specversion": "1.0",
        "type": "ecs:CloudAssistant:TaskCompleted",
        "subject": format!("acs.ecs:{region_id}:ACCOUNT:215672"),
        "time": utc(now).replace('Z', "+00:00"),
        "datacontenttype": "application/json;charset=utf-8",
        "aliyunregionid": region_id,
        "aliyuneventbusname": "default",
        "aliyunpublishtime": utc(now),
        "aliyunpublishaddr": "172.25.0.1",
        "data": {
            "invokeId": invocation.invoke_id.as_str(),
            "instanceId": row.instance_id,
            "commandId": invocation.command_id,
            "commandName": invocation.command_name,
            "invocationStatus": row.status.as_str(),
            "exitCode": row.exit_code.map(|code| code.to_string()).unwrap_or_default(),
            "repeats": row.repeats.to_string(),
            "repeatMode": invocation.repeat_mode.as_str(),
            "errorCode": code,
            "errorDesc": row.error_info,
            "startTime": time(row.start_time),
            "finishTime": time(row.finished_time),
            "ownerId": "1234****",
            "playerUid": "1234****",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessKey, Clock, Outcome};

    #[test]
    fn every_documented_end_emits_one_event_and_no_other() {
        let mut cloud = Cloud::new(Clock::Manual(1_767_323_045));
        cloud.add_account("a", AccessKey::new("key", "secret"));
        cloud.set_account_id("a", "1234567890123456");
        cloud.emit(Some(Emission::to_queue("q")));
        let region = cloud.region("a", "cn-hangzhou");
        let ends = Outcome::every_kind();
        let invoke_id = region.run("backup", ends.len());
        region.start(&invoke_id, 0);
        assert_eq!(cloud.take_emitted().len(), 0);
        let region = cloud.region("a", "cn-hangzhou");
        for (row, outcome) in ends.iter().enumerate() {
            region.settle(&invoke_id, row, outcome.clone());
            region.settle(&invoke_id, row, outcome.clone());
        }
        let emitted = cloud.take_emitted();
        let statuses: Vec<&str> = emitted
            .iter()
            .filter_map(|emitted| emitted.event["data"]["invocationStatus"].as_str())
            .collect();
        let documented = ends.iter().map(|outcome| outcome.status);
        let documented = documented.filter(|status| *status != InvocationStatus::Error);
        assert_eq!(
            statuses,
            documented.map(InvocationStatus::as_str).collect::<Vec<_>>()
        );
        let first = &emitted[0].event;
        assert_eq!(first["aliyunaccountid"], "1234567890123456");
        assert_eq!(first["subject"], "acs.ecs:cn-hangzhou:1234567890123456:215672");

        let region = cloud.region("a", "cn-hangzhou");
        let schedule = region.schedule("backup", "rate(5m)", 1);
        region.run_once(&schedule, 0, Outcome::failed(3));
        region.run_once(&schedule, 0, Outcome::success());
        let runs = cloud.take_emitted();
        let repeats: Vec<&Value> = runs
            .iter()
            .map(|emitted| &emitted.event["data"]["repeats"])
            .collect();
        assert_eq!(repeats, ["1", "2"]);
        cloud.emit(None);
        cloud
            .region("a", "cn-hangzhou")
            .add_settled(3, Outcome::success());
        assert_eq!(cloud.take_emitted().len(), 0);
    }
}
