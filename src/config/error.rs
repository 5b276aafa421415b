//! What is wrong with a configuration, and where.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::shown::cut;

/// As many as a person mends in one go; a file with more is another file, or one mistake a thousand times.
const SHOWN_PROBLEMS: usize = 50;

/// Everything that is wrong with a configuration, all of it at once, so that it is mended in one go.
///
/// Its text has one line for each problem, in the order of the file:
/// `exporter.yaml:12: poll.interval: "60" has no unit; …`, and says how many more there are after fifty. No line holds a secret: values are shown only where a
/// secret cannot stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The configuration file, where one was read.
    pub file: Option<PathBuf>,
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is written.
    pub place: Place,
    /// The key it is about, such as `accounts[0].credentials.type`; empty where it is about the file as a whole.
    pub key: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the file as a whole, or nowhere: the value is missing, or is looked at after the file was read.
    File,
    /// At this line of the file; the first is 1.
    Line(u64),
    /// In the environment variable of this name.
    Variable(String),
}

// === impl ConfigError ===

impl ConfigError {
    /// A single problem of the file as a whole.
    pub(super) fn of_file(file: &Path, message: String) -> Self {
        let problem = Problem {
            place: Place::File,
            key: String::new(),
            message,
        };
        Self {
            file: Some(file.to_path_buf()),
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(SHOWN_PROBLEMS).enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            match (&problem.place, &self.file) {
                (Place::Variable(name), _) => write!(formatter, "{}: ", cut(name))?,
                (Place::Line(line), Some(file)) => write!(formatter, "{}:{line}: ", file.display())?,
                (_, Some(file)) => write!(formatter, "{}: ", file.display())?,
                (_, None) => {}
            }
            if !problem.key.is_empty() {
                write!(formatter, "{}: ", problem.key)?;
            }
            formatter.write_str(&problem.message)?;
        }
        match self.problems.len().saturating_sub(SHOWN_PROBLEMS) {
            0 => Ok(()),
            more => write!(formatter, "\nand {more} more problems"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Collects the problems found on the way through a configuration.
///
/// The cell lets an account and the fields within it report while both are being read, on one thread.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn report(&self, place: Place, key: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem {
            place,
            key: key.into(),
            message: message.into(),
        });
    }

    /// The problems in the order of the file; those of the environment come after them.
    pub(super) fn into_sorted(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort_by_key(|problem| match problem.place {
            Place::File => 0,
            Place::Line(line) => line,
            Place::Variable(_) => u64::MAX,
        });
        problems
    }
}
