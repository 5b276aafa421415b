//! Where the record of results is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::credentials::{Given, given, path};
use super::fields::{Fields, Value};
use crate::secret::Secret;
use crate::shown::shown;

/// `state`: where the record of results is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// `state.path`: a directory, relative to the working directory. Default `data/state`.
    Directory(PathBuf),
    /// `state.path: ""`: in memory only.
    Memory,
    /// `state.postgres`: a database, which replicas share.
    Postgres(Box<Postgres>),
}

/// `state.postgres`: a record that several replicas share, one of which leads.
#[derive(Debug, Clone, PartialEq)]
pub struct Postgres {
    /// `url` or `url_file`: where the database is, and whom to be there; the file is read at each connection.
    pub url: Given<Secret>,
    /// `name`: of the schema, and of the lock. Exporters of different accounts in one database have different ones.
    pub name: String,
    /// `lease`: how long a leader that does not move keeps the others waiting.
    pub lease: Duration,
    /// `ca_file`: the authorities that the server's certificate may be of. Default: the system's.
    pub ca_file: Option<PathBuf>,
}

const DEFAULT_NAME: &str = "cloud_assistant_exporter";

const DEFAULT_LEASE: Duration = Duration::from_secs(15);

/// Shorter ones end in ordinary hiccups of a network, longer ones are no standby.
const LEASES: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(60);

/// PostgreSQL cuts longer names.
const LONGEST_NAME: usize = 63;

impl Default for State {
    fn default() -> Self {
        Self::Directory(PathBuf::from("data/state"))
    }
}

impl State {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let directory = fields.value("path").and_then(|value| value.read(Value::text));
        let postgres = fields.part("postgres");
        // An image or a unit names a directory, and who runs it can take that back by an empty one alone.
        let both = directory.as_ref().is_some_and(|path| !path.is_empty());
        if let (true, Some(postgres)) = (both, &postgres) {
            postgres.report("state.path is given as well; keep one of the two");
            return Self::default();
        }
        if let Some(postgres) = postgres {
            let read = postgres.mapping(Postgres::read).flatten();
            return read.map_or_else(Self::default, |postgres| Self::Postgres(Box::new(postgres)));
        }
        match directory {
            None => Self::default(),
            Some(path) if path.is_empty() => Self::Memory,
            Some(path) => Self::Directory(PathBuf::from(path)),
        }
    }

    /// The files that are named, each with its key.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, &Path)> {
        let postgres = match self {
            Self::Postgres(postgres) => Some(postgres),
            Self::Directory(_) | Self::Memory => None,
        };
        let url = postgres.and_then(|postgres| match &postgres.url {
            Given::File(file) => Some(("state.postgres.url_file", file.as_path())),
            Given::Value(_) => None,
        });
        let ca = postgres.and_then(|postgres| Some(("state.postgres.ca_file", postgres.ca_file.as_deref()?)));
        url.into_iter()
            .chain(ca)
            .map(|(key, file)| (key.to_owned(), file))
    }
}

impl Postgres {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let url = given(fields, "url", "url_file", |value| {
            let url = value.secret()?;
            database(&url).map(|_| url)
        });
        if !url.present {
            fields.report_missing(
                "url",
                "where the database is, as postgres://user:password@host:5432/database; or url_file",
            );
        }
        let mut name = DEFAULT_NAME.to_owned();
        fields.set(&mut name, "name", |value| match value.text()? {
            name if is_name(&name) => Ok(name),
            other => Err(format!(
                "expected the name of a schema, of lower-case letters, digits and _, found {}",
                shown(&other)
            )),
        });
        let mut lease = DEFAULT_LEASE;
        fields.set(&mut lease, "lease", |value| match value.duration()? {
            lease if LEASES.contains(&lease) => Ok(lease),
            _ => Err(String::from("must be from 10s to 60s")),
        });
        let ca_file = fields.read("ca_file", path);
        Some(Self {
            url: url.value?,
            name,
            lease,
            ca_file,
        })
    }
}

/// Whether it is a name that nothing has to be quoted in.
fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.starts_with("pg_")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// What a URL says. Nothing of it is shown: it may hold a password.
///
/// # Errors
/// That it is none.
pub fn database(url: &Secret) -> Result<tokio_postgres::Config, String> {
    const FORM: &str = "expected postgres://user:password@host:5432/database, with ?sslmode=require for TLS";
    let text = url.expose().trim();
    // Whatever is encrypted here is verified: what others call so is what is done.
    let text = text
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require");
    let database: tokio_postgres::Config = text
        .parse()
        .map_err(|_| format!("is not the URL of a PostgreSQL database; {FORM}"))?;
    if database.get_hosts().is_empty() {
        return Err(format!("names no host; {FORM}"));
    }
    Ok(database)
}
