//! Why what was asked was not had.

/// The `reason` label of failed polls and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Too many requests: Code `Throttling…`, status 429, or `x-acs-retry-after`.
    Throttled,
    /// The key, its permissions or this machine's clock: Forbidden…, NoPermission, InvalidAccessKeyId…,
    /// SignatureDoesNotMatch, InvalidSecurityToken…, IllegalTimestamp and the like.
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

    /// Those for which a request can fail.
    pub fn of_requests() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|reason| *reason != Self::State)
    }

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

/// A failed request, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The label.
    pub reason: Reason,
    /// For a person.
    pub what: String,
    /// Code of the API's answer.
    pub code: Option<String>,
    /// Of the API's answer; what Alibaba Cloud's support asks for.
    pub request_id: Option<String>,
}
