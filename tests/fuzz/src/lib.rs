//! What the fuzz targets share: how their inputs are read, and JSON made on purpose.

pub mod html;
pub mod json;
pub mod record;
pub mod server;
pub mod yaml;

use arbitrary::Unstructured;

/// An input is a text that a person could have written, such as the seeds, or choices for a generator.
pub enum Input<'a> {
    /// Any UTF-8 that does not begin with a zero byte.
    Text(&'a str),
    /// The rest of what begins with one.
    Choices(Unstructured<'a>),
}

impl<'a> Input<'a> {
    /// Reads the fuzzer's bytes; what is neither is of no use.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        match bytes {
            [0, choices @ ..] => Some(Self::Choices(Unstructured::new(choices))),
            text => str::from_utf8(text).ok().map(Self::Text),
        }
    }
}

/// A text of the cloud as a label: short, and in one line for whoever reads it.
pub fn label(text: &str) -> String {
    let most = if text.len() > 256 { 64 } else { usize::MAX };
    let shown = text.chars().take(most).map(|character| match character {
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        other => other,
    });
    shown.collect()
}

/// The parts of a text that holds several: `-- name --` on a line of its own stands before each.
pub fn parts(text: &str) -> Vec<(&str, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-- ") {
        let from = &rest[start + 3..];
        let Some(end) = from.find(" --\n") else { break };
        let content = &from[end + 4..];
        let next = content.find("\n-- ").map_or(content.len(), |next| next + 1);
        parts.push((&from[..end], &content[..next]));
        rest = &content[next..];
    }
    parts
}

/// The part with this name, or nothing.
pub fn part<'a>(parts: &[(&'a str, &'a str)], name: &str) -> &'a str {
    let part = parts.iter().find(|(other, _)| *other == name);
    part.map_or("", |(_, content)| content)
}

/// A directory in memory, where there is one.
///
/// # Panics
/// When none can be made: nothing can be tried then.
pub fn temporary_directory() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let mut directory = tempfile::Builder::new();
    directory.prefix("exporter-fuzz-");
    match memory.is_dir() {
        true => directory.tempdir_in(memory),
        false => directory.tempdir(),
    }
    .expect("a directory for the input")
}
