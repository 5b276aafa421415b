//! Texts of the cloud, of which none may make a page endless.

/// The longest text that is shown whole, in bytes. No id or code of the API is near it.
pub(super) const MAX_TEXT: usize = 512;

/// The beginning of a text.
pub(super) fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(bounded("t-1"), "t-1");
        let long = "€".repeat(1000);
        assert_eq!(bounded(&long).chars().count(), MAX_TEXT / 3);
    }
}
