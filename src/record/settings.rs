//! What the configuration says about counting.

use std::sync::Arc;

use super::labels::Bounds;
use super::looks::Pauses;
use crate::selection::Selection;

/// What the configuration says about counting.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `poll.window` in seconds.
    pub window: u32,
    /// `metrics.new_series_hold` in seconds.
    pub new_series_hold: u32,
    /// `metrics.max_error_codes`.
    pub max_error_codes: u16,
    /// `metrics.max_exit_codes`.
    pub max_exit_codes: u16,
    /// `metrics.duration_buckets` in seconds.
    pub duration_buckets: Arc<[f64]>,
    /// `metrics.native_histograms`.
    pub native_histograms: bool,
    /// Of the account's filters (resource group, tags): another filter lists other results, so that the next
    /// complete scan is a baseline again.
    pub filter: u64,
    /// Between looks in vain for runs of schedules.
    pub pauses: Pauses,
    /// `metrics.commands` and what goes with it; none where nothing is selected.
    pub commands: Option<CommandSettings>,
}

impl Settings {
    /// What of it decides which results there are, and how they are told apart.
    pub fn telling_apart(&self) -> String {
        let commands = self.commands.as_ref();
        let commands = commands.map(|commands| (commands.selection.fingerprint(), commands.max_commands));
        format!(
            "{:?}",
            (self.filter, self.max_error_codes, self.max_exit_codes, commands)
        )
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            error_codes: self.max_error_codes,
            exit_codes: self.max_exit_codes,
        }
    }
}

/// Those of a test that has no wishes.
#[cfg(test)]
impl Default for Settings {
    fn default() -> Self {
        Self {
            window: 86_400,
            new_series_hold: 0,
            max_error_codes: 100,
            max_exit_codes: 100,
            duration_buckets: vec![1.0].into(),
            native_histograms: false,
            filter: 7,
            pauses: Pauses::default(),
            commands: None,
        }
    }
}

/// What the configuration says about series of commands.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandSettings {
    /// `metrics.commands`, not empty.
    pub selection: Arc<Selection>,
    /// `metrics.max_commands`.
    pub max_commands: u16,
    /// `metrics.command_durations`.
    pub durations: bool,
}

#[cfg(test)]
impl CommandSettings {
    /// Selects commands by their names.
    pub(crate) fn by_name(pattern: &str) -> Self {
        let name = crate::selection::NamePattern::parse(pattern).unwrap();
        let selector = crate::selection::Selector {
            name: Some(name),
            id: None,
            tag: None,
        };
        Self {
            selection: Arc::new(Selection::new(vec![selector])),
            max_commands: 200,
            durations: true,
        }
    }
}
