//! Task events: that they are taken, from whom, and from which queues.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use super::fields::{Fields, Value};
use super::home::is_region_id;
use crate::shown::shown;

/// `events`: task events that bring the next poll forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// `events.http`: whether `POST /api/v1/events` takes them. Default false.
    pub http: bool,
    /// `events.min_interval`: polls of a scope that events ask for begin so far behind the one before, at least.
    /// Default 5s; not below 1s.
    pub min_interval: Duration,
    /// `events.token_file`: a file with a token that whoever sends events over HTTP must have. It is read again when it
    /// changes. Default: none, and the web configuration alone decides.
    pub token_file: Option<PathBuf>,
}

/// `accounts[].events`: the queue that an account's events are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSource {
    /// `queue`: its name, URL or ARN.
    pub queue: Queue,
    /// `endpoint`: where queues are instead of `<account id>.mns.<region>.aliyuncs.com`: `http(s)://host[:port]`, in which
    /// `{account_id}` and `{region_id}` may stand.
    pub endpoint: Option<String>,
}

/// Which queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queue {
    /// One of this name in every region that is polled.
    Named(String),
    /// One queue, by its ARN `acs:mns:<region>:<account>:queues/<name>`.
    Arn {
        /// Where it is.
        region_id: String,
        /// Whose it is.
        account_id: String,
        /// Its name.
        name: String,
    },
    /// One queue, by its URL `http(s)://host[:port]/queues/<name>`.
    Url {
        /// `http(s)://host[:port]`.
        base: String,
        /// Its name.
        name: String,
        /// The region that a host of Alibaba Cloud's own is in.
        region_id: Option<String>,
    },
}

/// A poll is at least one request.
const LEAST_MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Source: the limits of Simple Message Queue.
const LONGEST_QUEUE_NAME: usize = 120;

/// Longer than any number of an account.
const LONGEST_ACCOUNT_ID: usize = 32;

// === impl Events ===

impl Default for Events {
    fn default() -> Self {
        Self {
            http: false,
            min_interval: Duration::from_secs(5),
            token_file: None,
        }
    }
}

impl Events {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut events = Self::default();
        fields.set(&mut events.http, "http", Value::boolean);
        fields.set(&mut events.min_interval, "min_interval", |value| {
            match value.duration()? {
                duration if duration < LEAST_MIN_INTERVAL => Err(String::from("must be 1s at least")),
                duration => Ok(duration),
            }
        });
        events.token_file = fields
            .read("token_file", Value::text)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        events
    }

    /// The files that are named, each with its key.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, &Path)> {
        let token = self.token_file.as_deref();
        token
            .into_iter()
            .map(|path| (String::from("events.token_file"), path))
    }
}

// === impl QueueSource ===

impl QueueSource {
    /// Reads `accounts[].events`; none where it names no queue.
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let endpoint = fields.read("endpoint", endpoint).flatten();
        let queue = fields.read("queue", |value| match value.text()? {
            text if text.is_empty() => Ok(None),
            text => Queue::parse(&text).map(Some),
        });
        let queue = queue.flatten();
        if endpoint.is_some() && !matches!(queue, Some(Queue::Named(_) | Queue::Arn { .. })) {
            fields.report_value(
                "endpoint",
                "is of no use without the name or the ARN of a queue beside it",
            );
        }
        Some(Self {
            queue: queue?,
            endpoint,
        })
    }
}

impl Queue {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::Arn { name, .. } | Self::Url { name, .. } => name,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        const FORMS: &str = "the name of a queue, its URL http(s)://host/queues/name, or its ARN acs:mns:region:account:queues/name";
        let wrong = || format!("expected {FORMS}, found {}", shown(text));
        let named = |name: &str| is_queue_name(name).then(|| name.to_owned()).ok_or_else(wrong);
        if let Some(rest) = text.strip_prefix("acs:mns:") {
            let parts: Vec<&str> = rest.splitn(3, ':').collect();
            let [region_id, account_id, resource] = parts[..] else {
                return Err(wrong());
            };
            if !is_region_id(region_id) || !is_account_id(account_id) {
                return Err(wrong());
            }
            let resource = resource.trim_start_matches('/');
            let name = resource.strip_prefix("queues/").ok_or_else(wrong)?;
            return Ok(Self::Arn {
                region_id: region_id.to_owned(),
                account_id: account_id.to_owned(),
                name: named(name.strip_suffix("/messages").unwrap_or(name))?,
            });
        }
        if !text.contains("://") {
            return Ok(Self::Named(named(text)?));
        }
        // A URL is not shown: it may hold a password.
        let wrong = || format!("is not the URL of a queue; expected {FORMS}");
        let url = Url::parse(text).map_err(|_| wrong())?;
        let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let host = url
            .host_str()
            .filter(|_| is_bare && matches!(url.scheme(), "http" | "https"));
        let host = host.ok_or_else(wrong)?;
        let name = url.path().strip_prefix("/queues/").ok_or_else(wrong)?;
        let name = name.strip_suffix("/messages").unwrap_or(name);
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self::Url {
            base: format!("{}://{host}{port}", url.scheme()),
            name: is_queue_name(name).then(|| name.to_owned()).ok_or_else(wrong)?,
            region_id: region_of(host),
        })
    }
}

/// The region in `<account id>.mns.<region>[-internal].aliyuncs.com`.
fn region_of(host: &str) -> Option<String> {
    let region = host.split_once(".mns.")?.1.strip_suffix(".aliyuncs.com")?;
    let region = region.trim_end_matches("-vpc").trim_end_matches("-internal");
    is_region_id(region).then(|| region.to_owned())
}

fn is_queue_name(name: &str) -> bool {
    (1..=LONGEST_QUEUE_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whether a text can be the number of an account, and so a part of a host.
pub fn is_account_id(text: &str) -> bool {
    (1..=LONGEST_ACCOUNT_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `accounts[].account_id`.
pub(super) fn account_id(value: &Value<'_>) -> Result<Option<String>, String> {
    match value.text()? {
        text if text.is_empty() => Ok(None),
        text if is_account_id(&text) => Ok(Some(text)),
        text => Err(format!(
            "expected the number of an account such as 1234567890123456, found {}",
            shown(&text)
        )),
    }
}

/// Reads `http(s)://host[:port]` with its two places, and takes an empty text for absent. A wrong one is not shown.
fn endpoint(value: &Value<'_>) -> Result<Option<String>, String> {
    const FORM: &str = "expected http(s)://host[:port], in which {account_id} and {region_id} may stand for the account and the region";
    let text = value.text()?;
    if text.is_empty() {
        return Ok(None);
    }
    let example = text.replace("{account_id}", "1").replace("{region_id}", "region");
    let is_good = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match Url::parse(&example) {
        Ok(url) if !example.contains(['{', '}']) && is_good(&url) => {
            Ok(Some(text.trim_end_matches('/').to_owned()))
        }
        _ => Err(format!("is not an address; {FORM}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_named_in_three_ways() {
        let arn = |name: &str| Queue::Arn {
            region_id: "cn-hangzhou".to_owned(),
            account_id: "1234567890123456".to_owned(),
            name: name.to_owned(),
        };
        let url = |base: &str, region: Option<&str>| Queue::Url {
            base: base.to_owned(),
            name: "q".to_owned(),
            region_id: region.map(str::to_owned),
        };
        for (text, queue) in [
            ("cloud-assistant_1", Queue::Named("cloud-assistant_1".to_owned())),
            ("acs:mns:cn-hangzhou:1234567890123456:queues/q", arn("q")),
            (
                "acs:mns:cn-hangzhou:1234567890123456:/queues/q/messages",
                arn("q"),
            ),
            (
                "https://12.mns.eu-central-1.aliyuncs.com/queues/q",
                url("https://12.mns.eu-central-1.aliyuncs.com", Some("eu-central-1")),
            ),
            (
                "http://12.mns.cn-beijing-internal.aliyuncs.com/queues/q/messages",
                url(
                    "http://12.mns.cn-beijing-internal.aliyuncs.com",
                    Some("cn-beijing"),
                ),
            ),
            (
                "http://12.mns.cn-beijing-internal-vpc.aliyuncs.com/queues/q",
                url(
                    "http://12.mns.cn-beijing-internal-vpc.aliyuncs.com",
                    Some("cn-beijing"),
                ),
            ),
            (
                "http://127.0.0.1:9000/queues/q",
                url("http://127.0.0.1:9000", None),
            ),
        ] {
            assert_eq!(Queue::parse(text), Ok(queue), "{text}");
        }
        for text in [
            "a queue",
            "q/messages",
            "acs:mns:cn-hangzhou:queues/q",
            "acs:mns:cn-hangzhou:me:queues/q",
            "acs:mns:cn-hangzhou:12:topics/q",
            "https://user:hunter2@host/queues/q",
            "ftp://host/queues/q",
            "https://host/q",
        ] {
            let error = Queue::parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
