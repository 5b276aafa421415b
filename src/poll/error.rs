//! Why a poll failed.

use crate::aliyun::error::{CallError, Reason};
use crate::result::Seconds;
use crate::state::StateError;
use crate::view::Failed;

/// Why a poll or sweep failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PollError {
    /// The API could not be asked, or did not answer as it should.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What was found could not be saved, or the record not be read.
    #[error(transparent)]
    State(#[from] StateError),
}

impl PollError {
    /// As it is seen, `at` that time.
    pub(super) fn failed(&self, at: Seconds) -> Failed {
        match self {
            Self::Call(error) => Failed::new(at, error),
            Self::State(error) => Failed {
                at,
                reason: Reason::State,
                what: error.to_string(),
                code: None,
                request_id: None,
            },
        }
    }
}

/// How a poll ended.
#[derive(Debug)]
pub(super) enum PollEnd {
    /// What it found is saved.
    Done {
        /// Whether there was anything that had not been known.
        is_new: bool,
    },
    /// It changed nothing.
    Failed(PollError),
    /// The region's API does not know Cloud Assistant, and never has.
    NotSupported,
    /// It was abandoned.
    Stopped,
}
