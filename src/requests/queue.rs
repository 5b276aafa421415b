//! Why a queue could not be read.

/// The `reason` label of failed requests to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueReason {
    /// There is no such queue.
    Missing,
    /// The key, its permissions or this machine's clock.
    Denied,
    /// No credentials could be had.
    Credentials,
    /// Too many requests.
    Throttled,
    /// Any other 4xx.
    Rejected,
    /// 5xx.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// The connection was cut, reset or refused, or its host not found.
    Transport,
    /// Not the documented XML, or too large.
    Malformed,
}

impl QueueReason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Missing,
        Self::Denied,
        Self::Credentials,
        Self::Throttled,
        Self::Rejected,
        Self::Unavailable,
        Self::Timeout,
        Self::Transport,
        Self::Malformed,
    ];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::Throttled => "throttled",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::Malformed => "malformed",
        }
    }
}
