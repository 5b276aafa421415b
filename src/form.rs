//! Names and values as forms and queries write them: `application/x-www-form-urlencoded`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The pairs as they are written; a name may stand alone.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| match pair.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (pair, None),
    })
}

/// What a name or a value stands for: perhaps no UTF-8.
pub(crate) fn decoded(text: &str) -> Cow<'_, [u8]> {
    match text.contains('+') {
        false => percent_decode_str(text).into(),
        true => percent_decode_str(&text.replace('+', " ")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_what_they_stand_for() {
        let read: Vec<_> = pairs("a=1&&b=&c&d=e=f&=g").collect();
        let expected = [
            ("a", Some("1")),
            ("b", Some("")),
            ("c", None),
            ("d", Some("e=f")),
            ("", Some("g")),
        ];
        assert_eq!(read, expected);
        assert_eq!(&*decoded("a%26b+%C3%A4%2B"), "a&b ä+".as_bytes());
        assert_eq!(&*decoded("%ff%+%4"), b"\xff% %4");
    }
}
