//! The record as pairs of a key and bytes: what is saved after a poll, and read back at a start.
//!
//! Format version 3. The values are `postcard`; the keys are a kind and a number. A change of any type that is
//! saved here, or of the order of [`crate::result::KnownStatus::ALL`], is a new version.

use super::identities::EntryId;
use super::labels::{NewLabel, ResultLabels, StatusNumber};
use super::table::Saving;

/// What a saved pair is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The single numbers of a scope.
    Head,
    /// A label value.
    Label(NewLabel),
    /// A counter of results.
    Total(ResultLabels),
    /// A histogram by InvocationStatus.
    Durations(StatusNumber),
    /// A counter of deliveries: whether finished, and the number of the error code.
    Delivery(bool, u16),
    /// A held result.
    Entry(EntryId),
    /// What else is known of an open one.
    Open(EntryId),
    /// What else is known of a schedule's row.
    Schedule(EntryId),
    /// A recent failure, by its order.
    Failure(u64),
    /// What is known of a CommandId, by its order.
    Command(u32),
    /// The series of a selected command, by its order.
    CommandSeries(u32),
    /// The series that a held result belongs to.
    CommandOf(EntryId),
    /// A result that waits for the name of its command, by its order.
    Unnamed(u32),
    /// The native histogram beside [`Key::Durations`].
    NativeDurations(StatusNumber),
    /// The native histogram of a selected command's durations, by the order of its series.
    CommandNative(u32),
}

impl Key {
    /// As kind and number; pairs are read back in this order.
    pub fn encode(self) -> (u8, u64) {
        match self {
            Self::Head => (0, 0),
            Self::Label(NewLabel::Status(number)) => (1, u64::from(number)),
            Self::Label(NewLabel::ErrorCode(number)) => (2, u64::from(number)),
            Self::Label(NewLabel::ExitCode(number)) => (3, u64::from(number)),
            Self::Total(combination) => (4, combination.packed()),
            Self::Durations(status) => (5, u64::from(status.0)),
            Self::Delivery(finished, error_code) => (6, u64::from(finished) << 16 | u64::from(error_code)),
            Self::Entry(id) => (7, u64::from(id)),
            Self::Open(id) => (8, u64::from(id)),
            Self::Schedule(id) => (9, u64::from(id)),
            Self::Failure(number) => (10, number),
            Self::Command(number) => (11, u64::from(number)),
            Self::CommandSeries(number) => (12, u64::from(number)),
            Self::CommandOf(id) => (13, u64::from(id)),
            Self::Unnamed(number) => (14, u64::from(number)),
            Self::NativeDurations(status) => (15, u64::from(status.0)),
            Self::CommandNative(number) => (16, u64::from(number)),
        }
    }

    /// The key of kind and number; `None` where no version of this program writes such a one.
    pub fn decode(kind: u8, number: u64) -> Option<Self> {
        let key = match kind {
            0 => Self::Head,
            1 => Self::Label(NewLabel::Status(number as u16)),
            2 => Self::Label(NewLabel::ErrorCode(number as u16)),
            3 => Self::Label(NewLabel::ExitCode(number as u16)),
            4 => Self::Total(ResultLabels::unpacked(number)),
            5 => Self::Durations(StatusNumber(number as u8)),
            6 => Self::Delivery(number >> 16 != 0, number as u16),
            7 => Self::Entry(number as EntryId),
            8 => Self::Open(number as EntryId),
            9 => Self::Schedule(number as EntryId),
            10 => Self::Failure(number),
            11 => Self::Command(number as u32),
            12 => Self::CommandSeries(number as u32),
            13 => Self::CommandOf(number as EntryId),
            14 => Self::Unnamed(number as u32),
            15 => Self::NativeDurations(StatusNumber(number as u8)),
            16 => Self::CommandNative(number as u32),
            _ => return None,
        };
        // A number that is too large for its kind would be read as another's.
        (key.encode() == (kind, number)).then_some(key)
    }
}

/// What has changed: the value to save under a key, or none where the key goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub key: Key,
    /// Its bytes.
    pub value: Option<Vec<u8>>,
}

impl Change {
    /// Changes of one kind.
    pub(super) fn all<K>(
        changes: impl Iterator<Item = Saving<K>>,
        key: impl Fn(K) -> Key,
    ) -> impl Iterator<Item = Self> {
        changes.map(move |(number, value)| Self {
            key: key(number),
            value,
        })
    }
}

/// Saved bytes that no version of this program has written.
#[derive(Debug, thiserror::Error)]
#[error("the saved {key:?} is damaged")]
pub struct Damaged {
    /// Where.
    pub key: Key,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back() {
        let combination = ResultLabels {
            status: StatusNumber(3),
            error_code: 400,
            exit_code: 9,
        };
        for key in [
            Key::Head,
            Key::Label(NewLabel::Status(3)),
            Key::Label(NewLabel::ErrorCode(300)),
            Key::Label(NewLabel::ExitCode(4)),
            Key::Total(combination),
            Key::Durations(StatusNumber(9)),
            Key::Delivery(true, 7),
            Key::Delivery(false, 7),
            Key::Entry(u32::MAX),
            Key::Open(1),
            Key::Schedule(2),
            Key::Failure(u64::MAX),
            Key::Command(3),
            Key::CommandSeries(4),
            Key::CommandOf(u32::MAX),
            Key::Unnamed(5),
            Key::NativeDurations(StatusNumber(9)),
            Key::CommandNative(6),
        ] {
            let (kind, number) = key.encode();
            assert_eq!(Key::decode(kind, number), Some(key));
        }
        for (kind, number) in [
            (17, 0),
            (15, 256),
            (0, 1),
            (2, 1 << 16),
            (5, 256),
            (6, 1 << 17),
            (7, 1 << 32),
        ] {
            assert_eq!(Key::decode(kind, number), None, "{kind} {number}");
        }
    }
}
