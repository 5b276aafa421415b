//! What time it is in the cloud.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// The clock that invocations move by. Signatures are checked against the real one, whatever this says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Stands still at these unix seconds until [`crate::Cloud::advance`] moves it.
    Manual(i64),
    /// The real time.
    System,
    /// The real time, in which whatever is planned to take `speed` seconds takes one: statuses move fast, and
    /// timestamps stay near the real now.
    Fast {
        /// How many planned seconds pass in a real one.
        speed: u32,
    },
}

impl Clock {
    /// Unix seconds.
    pub fn now(self) -> i64 {
        match self {
            Self::Manual(now) => now,
            Self::System | Self::Fast { .. } => unix_now(),
        }
    }

    /// How long something takes that is planned to take `seconds`: never nothing, unless it was planned so.
    pub fn scaled(self, seconds: i64) -> i64 {
        match self {
            Self::Fast { speed } if seconds > 0 => (seconds / i64::from(speed.max(1))).max(1),
            _ => seconds,
        }
    }

    /// Whether time passes without anybody's doing.
    pub fn runs_by_itself(self) -> bool {
        !matches!(self, Self::Manual(_))
    }
}

/// The real time in unix seconds.
pub fn unix_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs().cast_signed())
}

const UTC: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// Writes unix seconds as the API does: `2026-01-02T03:04:05Z`.
pub fn utc(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(UTC).ok())
        .unwrap_or_default()
}

/// Reads what [`utc`] writes, and nothing else: no fraction, no other zone.
pub fn parse_utc(text: &str) -> Option<i64> {
    let moment = time::PrimitiveDateTime::parse(text, UTC).ok()?;
    Some(moment.assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_in_one_form_only() {
        assert_eq!(utc(1_767_323_045), "2026-01-02T03:04:05Z");
        assert_eq!(parse_utc("2026-01-02T03:04:05Z"), Some(1_767_323_045));
        for other in [
            "2026-01-02T03:04:05.0Z",
            "2026-01-02 03:04:05",
            "2026-01-02T03:04:05+00:00",
            "",
        ] {
            assert_eq!(parse_utc(other), None, "{other}");
        }
    }

    #[test]
    fn a_fast_clock_shortens_what_is_planned() {
        let fast = Clock::Fast { speed: 60 };
        assert_eq!((fast.scaled(600), fast.scaled(1), fast.scaled(0)), (10, 1, 0));
        assert_eq!(Clock::System.scaled(600), 600);
    }
}
