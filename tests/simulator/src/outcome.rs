//! How a result ends.

use crate::InvocationStatus;

/// The end of one run of a command on one instance, with what the API then says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status it ends with.
    pub status: InvocationStatus,
    /// ErrorCode, `""` when all went well.
    pub error_code: String,
    /// ErrorInfo, for people.
    pub error_info: String,
    /// ExitCode, where there was one.
    pub exit_code: Option<i64>,
    /// How long it ran, in seconds.
    pub duration: i64,
    /// Bytes of output beyond the limit.
    pub dropped: i64,
    /// Bytes of output kept; `None` leaves the row as it is.
    pub output_bytes: Option<usize>,
    /// What became of the delivery of its output to OSS.
    pub delivery: Option<Delivery>,
}

/// Delivery of a result's output to OSS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Under way.
    InProgress,
    /// The object is there.
    Finished,
    /// It failed with this OssOutputErrorCode.
    Failed(String),
}

impl Outcome {
    /// Done, exit code 0.
    pub fn success() -> Self {
        Self::new(InvocationStatus::Success, "", "", Some(0))
    }

    /// Done, with another exit code.
    pub fn failed(exit_code: i64) -> Self {
        let info = "the command execution exit code is not zero.";
        Self::new(InvocationStatus::Failed, "ExitCodeNonzero", info, Some(exit_code))
    }

    /// Ran out of time.
    pub fn timeout() -> Self {
        let info = "the command execution has been timeout.";
        Self::new(InvocationStatus::Timeout, "ExecutionTimeout", info, None)
    }

    /// Could not be sent to the instance, for this reason: `ClientNotRunning`, `DeliveryTimeout` …
    pub fn aborted(error_code: &str) -> Self {
        Self::new(
            InvocationStatus::Aborted,
            error_code,
            "the command could not be sent to the instance.",
            None,
        )
    }

    /// Was refused for this reason: `CommandNotApplicable`, `BadCronExpression` …
    pub fn invalid(error_code: &str) -> Self {
        Self::new(
            InvocationStatus::Invalid,
            error_code,
            "the command is not valid.",
            None,
        )
    }

    /// An exception on the instance.
    pub fn error() -> Self {
        let info = "the command execution got an exception.";
        Self::new(InvocationStatus::Error, "ExecutionException", info, None)
    }

    /// Taken back before it started.
    pub fn cancelled() -> Self {
        Self::new(InvocationStatus::Cancelled, "", "", None)
    }

    /// Stopped while it ran.
    pub fn terminated() -> Self {
        Self::new(InvocationStatus::Terminated, "", "", None)
    }

    /// The usual end with this status.
    ///
    /// # Panics
    /// If the status is not one that a result can end with.
    pub fn with_status(status: InvocationStatus) -> Self {
        match status {
            InvocationStatus::Success => Self::success(),
            InvocationStatus::Failed => Self::failed(1),
            InvocationStatus::Timeout => Self::timeout(),
            InvocationStatus::Aborted => Self::aborted("ClientNotRunning"),
            InvocationStatus::Invalid => Self::invalid("CommandNotApplicable"),
            InvocationStatus::Error => Self::error(),
            InvocationStatus::Cancelled => Self::cancelled(),
            InvocationStatus::Terminated => Self::terminated(),
            open => panic!("nothing ends as {open}"),
        }
    }

    /// One of every kind, each with its usual codes.
    pub fn every_kind() -> Vec<Self> {
        InvocationStatus::settled().map(Self::with_status).collect()
    }

    /// With another ErrorCode.
    pub fn code(mut self, error_code: &str) -> Self {
        self.error_code = error_code.to_owned();
        self
    }

    /// With another ExitCode, or none.
    pub fn exit(mut self, exit_code: Option<i64>) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// After it ran for so many seconds.
    pub fn lasting(mut self, seconds: i64) -> Self {
        self.duration = seconds;
        self
    }

    /// With so many bytes of output cut off.
    pub fn dropping(mut self, bytes: i64) -> Self {
        self.dropped = bytes;
        self
    }

    /// With so many bytes of output.
    pub fn output(mut self, bytes: usize) -> Self {
        self.output_bytes = Some(bytes);
        self
    }

    /// With its output delivered to OSS, or not.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = Some(delivery);
        self
    }

    /// Whether the command was ever started on the instance.
    pub fn started(&self) -> bool {
        use InvocationStatus::{Aborted, Cancelled, Invalid};
        !matches!(self.status, Aborted | Invalid | Cancelled)
    }

    fn new(status: InvocationStatus, error_code: &str, error_info: &str, exit_code: Option<i64>) -> Self {
        Self {
            status,
            error_code: error_code.to_owned(),
            error_info: error_info.to_owned(),
            exit_code,
            duration: 1,
            dropped: 0,
            output_bytes: None,
            delivery: None,
        }
    }
}

impl Delivery {
    /// OssOutputStatus.
    pub fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Finished => "Finished",
            Self::Failed(_) => "Failed",
        }
    }

    /// OssOutputErrorCode, `""` unless it failed.
    pub fn error_code(&self) -> &str {
        match self {
            Self::Failed(code) => code,
            Self::InProgress | Self::Finished => "",
        }
    }
}
