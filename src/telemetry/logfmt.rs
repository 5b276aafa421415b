//! `ts=… level=info message="…"`, as the decoder of go-logfmt reads it, and so Loki: a value that needs quotes is
//! written as a JSON string. (`tracing-logfmt` writes Rust's escapes there, which are others.)

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats a message.
#[derive(Debug)]
pub(super) struct Events;

impl<S, N> FormatEvent<S, N> for Events
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("ts=")?;
        SystemTime.format_time(&mut writer)?;
        writer.write_str(match *event.metadata().level() {
            Level::ERROR => " level=error",
            Level::WARN => " level=warn",
            Level::INFO => " level=info",
            Level::DEBUG => " level=debug",
            Level::TRACE => " level=trace",
        })?;
        let mut spans = String::new();
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                spans.push_str(&fields.fields);
            }
        }
        let mut pairs = Pairs::new(writer.by_ref());
        pairs.behind_message = spans;
        event.record(&mut pairs);
        let (written, left) = (pairs.written, pairs.behind_message);
        written?;
        writer.write_str(&left)?;
        writer.write_char('\n')
    }
}

/// Formats the fields of a span, which each message in it has as well: which scope it is about.
#[derive(Debug)]
pub(super) struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut pairs = Pairs::new(writer);
        fields.record(&mut pairs);
        pairs.written
    }
}

/// Writes ` key=value` for each field.
struct Pairs<W> {
    writer: W,
    written: fmt::Result,
    /// For values that are formatted before it is known whether they need quotes.
    text: String,
    /// Pairs of the spans: where something happened is said right behind what did.
    behind_message: String,
}

impl<W: Write> Pairs<W> {
    fn new(writer: W) -> Self {
        Self {
            writer,
            written: Ok(()),
            text: String::new(),
            behind_message: String::new(),
        }
    }

    fn pair(&mut self, field: &Field, text: &str) {
        self.written = self
            .written
            .and_then(|()| write!(self.writer, " {}=", field.name()))
            .and_then(|()| value(&mut self.writer, text));
        if field.name() == "message" {
            let pairs = std::mem::take(&mut self.behind_message);
            self.written = self.written.and_then(|()| self.writer.write_str(&pairs));
        }
    }

    fn formatted(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        self.written = self.written.and_then(|()| text.write_fmt(value));
        self.pair(field, &text);
        self.text = text;
    }
}

impl<W: Write> Visit for Pairs<W> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.pair(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.formatted(field, format_args!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.formatted(field, format_args!("{value}"));
    }
}

/// Writes a value, in quotes where it would not be one word. Keys are names of Rust, which always are.
fn value(to: &mut impl Write, text: &str) -> fmt::Result {
    let is_plain = |character: char| {
        character > ' '
            && !matches!(character, '=' | '"' | char::REPLACEMENT_CHARACTER)
            && !is_escaped(character)
    };
    if text.chars().all(is_plain) {
        return to.write_str(text);
    }
    to.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(to, "\\{character}")?,
            '\n' => to.write_str("\\n")?,
            '\r' => to.write_str("\\r")?,
            '\t' => to.write_str("\\t")?,
            other if is_escaped(other) => write!(to, "\\u{:04x}", u32::from(other))?,
            other => to.write_char(other)?,
        }
    }
    to.write_char('"')
}

/// Control characters, all of which lie below U+10000, and what some take for the end of a line.
fn is_escaped(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_need_quotes_are_strings_of_json() {
        for (text, expected) in [
            ("", ""),
            ("plain'\\µ", "plain'\\µ"),
            ("it's two", r#""it's two""#),
            ("a=b", r#""a=b""#),
            ("\"\\", r#""\"\\""#),
            (
                "\0\u{1b}\u{7f}\u{9b}\r\n\t",
                r#""\u0000\u001b\u007f\u009b\r\n\t""#,
            ),
            ("\u{2028}\u{fffd}", "\"\\u2028\u{fffd}\""),
        ] {
            let mut written = String::new();
            value(&mut written, text).unwrap();
            assert_eq!(written, expected);
            if written.starts_with('"') {
                assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
            }
        }
    }
}
