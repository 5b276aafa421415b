//! Durations as Prometheus writes them: `30s`, `1h30m`, `1d`, `500ms`, `0`.
//!
//! The form is that of `model.ParseDuration` of prometheus/common: whole numbers with the units y, w, d, h, m, s and
//! ms, the largest first, each at most once; a day has 24 hours and a year 365 days.

use std::fmt::Write as _;
use std::time::Duration;

/// The units in the order in which they must be written, with their length in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 60 * 60 * 1000),
    ("w", 7 * 24 * 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// As long as a duration can be: Prometheus counts nanoseconds in an `i64`, and times that far off can still be
/// added to the clock.
const MAXIMUM_MILLISECONDS: u64 = i64::MAX as u64 / 1_000_000;

/// A text is not a duration. Its message says how one is written; the text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A number without a unit, such as `60`.
    #[error("has no unit; write a duration such as 30s, 5m, 1h30m or 1d")]
    NoUnit,
    /// Anything else that is not of the form.
    #[error("is not a duration; write one such as 30s, 5m, 1h30m or 1d")]
    Malformed,
    /// More than 292 years.
    #[error("is too long; the longest duration is 292y")]
    TooLong,
}

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(DurationError::Malformed);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let unit_length = after
            .find(|c: char| !c.is_ascii_lowercase())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_length);
        if number.is_empty() {
            return Err(DurationError::Malformed);
        }
        if unit.is_empty() {
            return Err(if number.len() == text.len() {
                DurationError::NoUnit
            } else {
                DurationError::Malformed
            });
        }
        // Going on where the last unit stopped refuses units out of order and units written twice.
        let Some((_, milliseconds)) = units.find(|(name, _)| *name == unit) else {
            return Err(DurationError::Malformed);
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*milliseconds))
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= MAXIMUM_MILLISECONDS)
            .ok_or(DurationError::TooLong)?;
        rest = next;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration in the form that [`parse`] reads; what is below a millisecond is cut off.
///
/// As in Prometheus, years and weeks are used only where they come out even: 10 days are `10d`, 14 days `2w`.
pub fn write(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(MAXIMUM_MILLISECONDS);
    if rest == 0 {
        return String::from("0s");
    }
    let mut text = String::new();
    for (unit, milliseconds) in UNITS {
        let only_even = matches!(unit, "y" | "w");
        if only_even && !rest.is_multiple_of(milliseconds) {
            continue;
        }
        let count = rest / milliseconds;
        if count > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{count}{unit}");
            rest -= count * milliseconds;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_what_prometheus_does() {
        for (text, milliseconds, written) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("500ms", 500, "500ms"),
            ("30s", 30_000, "30s"),
            ("90s", 90_000, "1m30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("1d", 86_400_000, "1d"),
            ("1w", 604_800_000, "1w"),
            ("10d", 864_000_000, "10d"),
            ("1y", 31_536_000_000, "1y"),
            ("1d2h3m4s5ms", 93_784_005, "1d2h3m4s5ms"),
            ("24h", 86_400_000, "1d"),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
            assert_eq!(write(Duration::from_millis(milliseconds)), written);
            assert_eq!(
                parse(written),
                Ok(Duration::from_millis(milliseconds)),
                "{written}"
            );
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "s",
            "1",
            "60",
            "1.5h",
            "-1s",
            "1m1h",
            "1s1s",
            "5 minutes",
            "1H",
            "1us",
            "1h30",
            "١s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("60"), Err(DurationError::NoUnit));
        assert_eq!(parse("293y"), Err(DurationError::TooLong));
        assert_eq!(parse("99999999999999999999y"), Err(DurationError::TooLong));
    }
}
