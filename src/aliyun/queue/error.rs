//! Why a request to a queue failed.

use std::fmt;

use crate::requests::QueueReason;

/// A failed request. Its text never repeats what the server said but its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueError {
    /// The label.
    pub reason: QueueReason,
    /// What happened, for a person.
    pub what: String,
    /// Code of the answer.
    pub code: Option<String>,
}

impl QueueError {
    pub(super) fn new(reason: QueueReason, what: impl Into<String>) -> Self {
        Self {
            reason,
            what: what.into(),
            code: None,
        }
    }

    /// What an answer that is not 2xx means. Source: Simple Message Queue, "Error codes".
    pub(super) fn of_answer(status: u16, code: Option<String>) -> Self {
        let name = code.as_deref().unwrap_or_default();
        let reason = match (status, name) {
            (_, "QueueNotExist") => QueueReason::Missing,
            (429, _) | (_, "QpsLimitExceeded") => QueueReason::Throttled,
            (_, name) if name.starts_with("Throttling") => QueueReason::Throttled,
            (_, "TimeExpired") | (401 | 403, _) => QueueReason::Denied,
            (_, name) if is_of_key(name) => QueueReason::Denied,
            (500.., _) => QueueReason::Unavailable,
            (400.., _) => QueueReason::Rejected,
            // Neither good nor bad: not a queue.
            _ => QueueReason::Malformed,
        };
        let what = match reason {
            QueueReason::Missing => {
                "there is no such queue; create it, or correct its name or region".to_owned()
            }
            QueueReason::Denied if name == "TimeExpired" => {
                "the clock of this machine is more than 15 minutes off".to_owned()
            }
            QueueReason::Denied if name == "AccessDenied" => {
                "not permitted; allow mns:ReceiveMessage, mns:BatchReceiveMessage, mns:DeleteMessage and \
                 mns:BatchDeleteMessage on the queue's messages"
                    .to_owned()
            }
            QueueReason::Denied if is_of_key(name) => "the key is refused".to_owned(),
            QueueReason::Denied if name.is_empty() => {
                format!(
                    "status {status} without the code of a queue; look for a proxy that refuses the request"
                )
            }
            _ => format!("status {status}"),
        };
        Self { reason, what, code }
    }

    /// Whether the key itself was refused, so that one that has been put in its place meanwhile may do better.
    pub(super) fn refuses_key(&self) -> bool {
        self.code.as_deref().is_some_and(is_of_key)
    }

    /// Whether temporary credentials were refused that a renewal may replace.
    pub(super) fn refuses_token(&self) -> bool {
        self.code
            .as_deref()
            .is_some_and(|code| code.starts_with("InvalidSecurityToken"))
    }
}

/// Whether a code speaks of the key, and of nothing that it may not do.
fn is_of_key(code: &str) -> bool {
    [
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidSecurityToken",
        "MissingSecurityToken",
    ]
    .iter()
    .any(|prefix| code.starts_with(prefix))
}

impl fmt::Display for QueueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)?;
        match &self.code {
            Some(code) => write!(formatter, ", code {code}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_mean() {
        for (status, code, reason) in [
            (404, "QueueNotExist", QueueReason::Missing),
            (403, "AccessDenied", QueueReason::Denied),
            (403, "InvalidAccessKeyId", QueueReason::Denied),
            (408, "TimeExpired", QueueReason::Denied),
            (400, "QpsLimitExceeded", QueueReason::Throttled),
            (503, "QpsLimitExceeded", QueueReason::Throttled),
            (429, "", QueueReason::Throttled),
            (500, "InternalError", QueueReason::Unavailable),
            (502, "", QueueReason::Unavailable),
            (400, "InvalidArgument", QueueReason::Rejected),
            (302, "", QueueReason::Malformed),
        ] {
            let code = Some(code.to_owned()).filter(|code| !code.is_empty());
            assert_eq!(
                QueueError::of_answer(status, code.clone()).reason,
                reason,
                "{status} {code:?}"
            );
        }
    }

    #[test]
    fn only_a_refused_key_may_have_been_replaced_and_only_a_refused_token_is_renewed() {
        for (code, refuses) in [
            (Some("InvalidAccessKeyId"), (true, false)),
            (Some("SignatureDoesNotMatch"), (true, false)),
            (Some("InvalidSecurityToken.Expired"), (true, true)),
            (Some("MissingSecurityToken"), (true, false)),
            (Some("AccessDenied"), (false, false)),
            (Some("TimeExpired"), (false, false)),
            (Some("InvalidArgument"), (false, false)),
            (None, (false, false)),
        ] {
            for status in [401, 403] {
                let error = QueueError::of_answer(status, code.map(str::to_owned));
                assert_eq!(error.reason, QueueReason::Denied);
                let found = (error.refuses_key(), error.refuses_token());
                assert_eq!(found, refuses, "{code:?}");
            }
        }
        let page = QueueError::of_answer(403, None).to_string();
        assert!(page.starts_with("status 403") && page.contains("proxy"), "{page}");
    }
}
