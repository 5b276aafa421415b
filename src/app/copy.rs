//! `--state.copy-to-postgres`: a record that was a process's own becomes one that replicas share.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, bail};
use tokio::task::spawn_blocking;

use super::{from_version_1, lead};
use crate::config::{Config, State};
use crate::result::Seconds;
use crate::state::{Backend, Change, DatabaseError, Postgres, Redb, Replica, Save, StateError};
use crate::timestamp;

const NOT_COPIED: &str = "the record was not copied, and nothing has changed";

const UNKNOWN: &str = "whether the record was copied is not known, since the database has not answered: copy it again, which is \
                       refused where there is a record by now";

/// What was copied. Its text is for people.
#[derive(Debug)]
pub struct Copied {
    from: PathBuf,
    schema: String,
    scopes: usize,
    pairs: usize,
}

impl fmt::Display for Copied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            schema,
            scopes,
            pairs,
        } = self;
        write!(
            formatter,
            "The record in {} is now in the schema {schema} of the database: {scopes} scopes, {pairs} entries. Start the \
             replicas; the directory is not needed any more, and nothing of it must be started again.",
            from.display()
        )
    }
}

/// Copies the record in a directory to the database of the configuration, all of it or nothing.
///
/// # Errors
/// When the directory is in use or damaged, when there is a record in the database already, or a replica runs on it.
pub async fn run(from: &Path, config: &Config) -> anyhow::Result<Copied> {
    let State::Postgres(postgres) = &config.state else {
        bail!("--state.copy-to-postgres needs state.postgres in the configuration, which says where to");
    };
    if !from.is_dir() {
        bail!("{} is no directory of a state", from.display());
    }
    let directory = from.to_owned();
    let upgrade = from_version_1(config);
    let now = timestamp::seconds(SystemTime::now());
    // All of it before there is a session, which must not be idle for longer than the lease.
    let read = spawn_blocking(move || {
        let embedded = Redb::open(&directory, upgrade)?;
        let saves = saves(&embedded, now)?;
        Ok::<_, StateError>((embedded, saves))
    });
    // It is in use until it is copied.
    let (_embedded, saves) = read.await?.context("the record cannot be copied")?;
    let (scopes, pairs) = (saves.len(), saves.iter().map(|save| save.changes.len()).sum());
    let Some(replica) = lead::connect(postgres).await? else {
        bail!("the database does not answer");
    };
    let schema = postgres.name.clone();
    to_replica(saves, replica, &schema).await?;
    Ok(Copied {
        from: from.to_owned(),
        schema,
        scopes,
        pairs,
    })
}

/// Everything that is in a record.
fn saves(embedded: &Redb, now: Seconds) -> Result<Vec<Save>, StateError> {
    let scopes = embedded.scopes()?.into_iter();
    let saves = scopes.map(|scope| {
        let pairs = embedded.load(&scope)?;
        let changes: Vec<Change> = pairs
            .iter()
            .map(|(place, value)| (place, Some(value.to_vec())))
            .collect();
        Ok(Save { scope, changes, now })
    });
    saves.collect()
}

async fn to_replica(saves: Vec<Save>, replica: Arc<Replica>, schema: &str) -> anyhow::Result<()> {
    let database = begin(&replica, schema).await.context(NOT_COPIED)?;
    let copied = spawn_blocking(move || database.commit(&saves)).await?;
    replica.unlock().await;
    copied.map_err(not_committed)
}

async fn begin(replica: &Arc<Replica>, schema: &str) -> anyhow::Result<Postgres> {
    if !replica.try_lock().await? {
        bail!("an exporter runs on the database: stop every replica first");
    }
    if !replica.is_empty().await? {
        bail!(
            "there is a record in the schema {schema} already; drop that schema, or give state.postgres.name another name"
        );
    }
    let term = replica.begin_term("a copy of an embedded record", 0).await?;
    Ok(Postgres::new(Arc::clone(replica), term).await?)
}

/// What is said of a commit that was not confirmed: it is known not to be done only where the session goes on.
fn not_committed(error: StateError) -> anyhow::Error {
    let is_unknown = matches!(
        error,
        StateError::Database {
            error: DatabaseError::Gone(_),
            ..
        }
    );
    anyhow::Error::from(error).context(if is_unknown { UNKNOWN } else { NOT_COPIED })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_to_be_unchanged_that_may_have_been_committed() {
        for (error, said) in [
            (DatabaseError::Gone("no answer".to_owned()), UNKNOWN),
            (DatabaseError::Failed("no room".to_owned()), NOT_COPIED),
        ] {
            let doing = "saved";
            let error = not_committed(StateError::Database { doing, error });
            assert_eq!(error.to_string(), said);
        }
    }
}
