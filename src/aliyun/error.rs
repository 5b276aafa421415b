//! Why a call failed, in the words of the metrics.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::answer::Undocumented;
use super::error_body::ErrorBody;
use crate::requests::Failure;
pub use crate::requests::Reason;
use crate::result::breaks_lines;

/// The longest Code and request id that are believed; what is longer is cut.
const MAX_TEXT: usize = 128;

/// The longest time that a server may tell the exporter to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

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

impl From<&CallError> for Failure {
    fn from(error: &CallError) -> Self {
        Self {
            reason: error.reason,
            what: error.what.clone(),
            code: error.code.clone(),
            request_id: error.request_id.clone(),
        }
    }
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

    /// Says what to do in the words of who asked: which RAM action to grant, or what to make of a region that is
    /// not served. `region` is the one that was asked about, and whether it is polled because it was discovered.
    pub fn for_action(mut self, action: &str, region: Option<(&str, bool)>) -> Self {
        if self.misses_permission() {
            let place = region.map(|(region_id, _)| format!(" in {region_id}"));
            let place = place.unwrap_or_default();
            self.what = format!("{}: grant the RAM action ecs:{action}{place}", self.what);
        } else if let Some((region_id, is_discovered)) = region {
            let advice = match (self.code.as_deref(), is_discovered) {
                (Some(NO_SUCH_REGION | NOT_SUPPORTED), true) => {
                    format!("add {region_id} to the account's exclude_regions")
                }
                (Some(NO_SUCH_REGION), false) => "correct the account's regions".to_owned(),
                (Some(NOT_SUPPORTED), false) => "remove it from the account's regions".to_owned(),
                _ => return self,
            };
            self.what = format!("{}; {advice}", self.what);
        }
        self
    }

    /// Whether the caller is known, but may not do what it asked.
    pub fn misses_permission(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        self.reason == Reason::Denied
            && !matches!(code, KEY_DISABLED | RISK_CONTROL | NOT_FOR_RAM)
            && ["Forbidden", "Operation.", "NoPermission", "UnauthorizedOperation"]
                .iter()
                .any(|prefix| code.starts_with(prefix))
    }

    /// Whether the key itself was refused, so that one that has been put in its place meanwhile may do better.
    pub fn refuses_key(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let of_a_key = [
            KEY_DISABLED,
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "InvalidSecurityToken",
            "MissingSecurityToken",
        ];
        self.reason == Reason::Denied && of_a_key.iter().any(|prefix| code.starts_with(prefix))
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

// Codes that somebody branches on. Source: the common errors of ECS.
const NO_SUCH_REGION: &str = "InvalidRegionId.NotFound";
const NOT_SUPPORTED: &str = "RegionId.ApiNotSupported";
const KEY_DISABLED: &str = "Forbidden.AccessKeyDisabled";
const RISK_CONTROL: &str = "Forbidden.RiskControl";
const NOT_FOR_RAM: &str = "Forbidden.NotSupportRAM";

/// An answer without its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// HTTP status.
    pub status: u16,
    /// `x-acs-retry-after`, in milliseconds.
    pub retry_after: Option<String>,
    /// `x-acs-request-id`.
    pub request_id: Option<String>,
    /// How many seconds this machine's clock was behind the answer's Date.
    pub clock_behind: Option<i64>,
}

/// Classifies an answer that is not 2xx.
pub fn classify(head: &Head, body: &[u8]) -> CallError {
    let status = head.status;
    let body = ErrorBody::read(body);
    let retry_after = head
        .retry_after
        .as_deref()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .map(|milliseconds| Duration::from_millis(milliseconds).min(MAX_RETRY_AFTER));
    let code = body
        .code
        .map(|code| bounded(&code))
        .filter(|code| !code.is_empty());
    let name = code.as_deref().unwrap_or_default();
    let reason = if name.starts_with("Throttling") || status == 429 || retry_after.is_some() {
        Reason::Throttled
    } else if status >= 500 {
        Reason::Unavailable
    } else if is_denied(name) {
        Reason::Denied
    } else if status < 400 {
        // A redirect is not part of the API; a captive portal answers so.
        Reason::Malformed
    } else {
        Reason::Rejected
    };
    let retryable = matches!(
        reason,
        Reason::Throttled | Reason::Unavailable | Reason::Malformed
    ) || name == "SignatureNonceUsed";
    let what = match advice(name, head.clock_behind) {
        Some(advice) => format!("status {status}: {advice}"),
        None => format!("status {status}"),
    };
    let request_id = body
        .request_id
        .as_deref()
        .or(head.request_id.as_deref())
        .map(bounded)
        .filter(|id| !id.is_empty());
    CallError {
        reason,
        what,
        code,
        request_id,
        retry_after,
        retryable,
    }
}

/// Classifies an answer that is 2xx, and not what was asked for. It may still say why, as an error does.
pub fn undocumented(head: &Head, problem: &Undocumented, body: &[u8]) -> CallError {
    let told = classify(head, body);
    match told.reason {
        Reason::Throttled | Reason::Denied => told,
        _ => CallError {
            what: problem.to_string(),
            reason: Reason::Malformed,
            ..told
        },
    }
}

/// What the Code means for who runs the exporter, and what to do, where it says so much.
fn advice(code: &str, clock_behind: Option<i64>) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match code {
        NOT_SUPPORTED => "Cloud Assistant is not known in this region",
        NO_SUCH_REGION => "the API does not know this region",
        "SignatureDoesNotMatch" => "the access key secret does not belong to the access key id; check both",
        "IncompleteSignature" => {
            "the signature arrived incomplete; look for a proxy that changes the headers of requests"
        }
        "InvalidAccessKeyId.Inactive" | KEY_DISABLED => {
            "the access key is disabled; enable it or use another"
        }
        RISK_CONTROL => {
            "Alibaba Cloud's risk control has stopped this account or key; look for its notice in the console, or \
             ask its support"
        }
        NOT_FOR_RAM => "the API does not serve RAM users and roles here; ask Alibaba Cloud's support",
        "InvalidSecurityToken.Expired" => "the security token has expired; check that its source is renewed",
        "MissingSecurityToken" => {
            "the access key is a temporary one, whose security token is missing; configure its token too"
        }
        _ if code.starts_with("InvalidAccessKeyId") => {
            "the access key id is not known; check how it was written or copied"
        }
        _ if code.starts_with("InvalidSecurityToken") => {
            "the security token does not belong to the access key; check both"
        }
        "IllegalTimestamp" => return Some(clock_advice(clock_behind)),
        _ if code.starts_with("InvalidTimeStamp") => return Some(clock_advice(clock_behind)),
        _ => return None,
    }))
}

fn clock_advice(behind: Option<i64>) -> Cow<'static, str> {
    let Some(behind) = behind else {
        return "the clock of this machine is more than 15 minutes off; set it right".into();
    };
    let minutes = behind.unsigned_abs().saturating_add(30) / 60;
    let amount = match (minutes / 60, minutes % 60) {
        (0, 0) => {
            return "the API refuses this machine's time, though its own agrees within a minute; look for a proxy \
                    that holds requests back"
                .into();
        }
        (0, 1) => "1 minute".to_owned(),
        (0, minutes) => format!("{minutes} minutes"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    };
    let (direction, remedy) = match behind > 0 {
        true => ("slow", "forward"),
        false => ("fast", "back"),
    };
    format!("the clock of this machine is {amount} {direction}; set it {remedy}").into()
}

fn is_denied(code: &str) -> bool {
    [
        "Forbidden",
        "Operation.Forbidden",
        "NoPermission",
        "UnauthorizedOperation",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "InvalidSecurityToken",
        "MissingSecurityToken",
        "IllegalTimestamp",
        "InvalidTimeStamp",
    ]
    .iter()
    .any(|prefix| code.starts_with(prefix))
}

/// Cuts a text of the network to what a log line and a page can show.
pub(super) fn bounded(text: &str) -> String {
    text.chars()
        .filter(|character| !breaks_lines(*character))
        .take(MAX_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16) -> Head {
        Head {
            status,
            ..Head::default()
        }
    }

    fn refused(status: u16, code: &str) -> CallError {
        let body = format!(r#"{{"Code":"{code}","RequestId":"R-1","Message":"hunter2"}}"#);
        classify(&head(status), body.as_bytes())
    }

    #[test]
    fn every_kind_of_answer_has_its_reason() {
        let table: &[(u16, Option<&str>, &str, Reason)] = &[
            (400, None, "Throttling.User", Reason::Throttled),
            (503, None, "Throttling", Reason::Throttled),
            (403, None, "Throttling.Api", Reason::Throttled),
            (429, None, "", Reason::Throttled),
            (400, Some("1500"), "Whatever", Reason::Throttled),
            (403, None, "Forbidden.RAM", Reason::Denied),
            (403, None, "Forbidden.AccessKeyDisabled", Reason::Denied),
            (403, None, "Operation.Forbidden", Reason::Denied),
            (403, None, "NoPermission", Reason::Denied),
            (403, None, "UnauthorizedOperation", Reason::Denied),
            (404, None, "InvalidAccessKeyId.NotFound", Reason::Denied),
            (400, None, "SignatureDoesNotMatch", Reason::Denied),
            (400, None, "IncompleteSignature", Reason::Denied),
            (400, None, "InvalidSecurityToken.Expired", Reason::Denied),
            (400, None, "MissingSecurityToken", Reason::Denied),
            (400, None, "IllegalTimestamp", Reason::Denied),
            (400, None, "InvalidTimeStamp.Expired", Reason::Denied),
            (500, None, "InternalError", Reason::Unavailable),
            (503, None, "", Reason::Unavailable),
            (500, None, "Forbidden.RAM", Reason::Unavailable),
            (404, None, "InvalidRegionId.NotFound", Reason::Rejected),
            (403, None, "", Reason::Rejected),
            (302, None, "", Reason::Malformed),
        ];
        for (status, retry_after, code, reason) in table {
            let head = Head {
                retry_after: retry_after.map(str::to_owned),
                ..head(*status)
            };
            let json = format!(r#"{{"Code":"{code}","RequestId":"R-1","Message":"hunter2"}}"#);
            let xml = format!(
                "<?xml version='1.0' encoding='UTF-8'?>\n<Error>\n<Code>{code}</Code><Message>hunter2 &amp; \
                 <b>x</b></Message><RequestId> R-1 </RequestId></Error>"
            );
            for body in [json, xml] {
                let error = classify(&head, body.as_bytes());
                assert_eq!(error.reason, *reason, "{status} {code}");
                assert_eq!(error.request_id.as_deref(), Some("R-1"), "{body}");
                assert_eq!(error.code.as_deref().unwrap_or_default(), *code);
                assert!(!error.to_string().contains("hunter2"));
            }
        }
    }

    #[test]
    fn one_odd_member_of_an_error_costs_no_other() {
        let read = |body: &str| {
            let error = classify(&head(400), body.as_bytes());
            (
                error.code.unwrap_or_default(),
                error.request_id.unwrap_or_default(),
            )
        };
        let both = ("C".to_owned(), "R".to_owned());
        let neither = (String::new(), String::new());
        for (body, expected) in [
            (
                r#"{"Code":403,"RequestId":"R"}"#,
                ("403".to_owned(), "R".to_owned()),
            ),
            (
                r#"{"Code":null,"RequestId":"R"}"#,
                (String::new(), "R".to_owned()),
            ),
            (
                r#"{"Code":"\ud800","RequestId":"R"}"#,
                (String::new(), "R".to_owned()),
            ),
            (
                r#"{"Code":"C","RequestId":["R"]}"#,
                ("C".to_owned(), String::new()),
            ),
            (r#"{"Code":"C","RequestId":"R","Message":1e999}"#, both.clone()),
            (r#"{"\ud800":1,"code":"C","requestId":"R"}"#, both.clone()),
            // Cut off.
            (r#"{"Code":"C","RequestId":"R","Message":"of"#, both.clone()),
            (r#"{"RequestId":"R","Code":"Cut"#, (String::new(), "R".to_owned())),
            (
                "<Error><RequestId>R</RequestId><Code>Cu",
                (String::new(), "R".to_owned()),
            ),
            (
                "<Error><Code>C</Code><RequestId>R</RequestId></Wrong>",
                both.clone(),
            ),
            (
                "<a:Response><a:Code>C</a:Code><RequestId>R</RequestId></a:Response>",
                both,
            ),
            // Not of the error itself.
            ("<Error><Detail><Code>C</Code></Detail></Error>", neither.clone()),
            ("<html><body>Code</body></html>", neither.clone()),
            ("[1]", neither.clone()),
            ("", neither),
        ] {
            assert_eq!(read(body), expected, "{body}");
        }
    }

    #[test]
    fn a_good_status_may_hide_an_error() {
        let problem = Undocumented::Json { line: 1, column: 2 };
        let of = |body: &str| undocumented(&head(200), &problem, body.as_bytes());
        let throttled = of(r#"{"Code":"Throttling.User","RequestId":"R"}"#);
        assert_eq!((throttled.reason, throttled.retryable), (Reason::Throttled, true));
        assert_eq!(throttled.request_id.as_deref(), Some("R"));
        let denied = of("<Error><Code>Forbidden.RAM</Code><RequestId>R</RequestId></Error>");
        assert_eq!(
            (denied.reason, denied.misses_permission()),
            (Reason::Denied, true)
        );
        let other = of(r#"{"Code":"InternalError","RequestId":"R"}"#);
        assert_eq!(
            other.to_string(),
            "an answer that is not the documented JSON, at line 1 column 2, code InternalError, request id R"
        );
        assert_eq!(
            (other.reason, of("").reason),
            (Reason::Malformed, Reason::Malformed)
        );
    }

    #[test]
    fn what_may_do_better_at_a_second_try() {
        let retryable = |status, code: &str| refused(status, code).retryable;
        assert!(retryable(400, "SignatureNonceUsed") && retryable(500, "") && retryable(400, "Throttling"));
        assert!(!retryable(403, "Forbidden.RAM") && !retryable(404, "InvalidRegionId.NotFound"));
    }

    #[test]
    fn a_missing_permission_names_what_to_grant() {
        let of = |code: &str, region| refused(403, code).for_action("DescribeRegions", region).what;
        let granted = "status 403: grant the RAM action ecs:DescribeRegions";
        for code in [
            "Forbidden.RAM",
            "Forbidden.Unauthorized",
            "NoPermission",
            "UnauthorizedOperation",
        ] {
            assert_eq!(of(code, None), granted, "{code}");
        }
        assert_eq!(
            of("Operation.Forbidden", Some(("cn-beijing", false))),
            format!("{granted} in cn-beijing")
        );
        for (code, advice) in [
            ("InvalidAccessKeyId.NotFound", "how it was written"),
            ("Forbidden.AccessKeyDisabled", "the access key is disabled"),
            ("Forbidden.RiskControl", "risk control"),
            ("Forbidden.NotSupportRAM", "does not serve RAM users"),
            ("IncompleteSignature", "proxy"),
            ("MissingSecurityToken", "security token is missing"),
        ] {
            let what = of(code, Some(("cn-beijing", false)));
            assert!(what.contains(advice) && !what.contains("grant"), "{code}: {what}");
        }
    }

    #[test]
    fn only_a_refused_key_may_have_been_replaced() {
        for (code, refuses) in [
            ("InvalidAccessKeyId.NotFound", true),
            ("Forbidden.AccessKeyDisabled", true),
            ("SignatureDoesNotMatch", true),
            ("InvalidSecurityToken.Expired", true),
            ("MissingSecurityToken", true),
            ("Forbidden.RAM", false),
            ("Forbidden.RiskControl", false),
            ("NoPermission", false),
            ("IllegalTimestamp", false),
        ] {
            assert_eq!(refused(400, code).refuses_key(), refuses, "{code}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        let of = |code: &str, clock_behind| {
            let head = Head {
                clock_behind,
                ..head(400)
            };
            classify(&head, format!(r#"{{"Code":"{code}"}}"#).as_bytes()).what
        };
        for (behind, advice) in [
            (
                Some(1200),
                "the clock of this machine is 20 minutes slow; set it forward",
            ),
            (
                Some(-1171),
                "the clock of this machine is 20 minutes fast; set it back",
            ),
            (
                Some(8 * 3600),
                "the clock of this machine is 8 h 0 min slow; set it forward",
            ),
            (
                Some(-29),
                "the API refuses this machine's time, though its own agrees",
            ),
            (
                None,
                "the clock of this machine is more than 15 minutes off; set it right",
            ),
        ] {
            for code in ["IllegalTimestamp", "InvalidTimeStamp.Expired"] {
                let what = of(code, behind);
                assert!(what.starts_with(&format!("status 400: {advice}")), "{what}");
            }
        }
    }

    #[test]
    fn what_to_do_about_a_region_depends_on_who_named_it() {
        let of = |code: &str, discovered| {
            let error = refused(404, code).for_action("A", Some(("cn-x", discovered)));
            error.what.rsplit_once("; ").unwrap().1.to_owned()
        };
        assert_eq!(of(NO_SUCH_REGION, false), "correct the account's regions");
        assert_eq!(
            of(NO_SUCH_REGION, true),
            "add cn-x to the account's exclude_regions"
        );
        assert_eq!(of(NOT_SUPPORTED, false), "remove it from the account's regions");
        assert_eq!(
            of(NOT_SUPPORTED, true),
            "add cn-x to the account's exclude_regions"
        );
    }

    #[test]
    fn html_and_headers_are_enough() {
        let with = |status, retry_after: Option<&str>| Head {
            status,
            retry_after: retry_after.map(str::to_owned),
            request_id: Some("R-2".to_owned()),
            clock_behind: None,
        };
        let error = classify(&with(502, None), b"<html>Bad Gateway</html>");
        assert_eq!(
            (error.reason, error.request_id.as_deref()),
            (Reason::Unavailable, Some("R-2"))
        );
        let error = classify(&with(400, Some("250")), b"");
        assert_eq!(error.retry_after, Some(Duration::from_millis(250)));
    }
}
