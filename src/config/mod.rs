//! The configuration: one YAML file, overridden by the environment, checked as a whole before anything is opened.
//!
//! This module is the only reader of the file and of `CLOUD_ASSISTANT_EXPORTER__…` variables. Every key is optional;
//! unknown ones are refused. A wrong value is reported with its key, its line or variable, and what was expected, and
//! all wrong values are reported together. Values that can be secret are never part of a message.

mod account;
mod commands;
mod credentials;
mod document;
mod error;
mod events;
mod fields;
mod home;
mod log;
mod metrics;
mod poll;
mod proxies;
mod state;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ::config::{Environment, Source};
pub use account::Account;
pub use credentials::{Credentials, Endpoints, Given, Origin};
pub use error::{ConfigError, Place, Problem};
pub use events::{Events, Queue, QueueSource, is_account_id};
pub use home::{Home, Network, is_region_id};
pub use log::{Format, Level, Log, LoggedResults};
pub use metrics::Metrics;
pub use poll::{Poll, RateLimit};
pub use proxies::Proxies;
pub use state::{Postgres, State, database};

use crate::regular_file;
use crate::shown;
use document::Node;
use error::Problems;
use fields::{Fields, Value};

/// What the names of variables begin with.
const VARIABLE_PREFIX: &str = "CLOUD_ASSISTANT_EXPORTER";

/// What stands between levels. Two underscores, because the service links of Kubernetes make variables with one out
/// of the name of any service.
const LEVEL_SEPARATOR: &str = "__";

/// A thousand accounts take a tenth of it; what is longer is another file.
const LONGEST_FILE: u64 = 16 << 20;

/// The whole configuration, with defaults for what was not set. Two that are equal ask for the same behaviour.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `accounts`: whose results are read. Default: one account named `default`, with the default credential chain,
    /// in every region. At least one; no name twice.
    pub accounts: Vec<Account>,
    /// `poll`: when, and for how long.
    pub poll: Poll,
    /// `rate_limit`: how fast.
    pub rate_limit: RateLimit,
    /// `state`: where the record is kept.
    pub state: State,
    /// `log`: what is logged.
    pub log: Log,
    /// `metrics`: bounds and shapes of the series.
    pub metrics: Metrics,
    /// `events`: task events that bring the next poll forward.
    pub events: Events,
}

/// Reads the configuration from a file, where one is given, and the environment, which wins over it.
///
/// # Errors
///
/// When the file cannot be read or is not YAML, that alone; else everything that is wrong with the values. Reading
/// again helps only after the file was changed.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut document = match file {
        None => Node::empty(),
        Some(file) => parse(file)?,
    };
    let problems = Problems::default();
    let environment: Vec<(String, String)> = environment.into_iter().collect();
    for problem in Proxies::read(&environment).err().into_iter().flatten() {
        problems.report(problem.place, problem.key, problem.message);
    }
    override_by(&mut document, environment, &problems);
    let config = Value::root(&document, &problems)
        .mapping(Config::read)
        .unwrap_or_default();
    match problems.into_sorted() {
        problems if problems.is_empty() => Ok(config),
        problems => Err(ConfigError {
            file: file.map(Path::to_path_buf),
            problems,
        }),
    }
}

fn parse(file: &Path) -> Result<Node, ConfigError> {
    let bytes = regular_file::read(file, LONGEST_FILE).map_err(|error| {
        ConfigError::of_file(file, format!("cannot be read: {error}; check --config.file"))
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| ConfigError::of_file(file, String::from("is not UTF-8 text; save it as UTF-8")))?;
    let document = Node::parse(&text).map_err(|error| ConfigError {
        file: Some(file.to_path_buf()),
        problems: vec![Problem {
            place: error.place,
            key: String::new(),
            message: error.message,
        }],
    })?;
    // An emptied file would be every default, and every series of what was configured gone.
    if !document.has_keys() {
        return Err(ConfigError::of_file(
            file,
            String::from("holds no key at all; for the defaults, start without --config.file"),
        ));
    }
    Ok(document)
}

/// Lays the variables over the document, in the order of their names so that the outcome never depends on chance.
fn override_by(
    document: &mut Node,
    environment: impl IntoIterator<Item = (String, String)>,
    problems: &Problems,
) {
    // Texts stay texts (`try_parsing`): an id of digits must not lose its leading zero.
    let variables = Environment::with_prefix(VARIABLE_PREFIX)
        .prefix_separator(LEVEL_SEPARATOR)
        .separator(LEVEL_SEPARATOR)
        .try_parsing(false)
        .source(Some(environment.into_iter().collect()))
        .collect()
        .unwrap_or_default();
    let variables: BTreeMap<String, Option<String>> = variables
        .into_iter()
        .map(|(key, value)| (key, value.into_string().ok()))
        .collect();
    for (key, value) in variables {
        let name = format!(
            "{VARIABLE_PREFIX}{LEVEL_SEPARATOR}{}",
            key.replace('.', LEVEL_SEPARATOR).to_uppercase()
        );
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        if let Err(message) = document.set(&path, &name, value.unwrap_or_default()) {
            problems.report(Place::Variable(name), shown::cut(&key), message);
        }
    }
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            accounts: vec![Account::default()],
            poll: Poll::default(),
            rate_limit: RateLimit::default(),
            state: State::default(),
            log: Log::default(),
            metrics: Metrics::default(),
            events: Events::default(),
        }
    }
}

impl Config {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            accounts: fields
                .part("accounts")
                .map_or_else(|| vec![Account::default()], |value| accounts(&value)),
            poll: section(fields, "poll", Poll::read),
            rate_limit: section(fields, "rate_limit", RateLimit::read),
            state: section(fields, "state", State::read),
            log: section(fields, "log", Log::read),
            metrics: section(fields, "metrics", Metrics::read),
            events: section(fields, "events", Events::read),
        }
    }

    /// Looks whether every file that the configuration names can be read, for `--config.check`.
    ///
    /// Loading does not look: a key that is mounted later, or replaced just now, must not keep the exporter from
    /// starting.
    ///
    /// # Errors
    ///
    /// One problem for each file that cannot be opened and read. Nothing of their content is shown.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let accounts = self.accounts.iter().enumerate().flat_map(|(index, account)| {
            account
                .credentials
                .files(&format!("accounts[{index}].credentials"))
        });
        for (key, path) in accounts.chain(self.events.files()).chain(self.state.files()) {
            if let Err(error) = regular_file::read(path, LONGEST_FILE) {
                let message = format!(
                    "{} cannot be read: {error}; check the path, and that the exporter's user may read it",
                    shown::path(path)
                );
                problems.push(Problem {
                    place: Place::File,
                    key,
                    message,
                });
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError { file: None, problems })
        }
    }
}

fn section<T: Default>(
    fields: &mut Fields<'_>,
    key: &'static str,
    read: impl FnOnce(&mut Fields<'_>) -> T,
) -> T {
    fields
        .part(key)
        .and_then(|value| value.mapping(read))
        .unwrap_or_default()
}

fn accounts(value: &Value<'_>) -> Vec<Account> {
    let Some(items) = value.list() else {
        return Vec::new();
    };
    if items.is_empty() {
        value.report("expected at least one account; remove the key for the one named \"default\"");
    }
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut accounts = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(account) = item.mapping(Account::read) else {
            continue;
        };
        let first = names.insert(account.name.clone(), index);
        if let Some(first) = first.filter(|_| !account.name.is_empty()) {
            item.report_at(
                "name",
                format!(
                    "accounts[{first}] has the name {:?} too; use each once",
                    account.name
                ),
            );
        }
        accounts.push(account);
    }
    accounts
}

#[cfg(test)]
mod tests;
