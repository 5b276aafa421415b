//! HTML under construction.

use std::fmt::{self, Display, Write};

/// Markup comes from the program's own text, and everything else is escaped: there is no way to forget it.
#[derive(Debug, Default)]
pub(super) struct Html {
    text: String,
}

impl Html {
    /// Adds markup as it is.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.text.push_str(markup);
        self
    }

    /// Adds text between tags.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        // Writing to memory fails only where the text itself refuses to be shown.
        let _ = write!(Escaped(&mut self.text), "{text}");
        self
    }

    /// Adds an attribute to a tag that is still open.
    pub(super) fn attribute(&mut self, name: &'static str, value: impl Display) -> &mut Self {
        self.markup(" ").markup(name).markup("=\"");
        self.text(value).markup("\"")
    }

    /// The whole.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Escapes what is written to it.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Controls are not HTML, and those that turn the direction of writing make a text look like another.
                '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f'..='\u{9f}' => self.0.push('\u{fffd}'),
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut html = Html::default();
        html.markup("<a").attribute("href", "\" onclick='x'>").markup(">");
        html.text("<script>&").markup("</a>");
        assert_eq!(
            html.finish(),
            "<a href=\"&quot; onclick=&#39;x&#39;&gt;\">&lt;script&gt;&amp;</a>"
        );
    }

    #[test]
    fn controls_are_not_passed_on() {
        let mut html = Html::default();
        html.text("a\0b\u{202e}c\u{85}\nd");
        assert_eq!(html.finish(), "a\u{fffd}b\u{fffd}c\u{fffd}\nd");
    }
}
