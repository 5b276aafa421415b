//! Numbers, times and texts in the form in which a person reads them.

use std::fmt;

use super::html::Html;
use crate::pages::bounded::bounded;
use crate::result::Seconds;
use crate::timestamp;

/// A number with commas between thousands.
pub(super) struct Number(pub(super) u64);

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                formatter.write_str(",")?;
            }
            write!(formatter, "{digit}")?;
        }
        Ok(())
    }
}

/// A length of time in its largest unit, or in its two largest where it is long.
pub(super) struct Span(pub(super) u64);

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, hours) = (self.0 / 60, self.0 / 3600);
        match self.0 {
            seconds if minutes == 0 => write!(formatter, "{seconds} s"),
            _ if hours == 0 => write!(formatter, "{minutes} min"),
            _ if hours < 48 && minutes % 60 == 0 => write!(formatter, "{hours} h"),
            _ if hours < 48 => write!(formatter, "{hours} h {} min", minutes % 60),
            _ if hours % 24 == 0 => write!(formatter, "{} d", hours / 24),
            _ => write!(formatter, "{} d {} h", hours / 24, hours % 24),
        }
    }
}

/// A share of a whole in percent.
pub(super) struct Percent {
    pub(super) part: u64,
    pub(super) whole: u64,
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.part as f64 * 100.0 / self.whole.max(1) as f64;
        match self.part {
            0 => formatter.write_str("0%"),
            _ if percent < 0.1 => formatter.write_str("< 0.1%"),
            part if part < self.whole && percent > 99.9 => formatter.write_str("> 99.9%"),
            _ => write!(formatter, "{percent:.1}%"),
        }
    }
}

/// A text from outside, which shows where it was cut.
pub(super) fn cut(text: &str) -> impl fmt::Display {
    let shown = bounded(text);
    let mark = if shown.len() < text.len() { "…" } else { "" };
    fmt::from_fn(move |formatter| write!(formatter, "{shown}{mark}"))
}

/// A time, seen from `now`; the exact one is in its attributes.
pub(super) fn relative_time(html: &mut Html, time: Seconds, now: Seconds) {
    html.markup("<time")
        .attribute("datetime", timestamp::rfc3339(time))
        .attribute("title", timestamp::show(time))
        .markup(">");
    match (time.checked_sub(now), now.checked_sub(time)) {
        (Some(0), _) => html.text("now"),
        (Some(ahead), _) => html.text("in ").text(Span(u64::from(ahead))),
        (None, ago) => html.text(Span(u64::from(ago.unwrap_or(0)))).text(" ago"),
    };
    html.markup("</time>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_spans_and_shares() {
        for (number, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(Number(number).to_string(), shown);
        }
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3600, "1 h"),
            (3660, "1 h 1 min"),
            (86_400, "24 h"),
            (172_800, "2 d"),
            (176_400, "2 d 1 h"),
        ] {
            assert_eq!(Span(seconds).to_string(), shown);
        }
        for (part, shown) in [
            (0, "0%"),
            (1, "< 0.1%"),
            (50_000, "50.0%"),
            (99_999, "> 99.9%"),
            (100_000, "100.0%"),
        ] {
            let percent = Percent { part, whole: 100_000 };
            assert_eq!(percent.to_string(), shown);
        }
    }

    #[test]
    fn long_texts_show_that_they_are_cut() {
        assert_eq!(cut("short").to_string(), "short");
        let long = "x".repeat(5000);
        assert!(cut(&long).to_string().ends_with("x…"));
    }
}
