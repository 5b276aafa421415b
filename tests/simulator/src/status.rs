//! The statuses of a row, and those of a whole task that follow from them.

use std::fmt;
use std::str::FromStr;

/// InvocationStatus of a row: how one command fares on one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "the names are the API's own, and the reference explains them"
)]
pub enum InvocationStatus {
    Pending,
    Scheduled,
    Running,
    Stopping,
    Success,
    Failed,
    Error,
    Timeout,
    Invalid,
    Aborted,
    Cancelled,
    Terminated,
}

impl InvocationStatus {
    /// Every status there is.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Scheduled,
        Self::Running,
        Self::Stopping,
        Self::Success,
        Self::Failed,
        Self::Error,
        Self::Timeout,
        Self::Invalid,
        Self::Aborted,
        Self::Cancelled,
        Self::Terminated,
    ];

    /// Those that a result never leaves again.
    pub fn settled() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|status| !status.is_open())
    }

    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Scheduled => "Scheduled",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Timeout => "Timeout",
            Self::Invalid => "Invalid",
            Self::Aborted => "Aborted",
            Self::Cancelled => "Cancelled",
            Self::Terminated => "Terminated",
        }
    }

    /// Whether the result can still change.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::Scheduled | Self::Running | Self::Stopping
        )
    }

    /// The legacy status of one instance. A command that ran to its end is Finished, whatever its exit code.
    pub fn legacy(self) -> &'static str {
        match self {
            Self::Pending | Self::Scheduled | Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Success | Self::Failed => "Finished",
            Self::Error | Self::Timeout | Self::Invalid | Self::Aborted => "Failed",
            Self::Cancelled | Self::Terminated => "Stopped",
        }
    }
}

impl fmt::Display for InvocationStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for InvocationStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("no InvocationStatus is called {text}"))
    }
}

/// InvokeRecordStatus of a one-time task: the legacy statuses of its instances taken together.
pub(crate) fn record_status(instances: impl Iterator<Item = InvocationStatus>) -> &'static str {
    let (mut stopping, mut failed, mut finished, mut stopped) = (false, false, false, false);
    for status in instances {
        match status.legacy() {
            "Running" => return "Running",
            "Stopping" => stopping = true,
            "Failed" => failed = true,
            "Finished" => finished = true,
            _ => stopped = true,
        }
    }
    match (stopping, failed, finished) {
        (true, ..) => "Stopping",
        (_, true, _) if finished || stopped => "PartialFailed",
        (_, true, _) => "Failed",
        (_, _, true) => "Finished",
        _ => "Stopped",
    }
}

/// InvocationStatus of a whole task, as DescribeInvocations shows it.
pub(crate) fn task_status(instances: impl Iterator<Item = InvocationStatus> + Clone) -> &'static str {
    use InvocationStatus as Status;
    for open in [
        Status::Pending,
        Status::Scheduled,
        Status::Running,
        Status::Stopping,
    ] {
        if instances.clone().any(|status| status == open) {
            return open.as_str();
        }
    }
    let any = |test: fn(InvocationStatus) -> bool| instances.clone().any(test);
    let success = any(|status| status == Status::Success);
    let stopped = any(|status| status.legacy() == "Stopped");
    let failed = any(|status| status != Status::Success && status.legacy() != "Stopped");
    match (success, stopped, failed) {
        (_, _, false) if success => "Success",
        (_, _, false) => "Stopped",
        (false, false, true) => "Failed",
        _ => "PartialFailed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InvocationStatus::*;

    #[test]
    fn names_are_read_back() {
        for status in InvocationStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert!("Finished".parse::<InvocationStatus>().is_err());
        assert_eq!(InvocationStatus::settled().count(), 8);
    }

    #[test]
    fn a_task_is_as_its_instances_are() {
        let cases: [(&[InvocationStatus], &str, &str); 13] = [
            (&[Success, Success], "Finished", "Success"),
            (&[Failed], "Finished", "Failed"),
            (&[Timeout], "Failed", "Failed"),
            (&[Aborted, Invalid, Error], "Failed", "Failed"),
            (&[Success, Aborted], "PartialFailed", "PartialFailed"),
            (&[Success, Failed], "Finished", "PartialFailed"),
            (&[Terminated, Cancelled], "Stopped", "Stopped"),
            (&[Terminated, Success], "Finished", "Success"),
            (&[Terminated, Timeout], "PartialFailed", "PartialFailed"),
            (&[Pending, Success], "Running", "Pending"),
            (&[Running, Timeout], "Running", "Running"),
            (&[Stopping, Success], "Stopping", "Stopping"),
            (&[Scheduled], "Running", "Scheduled"),
        ];
        for (instances, record, task) in cases {
            assert_eq!(record_status(instances.iter().copied()), record, "{instances:?}");
            assert_eq!(task_status(instances.iter().copied()), task, "{instances:?}");
        }
    }
}
