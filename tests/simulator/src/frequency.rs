//! Frequency of a schedule: `rate(5m)`, `at(2026-01-02 03:04:05)` or cron.

use std::str::FromStr;

use time::OffsetDateTime;
use time::macros::format_description;

/// When a schedule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frequency {
    /// Every so many seconds.
    Rate(i64),
    /// Once, at these unix seconds.
    At(i64),
    /// At the seconds, minutes and hours of each day for which a bit is set.
    Cron { seconds: u64, minutes: u64, hours: u64 },
}

impl Frequency {
    /// The first time after this one.
    pub(crate) fn next_after(&self, now: i64) -> Option<i64> {
        match self {
            Self::Rate(seconds) => Some(now + seconds),
            Self::At(when) => (*when > now).then_some(*when),
            Self::Cron {
                seconds,
                minutes,
                hours,
            } => (now + 1..=now + 86_400).find(|moment| {
                let of_day = moment.rem_euclid(86_400);
                let set = |bits: &u64, value: i64| bits >> value & 1 == 1;
                set(hours, of_day / 3_600) && set(minutes, of_day / 60 % 60) && set(seconds, of_day % 60)
            }),
        }
    }
}

impl FromStr for Frequency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        let parsed = match (inner("rate"), inner("at")) {
            (Some(rate), _) => parse_rate(rate).map(Self::Rate),
            (_, Some(at)) => parse_at(at).map(Self::At),
            _ => parse_cron(text),
        };
        parsed.ok_or_else(|| format!("{text:?} is not a Frequency"))
    }
}

fn parse_rate(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let seconds = text[..text.len() - 1].parse::<i64>().ok()?.checked_mul(unit)?;
    (60..=7 * 86_400).contains(&seconds).then_some(seconds)
}

fn parse_at(text: &str) -> Option<i64> {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let local = time::PrimitiveDateTime::parse(text.get(..19)?, format).ok()?;
    Some(OffsetDateTime::unix_timestamp(local.assume_utc()))
}

/// The days of a cron expression are taken as all of them.
fn parse_cron(text: &str) -> Option<Frequency> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if !(6..=8).contains(&fields.len()) {
        return None;
    }
    Some(Frequency::Cron {
        seconds: parse_field(fields[0], 60)?,
        minutes: parse_field(fields[1], 60)?,
        hours: parse_field(fields[2], 24)?,
    })
}

/// A field of a cron expression as bits, of values below `limit`.
fn parse_field(text: &str, limit: u64) -> Option<u64> {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = part
            .split_once('/')
            .map_or((part, "1"), |(range, step)| (range, step));
        let (first, last) = match range {
            "*" | "?" => (0, limit - 1),
            range => match range.split_once('-') {
                Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
                None if part.contains('/') => (range.parse().ok()?, limit - 1),
                None => (range.parse().ok()?, range.parse().ok()?),
            },
        };
        let step: usize = step.parse().ok().filter(|step| *step > 0)?;
        if last >= limit || first > last {
            return None;
        }
        for value in (first..=last).step_by(step) {
            bits |= 1 << value;
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_follows_from_the_frequency() {
        let next = |text: &str, now| text.parse::<Frequency>().unwrap().next_after(now);
        assert_eq!(next("rate(5m)", 1_000), Some(1_300));
        assert_eq!(next("at(1970-01-02 00:00:10)", 1_000), Some(86_410));
        assert_eq!(next("at(1970-01-02 00:00:10)", 86_410), None);
        assert_eq!(next("0 */10 * * * ?", 601), Some(1_200));
        assert_eq!(next("30 5 3 * * ? 2026 GMT+8", 0), Some(3 * 3_600 + 5 * 60 + 30));
        assert_eq!(next("0/15 0-4 * ? * *", 16), Some(30));
    }

    #[test]
    fn what_is_no_frequency_is_refused() {
        for text in [
            "",
            "rate(5)",
            "rate(59s)",
            "rate(8d)",
            "at(noon)",
            "* * *",
            "61 * * * * ?",
            "0/0 * * * * ?",
        ] {
            assert!(text.parse::<Frequency>().is_err(), "{text}");
        }
    }
}
