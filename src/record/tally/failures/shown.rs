//! Kept failures as they are shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kept::Failure;
use crate::record::labels::LabelTexts;
use crate::result::{Delivery, Identity, Seconds};

/// The failures of a scope at one instant. The texts of their labels are those of the picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::record) struct ShownFailures {
    /// The newest first.
    pub(super) all: Arc<[Arc<Failure>]>,
    /// Names by CommandId, of those that are known.
    pub(super) names: Arc<BTreeMap<Box<str>, Box<str>>>,
    /// See [`ShownFailures::complete_after`].
    pub(super) complete_after: Option<Seconds>,
}

impl ShownFailures {
    /// All of them, the newest first.
    pub(in crate::record) fn iter<'a>(
        &'a self,
        labels: &'a LabelTexts,
    ) -> impl ExactSizeIterator<Item = ShownFailure<'a>> {
        self.all.iter().map(|failure| self.shown(failure, labels))
    }

    /// Up to this time some have been let go; none where all are kept.
    pub(in crate::record) fn complete_after(&self) -> Option<Seconds> {
        self.complete_after
    }

    fn shown<'a>(&'a self, failure: &'a Failure, labels: &'a LabelTexts) -> ShownFailure<'a> {
        let [invoke_id, instance_id, container_id, command_id] = failure.ids.parts();
        ShownFailure {
            identity: failure.identity,
            time: failure.time,
            run: failure.run,
            ids: ShownIds {
                invoke_id,
                instance_id,
                container_id,
                command_id,
            },
            invocation_status: labels.status_text(failure.labels.status),
            error_code: labels.error_codes.text(failure.labels.error_code),
            exit_code: labels.exit_codes.text(failure.labels.exit_code),
            command: self.names.get(command_id).map(|name| &**name),
            error_info: &failure.error_info,
            duration: failure.duration,
            delivery: failure.delivery.as_deref(),
        }
    }
}

/// A failure with its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownFailure<'a> {
    /// What tells it from every other one of its scope.
    pub identity: Identity,
    /// Its time.
    pub time: Seconds,
    /// Which run of a schedule it is; 0 for a result that is none, or where that is not known.
    pub run: u32,
    /// Where to look.
    pub ids: ShownIds<'a>,
    /// InvocationStatus.
    pub invocation_status: &'a str,
    /// ErrorCode.
    pub error_code: &'a str,
    /// ExitCode.
    pub exit_code: &'a str,
    /// The name of its command, where it is known.
    pub command: Option<&'a str>,
    /// The beginning of ErrorInfo.
    pub error_info: &'a str,
    /// FinishedTime − StartTime, in seconds.
    pub duration: Option<u32>,
    /// How the delivery of its output to OSS ended, where it had.
    pub delivery: Option<&'a Delivery>,
}

/// The ids of a failure; `""` where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownIds<'a> {
    /// The execution.
    pub invoke_id: &'a str,
    /// The instance.
    pub instance_id: &'a str,
    /// The container on the instance.
    pub container_id: &'a str,
    /// The command.
    pub command_id: &'a str,
}
