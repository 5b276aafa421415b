//! What a scan asks.

use super::names::Lookup;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// About what.
    pub question: Question,
    /// NextToken of the answer before.
    pub token: Option<String>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The list.
    List,
    /// What InvokeRecordStatus says is Running.
    Running,
    /// One invocation, or one instance of it.
    Invocation {
        /// InvokeId.
        invoke_id: Box<str>,
        /// InstanceId.
        instance_id: Option<Box<str>>,
    },
    /// Every run of one scheduled invocation, or of one instance of it.
    History {
        /// InvokeId.
        invoke_id: Box<str>,
        /// InstanceId.
        instance_id: Option<Box<str>>,
    },
    /// DescribeInvocations with this RepeatMode.
    Schedules(&'static str),
    /// DescribeInvocations, for what commands are called.
    Names(Lookup),
}

impl Question {
    /// Whether the scan can do without the answer, where it is denied or rejected by itself.
    pub fn can_be_skipped(&self) -> bool {
        !matches!(self, Self::List | Self::Running)
    }

    /// Whether the scan can do without the answer, whatever has become of it: DescribeInvocations.
    pub fn can_fail(&self) -> bool {
        matches!(self, Self::Schedules(_) | Self::Names(_))
    }
}
