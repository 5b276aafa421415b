//! A place in the list of failures that stays where it is while the list moves.

use std::cmp::Reverse;
use std::fmt;

use crate::record::ShownFailure;
use crate::result::{Identity, Seconds};
use crate::scope::Scope;
use crate::timestamp;

/// One failure's place: what comes after it is older, or as old and behind it.
///
/// As a text: `2026-01-02T03:04:05Z,<32 digits>,<region>,<account>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    time: Seconds,
    identity: Identity,
    scope: Scope,
}

/// The order of failures: the newest first, and a fixed one where times are equal.
pub(super) type Place<'a> = (Reverse<Seconds>, &'a Scope, Identity);

/// The place of a failure.
pub(super) fn place<'a>(scope: &'a Scope, failure: &ShownFailure<'_>) -> Place<'a> {
    (Reverse(failure.time()), scope, failure.identity())
}

impl Cursor {
    /// At a failure.
    pub(super) fn at(scope: &Scope, failure: &ShownFailure<'_>) -> Self {
        Self {
            time: failure.time(),
            identity: failure.identity(),
            scope: scope.clone(),
        }
    }

    /// Reads one that was written.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ',');
        let time = timestamp::parse_own(parts.next()?)?;
        let digits = parts.next()?;
        let is_number = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
        let (region_id, account) = (parts.next()?, parts.next()?);
        Some(Self {
            time,
            identity: Identity::from(number.to_be_bytes()),
            scope: Scope::new(account, region_id),
        })
    }

    /// Its place.
    pub(super) fn place(&self) -> Place<'_> {
        (Reverse(self.time), &self.scope, self.identity)
    }
}

/// An identity as 32 digits.
pub(super) fn digits(identity: Identity) -> impl fmt::Display {
    let number = u128::from_be_bytes(identity.into());
    fmt::from_fn(move |formatter| write!(formatter, "{number:032x}"))
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, id) = (timestamp::rfc3339(self.time), digits(self.identity));
        write!(
            formatter,
            "{time},{id},{},{}",
            self.scope.region_id, self.scope.account
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let cursor = Cursor {
            time: 1_800_000_000,
            identity: Identity([1, 2, 3, u32::MAX]),
            scope: Scope::new("a, b", "cn-hangzhou"),
        };
        assert_eq!(Cursor::parse(&cursor.to_string()).as_ref(), Some(&cursor));
        // Of a machine whose clock was never set.
        let first = Cursor { time: 0, ..cursor };
        assert_eq!(Cursor::parse(&first.to_string()), Some(first));
        for wrong in [
            "",
            "2026-01-02T03:04:05Z",
            "x,0,a,b",
            "2026-01-02T03:04:05Z,+0000000000000000000000000000001,r,a",
        ] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
    }
}
