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
        self.all.iter().map(move |kept| ShownFailure {
            kept,
            failures: self,
            labels,
        })
    }

    /// Up to this time some have been let go; none where all are kept.
    pub(in crate::record) fn complete_after(&self) -> Option<Seconds> {
        self.complete_after
    }
}

/// A failure among those that are kept: its texts are looked up when they are asked for, since there may be a hundred
/// thousand of them and a page shows fifty.
#[derive(Debug, Clone, Copy)]
pub struct ShownFailure<'a> {
    kept: &'a Failure,
    failures: &'a ShownFailures,
    labels: &'a LabelTexts,
}

impl<'a> ShownFailure<'a> {
    /// What tells it from every other one of its scope.
    pub fn identity(self) -> Identity {
        self.kept.identity
    }

    /// Its time.
    pub fn time(self) -> Seconds {
        self.kept.time
    }

    /// Which run of a schedule it is; 0 for a result that is none, or where that is not known.
    pub fn run(self) -> u32 {
        self.kept.run
    }

    /// Where to look.
    pub fn ids(self) -> ShownIds<'a> {
        let [invoke_id, instance_id, container_id, command_id] = self.kept.ids.parts();
        ShownIds {
            invoke_id,
            instance_id,
            container_id,
            command_id,
        }
    }

    /// InvocationStatus.
    pub fn invocation_status(self) -> &'a str {
        self.labels.status_text(self.kept.labels.status)
    }

    /// ErrorCode.
    pub fn error_code(self) -> &'a str {
        self.labels.error_codes.text(self.kept.labels.error_code)
    }

    /// ExitCode.
    pub fn exit_code(self) -> &'a str {
        self.labels.exit_codes.text(self.kept.labels.exit_code)
    }

    /// The name of its command, where it is known.
    pub fn command(self) -> Option<&'a str> {
        let name = self.failures.names.get(self.ids().command_id);
        name.map(|name| &**name)
    }

    /// The beginning of ErrorInfo.
    pub fn error_info(self) -> &'a str {
        &self.kept.error_info
    }

    /// FinishedTime − StartTime, in seconds.
    pub fn duration(self) -> Option<u32> {
        self.kept.duration
    }

    /// How the delivery of its output to OSS ended, where it had.
    pub fn delivery(self) -> Option<&'a Delivery> {
        self.kept.delivery.as_deref()
    }
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
