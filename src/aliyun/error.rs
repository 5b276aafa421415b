//! Why a call failed, in the words of the metrics.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// The longest Code and request id that are believed; what is longer is cut.
const MAX_TEXT: usize = 128;

/// The longest time that a server may tell the exporter to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The `reason` label of failed polls and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Too many requests: Code `Throttling…`, status 429, or `x-acs-retry-after`.
    Throttled,
    /// The key or its permissions: Forbidden…, InvalidAccessKeyId…, SignatureDoesNotMatch, InvalidSecurityToken….
    Denied,
    /// No credentials could be had.
    Credentials,
    /// 5xx, whatever its body.
    Unavailable,
    /// Any other 4xx: a region that does not exist, a parameter that is wrong.
    Rejected,
    /// No answer within the deadline.
    Timeout,
    /// The connection was cut, reset, refused, its host not found, or its TLS broken.
    Transport,
    /// Not the documented JSON, or too large.
    Malformed,
    /// What was found could not be saved.
    State,
}

impl Reason {
    /// All of them; each has its series at 0 from the start.
    pub const ALL: [Self; 9] = [
        Self::Throttled,
        Self::Denied,
        Self::Credentials,
        Self::Unavailable,
        Self::Rejected,
        Self::Timeout,
        Self::Transport,
        Self::Malformed,
        Self::State,
    ];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::Malformed => "malformed",
            Self::State => "state",
        }
    }
}

/// A failed call. Its text never repeats what the server said: a server's Message can echo what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The label.
    pub reason: Reason,
    /// What happened, for a person.
    pub what: String,
    /// Code of the API's answer.
    pub code: Option<String>,
    /// Of the API's answer; what Alibaba Cloud's support asks for.
    pub request_id: Option<String>,
    /// `x-acs-retry-after`.
    pub retry_after: Option<Duration>,
    /// Whether the same request may do better.
    pub retryable: bool,
}

impl CallError {
    /// A failure without an answer of the API.
    pub fn new(reason: Reason, what: impl Into<String>) -> Self {
        let retryable = matches!(reason, Reason::Timeout | Reason::Transport | Reason::Malformed);
        Self {
            reason,
            what: what.into(),
            code: None,
            request_id: None,
            retry_after: None,
            retryable,
        }
    }

    /// The same, and trying again is of no use.
    pub fn lasting(self) -> Self {
        Self {
            retryable: false,
            ..self
        }
    }

    /// Names the RAM action to grant, where the answer says that the caller may not do this.
    pub fn for_action(mut self, action: &str, region_id: Option<&str>) -> Self {
        if self.misses_permission() {
            let place = region_id.map(|region_id| format!(" in {region_id}"));
            let place = place.unwrap_or_default();
            self.what = format!("{}: grant the RAM action ecs:{action}{place}", self.what);
        }
        self
    }

    /// Whether the caller is known, but may not do what it asked.
    pub fn misses_permission(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        self.reason == Reason::Denied
            && code != "Forbidden.AccessKeyDisabled"
            && ["Forbidden", "Operation."]
                .iter()
                .any(|prefix| code.starts_with(prefix))
    }

    /// Whether the key itself was refused, so that one that has been put in its place meanwhile may do better.
    pub fn refuses_key(&self) -> bool {
        self.reason == Reason::Denied && !self.misses_permission()
    }

    /// Whether temporary credentials were refused that a renewal may replace.
    pub fn refuses_token(&self) -> bool {
        self.code
            .as_deref()
            .is_some_and(|code| code.starts_with("InvalidSecurityToken"))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        if let Some(code) = &self.code {
            write!(formatter, ", code {code}")?;
        }
        if let Some(request_id) = &self.request_id {
            write!(formatter, ", request id {request_id}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}

/// What is read of an error's body. SDKs accept lower-case names too.
#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(alias = "code", rename = "Code")]
    code: Option<String>,
    #[serde(alias = "requestId", alias = "request_id", rename = "RequestId")]
    request_id: Option<String>,
}

/// Classifies an answer that is not 2xx.
///
/// `retry_after` is the value of `x-acs-retry-after` (milliseconds); `request_id` that of `x-acs-request-id`.
pub fn classify(status: u16, retry_after: Option<&str>, request_id: Option<&str>, body: &[u8]) -> CallError {
    let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let retry_after = retry_after
        .and_then(|text| text.trim().parse::<u64>().ok())
        .map(|milliseconds| Duration::from_millis(milliseconds).min(MAX_RETRY_AFTER));
    let code = body.code.map(bounded).filter(|code| !code.is_empty());
    let name = code.as_deref().unwrap_or_default();
    let reason = if name.starts_with("Throttling") || status == 429 || retry_after.is_some() {
        Reason::Throttled
    } else if status >= 500 {
        Reason::Unavailable
    } else if status < 400 {
        // A redirect is not part of the API; a captive portal answers so.
        Reason::Malformed
    } else if is_denied(name) {
        Reason::Denied
    } else {
        Reason::Rejected
    };
    let retryable = matches!(
        reason,
        Reason::Throttled | Reason::Unavailable | Reason::Malformed
    ) || name == "SignatureNonceUsed";
    let what = match name {
        "InvalidTimeStamp.Expired" => {
            format!("status {status}: the clock of this machine is more than 15 minutes off; set it right")
        }
        "RegionId.ApiNotSupported" => {
            format!(
                "status {status}: Cloud Assistant is not known in this region; remove it from the account's regions"
            )
        }
        "InvalidRegionId.NotFound" => {
            format!("status {status}: the API does not know this region; correct the account's regions")
        }
        "SignatureDoesNotMatch" => {
            format!("status {status}: the access key secret does not belong to the access key id; check both")
        }
        "InvalidAccessKeyId.Inactive" => {
            format!("status {status}: the access key is disabled; enable it or use another")
        }
        _ if name.starts_with("InvalidAccessKeyId") => {
            format!("status {status}: the access key id is not known; check how it was written or copied")
        }
        "InvalidSecurityToken.Expired" => {
            format!("status {status}: the security token has expired; check that its source is renewed")
        }
        _ if name.starts_with("InvalidSecurityToken") || name == "MissingSecurityToken" => {
            format!("status {status}: the security token does not belong to the access key; check both")
        }
        _ => format!("status {status}"),
    };
    let request_id = body
        .request_id
        .map(bounded)
        .or_else(|| request_id.map(|id| bounded(id.to_owned())));
    CallError {
        reason,
        what,
        code,
        request_id,
        retry_after,
        retryable,
    }
}

fn is_denied(code: &str) -> bool {
    [
        "Forbidden",
        "Operation.Forbidden",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidSecurityToken",
    ]
    .iter()
    .any(|prefix| code.starts_with(prefix))
}

/// Cuts a text of the network to what a log line and a page can show.
pub(super) fn bounded(text: String) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_answer_has_its_reason() {
        let table: &[(u16, Option<&str>, &str, Reason)] = &[
            (400, None, "Throttling.User", Reason::Throttled),
            (503, None, "Throttling", Reason::Throttled),
            (403, None, "Throttling.Api", Reason::Throttled),
            (429, None, "", Reason::Throttled),
            (400, Some("1500"), "Whatever", Reason::Throttled),
            (403, None, "Forbidden.RAM", Reason::Denied),
            (403, None, "Operation.Forbidden", Reason::Denied),
            (404, None, "InvalidAccessKeyId.NotFound", Reason::Denied),
            (400, None, "SignatureDoesNotMatch", Reason::Denied),
            (400, None, "InvalidSecurityToken.Expired", Reason::Denied),
            (500, None, "InternalError", Reason::Unavailable),
            (503, None, "", Reason::Unavailable),
            (404, None, "InvalidRegionId.NotFound", Reason::Rejected),
            (403, None, "", Reason::Rejected),
            (400, None, "InvalidTimeStamp.Expired", Reason::Rejected),
            (302, None, "", Reason::Malformed),
        ];
        for (status, retry_after, code, reason) in table {
            let body = format!(r#"{{"Code":"{code}","RequestId":"R-1","Message":"hunter2"}}"#);
            let error = classify(*status, *retry_after, None, body.as_bytes());
            assert_eq!(error.reason, *reason, "{status} {code}");
            assert_eq!(error.request_id.as_deref(), Some("R-1"));
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn what_may_do_better_at_a_second_try() {
        let retryable = |status, code: &str| {
            classify(status, None, None, format!(r#"{{"code":"{code}"}}"#).as_bytes()).retryable
        };
        assert!(retryable(400, "SignatureNonceUsed") && retryable(500, "") && retryable(400, "Throttling"));
        assert!(!retryable(403, "Forbidden.RAM") && !retryable(404, "InvalidRegionId.NotFound"));
    }

    #[test]
    fn a_missing_permission_names_what_to_grant() {
        let of = |code: &str, region_id| {
            let error = classify(403, None, None, format!(r#"{{"Code":"{code}"}}"#).as_bytes());
            error.for_action("DescribeRegions", region_id).what
        };
        let granted = "status 403: grant the RAM action ecs:DescribeRegions";
        assert_eq!(of("Forbidden.RAM", None), granted);
        assert_eq!(
            of("Operation.Forbidden", Some("cn-beijing")),
            format!("{granted} in cn-beijing")
        );
        assert!(!of("InvalidAccessKeyId.NotFound", None).contains("grant"));
    }

    #[test]
    fn html_and_headers_are_enough() {
        let error = classify(502, None, Some("R-2"), b"<html>Bad Gateway</html>");
        assert_eq!(
            (error.reason, error.request_id.as_deref()),
            (Reason::Unavailable, Some("R-2"))
        );
        let error = classify(400, Some("250"), None, b"");
        assert_eq!(error.retry_after, Some(Duration::from_millis(250)));
    }
}
