//! The conformance table of the exporter-toolkit: rows Y, S, R, U, H and E are cases of upstream's own tests, rows X
//! follow from its source. H2, H3 and H4 are about what is inside, and stand beside it.
//!
//! `cargo test --test it conformance -- --nocapture | grep rows` shows how many pass.

mod checks;
mod reload;
mod side_by_side;
mod tls;
mod users;

use std::collections::BTreeSet;

use super::fixtures;
use super::program;
use super::site;
use super::tls_client;

/// The rows of one part of the table, as they come out. A row may have several outcomes, all of which must be good.
struct Rows {
    part: &'static str,
    seen: BTreeSet<String>,
    failed: Vec<(String, String)>,
}

impl Rows {
    fn of(part: &'static str) -> Self {
        Self {
            part,
            seen: BTreeSet::new(),
            failed: Vec::new(),
        }
    }

    /// Enters an outcome; what follows the name of the row after a blank is a note.
    fn enter(&mut self, row: &str, outcome: Result<(), String>) {
        let name = row.split(' ').next().unwrap().to_owned();
        if name.ends_with(|last: char| last.is_ascii_digit()) {
            self.seen.insert(name);
        }
        if let Err(reason) = outcome {
            self.failed.push((row.to_owned(), reason));
        }
    }

    /// Shows the count, and fails the test unless all passed.
    fn end(self) {
        let failed: BTreeSet<_> = self
            .failed
            .iter()
            .filter_map(|(row, _)| row.split(' ').next())
            .collect();
        let passed = self
            .seen
            .iter()
            .filter(|row| !failed.contains(row.as_str()))
            .count();
        println!("rows of {}: {passed} of {} pass", self.part, self.seen.len());
        assert!(self.failed.is_empty(), "{:#?}", self.failed);
    }
}

/// Whether a text has a part.
fn has(text: impl AsRef<str>, part: &str) -> Result<(), String> {
    let text = text.as_ref();
    if text.contains(part) {
        Ok(())
    } else {
        Err(format!("{part:?} is not in {text:?}"))
    }
}

/// Whether an answer is 200 with the body of the routes.
fn is_ok(answer: impl AsRef<str>) -> Result<(), String> {
    has(answer.as_ref(), "HTTP/1.1 200 OK\r\n")?;
    has(answer, "\r\n\r\nHello World!")
}
