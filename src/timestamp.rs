//! The API's times, as seconds since the epoch.

use std::num::NonZeroU32;
use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::result::Seconds;

/// Without an offset: answers of 2018 have `2018-01-05 15:45:02`, and it is UTC.
const WITHOUT_OFFSET: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day][first [ ] [T]][hour]:[minute]:[second]");

/// Reads `2026-01-02T03:04:05Z`, with an offset or a fraction too, and the older form. Absent when it cannot be
/// read or lies outside of 1970 to 2106.
pub fn parse(text: &str) -> Option<NonZeroU32> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if let Some(seconds) = usual(text) {
        return NonZeroU32::new(seconds);
    }
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| PrimitiveDateTime::parse(text, WITHOUT_OFFSET).map(PrimitiveDateTime::assume_utc))
        .or_else(|_| minutes(text))
        .ok()?;
    u32::try_from(time.unix_timestamp())
        .ok()
        .and_then(NonZeroU32::new)
}

/// Reads what [`rfc3339`] has written too, the first second of 1970 included.
pub fn parse_own(text: &str) -> Option<Seconds> {
    match parse(text) {
        Some(time) => Some(time.get()),
        None => (text.trim() == rfc3339(0)).then_some(0),
    }
}

/// `2026-01-02T03:04:05Z`, which nearly every time is, read without a description of it: a page has a hundred.
fn usual(text: &str) -> Option<Seconds> {
    let text: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let marks = [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'Z'),
    ];
    if marks.iter().any(|(place, mark)| text[*place] != *mark) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let month = time::Month::try_from(number(&text[5..7])? as u8).ok()?;
    let date = time::Date::from_calendar_date(number(&text[..4])? as i32, month, number(&text[8..10])? as u8);
    let clock = time::Time::from_hms(
        number(&text[11..13])? as u8,
        number(&text[14..16])? as u8,
        number(&text[17..19])? as u8,
    );
    let time = PrimitiveDateTime::new(date.ok()?, clock.ok()?).assume_utc();
    u32::try_from(time.unix_timestamp()).ok()
}

/// ECS leaves the seconds out of some of its times.
fn minutes(text: &str) -> Result<OffsetDateTime, time::error::Parse> {
    PrimitiveDateTime::parse(text, format_description!("[year]-[month]-[day]T[hour]:[minute]Z"))
        .map(PrimitiveDateTime::assume_utc)
}

/// The wall clock in whole seconds; 0 for one that was never set.
pub fn seconds(now: SystemTime) -> Seconds {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Seconds::try_from(since).unwrap_or(Seconds::MAX)
}

/// As the API writes it: `2026-01-02T03:04:05Z`.
pub fn rfc3339(seconds: Seconds) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    OffsetDateTime::from_unix_timestamp(i64::from(seconds))
        .ok()
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_default()
}

/// For a person: `2026-01-02 03:04:05 UTC`.
pub fn show(seconds: Seconds) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp(i64::from(seconds))
        .ok()
        .and_then(|time| time.format(&format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_api_has_shown() {
        let read = |text| parse(text).map(NonZeroU32::get);
        assert_eq!(read("2020-05-11T09:01:41Z"), Some(1_589_187_701));
        assert_eq!(read(" 2000-02-29T23:59:59Z\n"), Some(951_868_799));
        assert_eq!(read("2020-05-11T09:01Z"), Some(1_589_187_660));
        assert_eq!(read("2020-05-11T17:01:41+08:00"), Some(1_589_187_701));
        assert_eq!(read("2018-01-05 15:45:02"), Some(1_515_167_102));
        for text in [
            "",
            "soon",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
            "2021-02-29T00:00:00Z",
            "2021-13-01T00:00:00Z",
            "2021-01-01T24:00:00Z",
            "2021-01-0xT00:00:00Z",
            "0",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_usual_form_is_read_as_any_other() {
        for seconds in (0..u32::MAX).step_by(40_000_003) {
            let text = rfc3339(seconds);
            assert_eq!(usual(&text), Some(seconds), "{text}");
            // Not the usual form: it has a fraction.
            let other = text.replace('Z', ".0Z");
            assert_eq!(parse(&text), parse(&other), "{text}");
        }
    }

    #[test]
    fn shows_what_it_read() {
        assert_eq!(show(1_589_187_701), "2020-05-11 09:01:41 UTC");
        assert_eq!(rfc3339(1_589_187_701), "2020-05-11T09:01:41Z");
    }
}
