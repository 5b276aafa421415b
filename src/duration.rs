//! Durations as texts: Prometheus's in our configuration, Go's in the web configuration.

use std::fmt::Write as _;
use std::time::Duration;

/// The units from the largest to the smallest, with their length in nanoseconds.
const UNITS: [(&str, u64); 10] = [
    ("y", 365 * DAY),
    ("w", 7 * DAY),
    ("d", DAY),
    ("h", 60 * 60 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", MILLISECOND),
    ("us", 1000),
    ("µs", 1000),
    ("ns", 1),
];
const DAY: u64 = 24 * 60 * 60 * SECOND;
const SECOND: u64 = 1000 * MILLISECOND;
const MILLISECOND: u64 = 1_000_000;

/// Those of Prometheus.
const PROMETHEUS: std::ops::RangeTo<usize> = ..7;
/// Those of Go's `time.ParseDuration`, and the days and weeks that the exporter-toolkit adds.
const GO: std::ops::RangeFrom<usize> = 1..;

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

/// Reads a duration as Prometheus writes it: `30s`, `1h30m`, `1d`, `500ms`, `0`.
///
/// The form is that of `model.ParseDuration` of prometheus/common: whole numbers with the units y, w, d, h, m, s and
/// ms, the largest first, each at most once; a day has 24 hours and a year 365 days.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(DurationError::Malformed);
    }
    let mut units = UNITS[PROMETHEUS].iter();
    let mut total: u64 = 0;
    for (number, unit) in parts(text) {
        if number.is_empty() || number.contains('.') {
            return Err(DurationError::Malformed);
        }
        if number.len() == text.len() {
            return Err(DurationError::NoUnit);
        }
        // Going on where the last unit stopped refuses units out of order and units written twice.
        let Some((_, nanoseconds)) = units.find(|(name, _)| *name == unit) else {
            return Err(DurationError::Malformed);
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*nanoseconds / MILLISECOND))
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= MAXIMUM_MILLISECONDS)
            .ok_or(DurationError::TooLong)?;
    }
    Ok(Duration::from_millis(total))
}

/// Reads a duration as Go's `time.ParseDuration` does, `1s`, `1m30s`, `0.5s` or `0`, with days and weeks as well.
/// Nothing when it is none.
pub fn parse_go(text: &str) -> Option<Duration> {
    if matches!(text, "" | "0") {
        return Some(Duration::ZERO);
    }
    let mut total = 0.0;
    for (number, unit) in parts(text) {
        let (_, nanoseconds) = UNITS[GO].iter().find(|(name, _)| *name == unit)?;
        #[allow(clippy::cast_precision_loss, reason = "none is longer than a week")]
        let nanoseconds = *nanoseconds as f64;
        total += number.parse::<f64>().ok()? * nanoseconds;
    }
    Duration::try_from_secs_f64(total / 1e9).ok()
}

/// The numbers of a text, each with what follows it up to the next.
fn parts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (number, after) = rest.split_at(rest.find(|c| !is_of_number(c)).unwrap_or(rest.len()));
        let (unit, next) = after.split_at(after.find(is_of_number).unwrap_or(after.len()));
        rest = next;
        Some((number, unit))
    })
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
    for (unit, nanoseconds) in &UNITS[PROMETHEUS] {
        let milliseconds = nanoseconds / MILLISECOND;
        let only_even = matches!(*unit, "y" | "w");
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
    #[test]
    fn reads_go_and_prometheus_durations() {
        let good = [
            ("0", 0),
            ("", 0),
            ("0s", 0),
            ("1s", 1000),
            ("1m30s", 90_000),
            ("0.5s", 500),
            ("1d", 86_400_000),
            ("1s1m500000µs", 61_500),
        ];
        for (text, milliseconds) in good {
            assert_eq!(
                parse_go(text),
                Some(Duration::from_millis(milliseconds)),
                "{text:?}"
            );
        }
        for text in ["1", "s", "1x", "-1s", "1s ", "1.2.3s", "99999999999999w", "1y"] {
            assert_eq!(parse_go(text), None, "{text:?}");
        }
    }
}
