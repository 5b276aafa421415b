//! What is logged, and how.

use clap::ValueEnum;

use super::fields::{Fields, Value};
use crate::shown::shown;

/// `log`: what is logged. The flags `--log.level` and `--log.format` win over `log.level` and `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// `log.level`: the least severe messages that are written. Default info.
    pub level: Level,
    /// `log.format`: how a message is written. Default logfmt.
    pub format: Format,
    /// `log.results`: which of the counted results are logged, a line for each. Default none.
    pub results: LoggedResults,
}

/// Which results are logged when they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LoggedResults {
    /// No result.
    #[default]
    None,
    /// Those that did not succeed.
    Failed,
    /// Every one.
    All,
}

/// How severe a message is, from the chattiest. The names are those of the flag as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, ValueEnum)]
pub enum Level {
    /// Every step; for those who work on the exporter.
    Trace,
    /// What happens within a poll.
    Debug,
    /// What an operator wants to find later.
    #[default]
    Info,
    /// What is wrong but goes on.
    Warn,
    /// What failed.
    Error,
}

/// How a log message is written. The names are those of the flag as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// `ts=… level=… message=…`, as logfmt.
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

impl Log {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut log = Self::default();
        fields.set(&mut log.level, "level", one_of);
        fields.set(&mut log.format, "format", one_of);
        fields.set(&mut log.results, "results", one_of);
        log
    }
}

/// The value of an enumeration by its name on the command line, in any case, so that flag and file agree.
fn one_of<T: ValueEnum>(value: &Value<'_>) -> Result<T, String> {
    let text = value.text()?;
    T::from_str(&text, true).map_err(|_| {
        let names: Vec<String> = T::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|name| name.get_name().to_owned())
            .collect();
        format!("expected one of {}, found {}", names.join(", "), shown(&text))
    })
}
