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
            (_, name) if name.starts_with("InvalidSecurityToken") => QueueReason::Denied,
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
            QueueReason::Denied => "the key is refused".to_owned(),
            _ => format!("status {status}"),
        };
        Self { reason, what, code }
    }

    /// Whether other credentials may do better.
    pub(super) fn refuses_key(&self) -> bool {
        self.reason == QueueReason::Denied
            && !matches!(self.code.as_deref(), Some("AccessDenied" | "TimeExpired"))
    }
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
}
