//! How a text of others stands in a message: enough of it to recognise it, however long it is. Never for a secret.

use std::path::Path;

/// Above the longest name that is right, which is a role's ARN.
const MOST_CHARACTERS: usize = 128;

/// Above the longest path that a person writes; its end tells more than its beginning.
const MOST_OF_PATH: usize = 512;

/// In quotes, so that it is seen where it begins and ends.
pub(crate) fn shown(text: &str) -> String {
    match end(text, MOST_CHARACTERS) {
        None => format!("{text:?}"),
        Some(end) => format!("{:?}…", &text[..end]),
    }
}

/// As it is, for names of keys, hosts and roles.
pub(crate) fn cut(text: &str) -> String {
    match end(text, MOST_CHARACTERS) {
        None => text.to_owned(),
        Some(end) => format!("{}…", &text[..end]),
    }
}

/// The path of a file.
pub(crate) fn path(path: &Path) -> String {
    let text = path.display().to_string();
    match text.char_indices().rev().nth(MOST_OF_PATH) {
        None => text,
        Some((start, _)) => format!("…{}", &text[start..]),
    }
}

/// Where a text is cut; nothing where it is short enough.
fn end(text: &str, most: usize) -> Option<usize> {
    text.char_indices().nth(most).map(|(end, _)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        let long = "é".repeat(20_000);
        assert_eq!(shown(&long), format!("\"{}\"…", "é".repeat(128)));
        assert_eq!(cut(&long), format!("{}…", "é".repeat(128)));
        assert_eq!(path(Path::new(&long)), format!("…{}", "é".repeat(513)));
        assert_eq!(
            (shown("a\n"), cut("a b")),
            (String::from(r#""a\n""#), String::from("a b"))
        );
        assert_eq!(path(Path::new("/etc/x")), "/etc/x");
    }
}
