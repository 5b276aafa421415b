//! Durations of the web configuration file.

use std::time::Duration;

/// Units in nanoseconds: those of Go's `time.ParseDuration`, and the longer ones of Prometheus.
const UNITS: [(&str, f64); 9] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
    ("d", 86_400e9),
    ("w", 604_800e9),
];

/// Reads `1s`, `1m30s`, `0.5s` or `0`.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is not a duration: expected a number with a unit, such as 500ms or 1m30s");
    if matches!(text, "" | "0") {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (name, tail) = tail.split_at(letters);
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name).ok_or_else(wrong)?;
        nanoseconds += number.parse::<f64>().map_err(|_| wrong())? * unit;
        rest = tail;
    }
    Duration::try_from_secs_f64(nanoseconds / 1e9).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ];
        for (text, milliseconds) in good {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text:?}");
        }
        for text in ["1", "s", "1x", "-1s", "1s ", "1.2.3s", "99999999999999w"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
