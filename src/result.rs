//! One result: what one row of `DescribeInvocationResults` says, as plain values.
//!
//! No JSON and no counting here: `aliyun` makes rows from the wire, `record` gives them their meaning.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::selection::SelectorSet;

/// Seconds since the Unix epoch, UTC. The API's times have no fraction.
pub type Seconds = u32;

/// The longest code, status or name that is kept whole.
const MAX_TEXT: usize = 256;

/// A text of the cloud as the value of a label: as the API spells it, but in one line, and never long.
///
/// A text that is cut stays different from every one that is not.
pub fn label_text(text: &str) -> Cow<'_, str> {
    let cut = match text.len() > MAX_TEXT {
        true => Cow::Owned(text.chars().take(MAX_TEXT / 4).collect()),
        false => Cow::Borrowed(text),
    };
    match cut.contains(breaks_lines) {
        true => Cow::Owned(cut.replace(breaks_lines, "\u{fffd}")),
        false => cut,
    }
}

/// Whether something that reads a scrape may take a character for the end of a line, or cannot show it: control
/// characters, and the separators of lines and paragraphs, at which Python's `str.splitlines` splits too.
pub fn breaks_lines(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// InvocationStatus of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// One of the documented ones.
    Known(KnownStatus),
    /// Any other text, `""` where there was none. Counts as settled.
    Unknown(Box<str>),
}

/// The documented values of InvocationStatus, the open ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(
    missing_docs,
    reason = "the names are the documentation: the API's own values"
)]
pub enum KnownStatus {
    Pending,
    Running,
    Stopping,
    Scheduled,
    Success,
    Failed,
    Invalid,
    Aborted,
    Error,
    Timeout,
    Cancelled,
    Terminated,
}

impl KnownStatus {
    /// All of them; the position of one is its number in saved state, so new ones go to the end.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Running,
        Self::Stopping,
        Self::Scheduled,
        Self::Success,
        Self::Failed,
        Self::Invalid,
        Self::Aborted,
        Self::Error,
        Self::Timeout,
        Self::Cancelled,
        Self::Terminated,
    ];

    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Scheduled => "Scheduled",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::Invalid => "Invalid",
            Self::Aborted => "Aborted",
            Self::Error => "Error",
            Self::Timeout => "Timeout",
            Self::Cancelled => "Cancelled",
            Self::Terminated => "Terminated",
        }
    }

    /// Reads the API's text. Letter case does not matter: old answers of the API have lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether a result with this status is still to settle.
    pub fn is_open(self) -> bool {
        StatusKind::of(Some(self)) == StatusKind::Open
    }
}

/// What an InvocationStatus means, as the alerts take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusKind {
    /// Still to settle.
    Open,
    /// As it should be.
    Success,
    /// It could not be run, or did not end well.
    Failure,
    /// Cancelled or Terminated: somebody's decision.
    Ended,
    /// Not one of the documented ones: nobody can say that it is a failure.
    Unknown,
}

impl StatusKind {
    /// That of a status; none where it is not a known one.
    pub fn of(status: Option<KnownStatus>) -> Self {
        use KnownStatus::*;
        match status {
            Some(Pending | Running | Stopping | Scheduled) => Self::Open,
            Some(Success) => Self::Success,
            Some(Failed | Invalid | Aborted | Error | Timeout) => Self::Failure,
            Some(Cancelled | Terminated) => Self::Ended,
            None => Self::Unknown,
        }
    }

    /// That of the API's text.
    pub fn of_text(invocation_status: &str) -> Self {
        Self::of(KnownStatus::parse(invocation_status))
    }
}

impl Status {
    /// Reads the API's text. Letter case does not matter: old answers of the API have lower case.
    pub fn parse(text: &str) -> Self {
        KnownStatus::parse(text).map_or_else(|| Self::Unknown(text.into()), Self::Known)
    }

    /// Whether the result is still to settle.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Known(known) if known.is_open())
    }
}

/// The ids of a row, for asking about it again and for showing it to a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Ids {
    /// The execution (task), `t-…`.
    pub invoke_id: Box<str>,
    /// The instance, `i-…`.
    pub instance_id: Box<str>,
    /// The container on the instance, or `""`.
    pub container_id: Box<str>,
    /// The command, `c-…`, or `""`.
    pub command_id: Box<str>,
}

/// 128 bits of SHA-256 over (InvokeId, InstanceId, ContainerId): what tells one row of the list from another.
///
/// A cryptographic hash, since two results with the same identity would be counted as one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(into = "[u8; 16]", from = "[u8; 16]")]
pub struct Identity(pub [u32; 4]);

impl From<Identity> for [u8; 16] {
    fn from(identity: Identity) -> Self {
        let mut bytes = [0; 16];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(identity.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

impl From<[u8; 16]> for Identity {
    fn from(bytes: [u8; 16]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        }
        Self(words)
    }
}

impl Identity {
    /// The identity of a row, without a run.
    pub fn of_row(invoke_id: &str, instance_id: &str, container_id: &str) -> Self {
        // The lengths keep ("ab", "c") and ("a", "bc") apart.
        let mut hash = Sha256::new();
        for id in [invoke_id, instance_id, container_id] {
            hash.update((id.len() as u64).to_le_bytes());
            hash.update(id.as_bytes());
        }
        Self::cut(hash)
    }

    /// The identity of one run of a schedule's row.
    pub fn of_run(self, run: u32) -> Self {
        let mut hash = Sha256::new();
        for word in self.0 {
            hash.update(word.to_le_bytes());
        }
        hash.update(run.to_le_bytes());
        Self::cut(hash)
    }

    fn cut(hash: Sha256) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Self::from(bytes)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({:08x}{:08x}…)", self.0[0], self.0[1])
    }
}

/// How the delivery of a result's output to OSS ended. A delivery in progress is none yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// OssOutputStatus: true for Finished, false for Failed.
    pub finished: bool,
    /// OssOutputErrorCode, or `""`.
    pub error_code: Box<str>,
    /// OssOutputUri: where the output is, or `""`.
    pub uri: Box<str>,
}

/// The times of a row, each absent where the row has none or an unreadable one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// StartTime.
    pub started: Option<NonZeroU32>,
    /// FinishedTime.
    pub finished: Option<NonZeroU32>,
    /// StopTime: when StopInvocation was called.
    pub stopped: Option<NonZeroU32>,
}

/// The command of a row that may be selected; its name decides, where it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOfRow {
    /// CommandId.
    pub id: Box<str>,
    /// The selectors whose tag the row has.
    pub tagged: SelectorSet,
}

/// What one invocation says of its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationSummary {
    /// CommandId.
    pub command_id: Box<str>,
    /// InvokeId.
    pub invoke_id: Box<str>,
    /// CommandName, or `""`.
    pub name: Box<str>,
    /// CommandType, or `""`.
    pub kind: Box<str>,
    /// RepeatMode, or `""`.
    pub repeat_mode: Box<str>,
    /// Frequency, or `""`.
    pub frequency: Box<str>,
    /// CreationTime, or 0.
    pub created: Seconds,
}

/// One row of the list that has its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Of the row; a settled row's result adds the run.
    pub identity: Identity,
    /// InvocationStatus.
    pub status: Status,
    /// ErrorCode, or `""`.
    pub error_code: Box<str>,
    /// ExitCode, where there is a usable one.
    pub exit_code: Option<i64>,
    /// ErrorInfo: why it did not succeed, for a person.
    pub error_info: Option<Box<str>>,
    /// Repeats: how many runs the instance has had; 0 where the row does not say.
    pub repeats: u32,
    /// StartTime, FinishedTime, StopTime.
    pub times: Times,
    /// Dropped: bytes of output beyond what the API keeps.
    pub dropped: u64,
    /// OssOutputStatus and OssOutputErrorCode, once the delivery has ended.
    pub delivery: Option<Box<Delivery>>,
    /// Whether it is the row of a scheduled invocation, as far as it can be told: its status is Scheduled, its
    /// Repeats above 1, or DescribeInvocations lists it with a RepeatMode.
    pub scheduled: bool,
    /// Kept where somebody may need them; a plain success is known by its identity alone, which keeps a first
    /// scan of a million rows small, unless every result is to be logged.
    pub ids: Option<Box<Ids>>,
    /// The command, where it may be one with series of its own; rows next to each other share it.
    pub command: Option<Arc<CommandOfRow>>,
}

impl Row {
    /// Whether it is a success of its first run, of which nothing but the identity is of use.
    pub fn is_plain(&self) -> bool {
        self.status == Status::Known(KnownStatus::Success) && self.repeats <= 1
    }

    /// Which run of the invocation on its instance a settled row describes: `max(Repeats, 1)`.
    pub fn run(&self) -> u32 {
        self.repeats.max(1)
    }

    /// Whether the last run of a schedule's row may not have settled yet.
    pub fn is_under_way(&self) -> bool {
        self.status.is_open() && self.status != Status::Known(KnownStatus::Scheduled)
    }
}

#[cfg(test)]
impl Row {
    /// The row of a test: of `t-number` on `i-number`, with nothing but its ids.
    pub(crate) fn numbered(number: u32, status: Status) -> Self {
        Self {
            identity: Identity([number, 0, 0, 0]),
            status,
            error_code: "".into(),
            exit_code: None,
            error_info: None,
            repeats: 1,
            times: Times::default(),
            dropped: 0,
            delivery: None,
            scheduled: false,
            ids: Some(Box::new(Ids::of_test(
                &format!("t-{number}"),
                &format!("i-{number}"),
            ))),
            command: None,
        }
    }
}

#[cfg(test)]
impl Ids {
    /// Those of an instance in an invocation, in a test.
    pub(crate) fn of_test(invoke_id: &str, instance_id: &str) -> Self {
        Self {
            invoke_id: invoke_id.into(),
            instance_id: instance_id.into(),
            container_id: "".into(),
            command_id: "c-1".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_in_any_case_and_shown_in_the_apis_own() {
        for known in KnownStatus::ALL {
            assert_eq!(
                Status::parse(&known.as_str().to_lowercase()),
                Status::Known(known)
            );
        }
        assert_eq!(Status::parse("Exploded"), Status::Unknown("Exploded".into()));
        assert!(Status::parse("Stopping").is_open() && !Status::parse("").is_open());
    }

    #[test]
    fn text_of_the_cloud_is_one_line_and_not_long() {
        assert!(matches!(
            label_text("ExitCodeNonzero"),
            Cow::Borrowed("ExitCodeNonzero")
        ));
        // What str.splitlines of Python splits at, and other control characters.
        for character in "\n\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}\t\0\u{7f}\u{9f}".chars() {
            let text = format!("a{character}b");
            assert_eq!(label_text(&text), "a\u{fffd}b", "{character:?}");
        }
        for fine in ["部署 1", "a\u{a0}b", "\u{fffd}", "\u{200b}", "\\\""] {
            assert_eq!(label_text(fine), fine);
        }
        assert_eq!(label_text(&"x".repeat(256)).len(), 256);
        assert_eq!(label_text(&"é\n".repeat(200)), "é\u{fffd}".repeat(32));
    }

    #[test]
    fn identities_do_not_run_into_each_other() {
        assert_ne!(Identity::of_row("ab", "c", ""), Identity::of_row("a", "bc", ""));
        assert_ne!(Identity::of_row("a", "", "b"), Identity::of_row("a", "b", ""));
        let row = Identity::of_row("t-1", "i-1", "");
        assert_ne!(row.of_run(1), row.of_run(2));
        assert_ne!(row.of_run(1), row);
    }
}
