//! Keys and tokens as files and answers hold them.

/// The key that is all of a text, without the line break at its end, which belongs to whoever wrote it down. None where it
/// is empty or holds what no key has: it goes into a header, so that a second line or a stray byte would fail far from here.
pub(super) fn key_in(text: &str) -> Option<&str> {
    let key = text.trim_end_matches(LINE_BREAK);
    (!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())).then_some(key)
}

/// What ends a line.
pub(super) const LINE_BREAK: [char; 2] = ['\r', '\n'];
