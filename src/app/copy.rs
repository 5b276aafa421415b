//! `--state.copy-to-postgres`: a record that was a process's own becomes one that replicas share.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, bail};
use tokio::task::spawn_blocking;

use super::{from_version_1, lead};
use crate::config::{Config, State};
use crate::state::{Backend, Change, Postgres, Redb, Replica, Save};
use crate::timestamp;

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
    let opened = spawn_blocking(move || Redb::open(&directory, upgrade)).await?;
    let embedded = opened.context("the record cannot be copied")?;
    let Some(replica) = lead::connect(postgres).await? else {
        bail!("the database does not answer");
    };
    let schema = postgres.name.clone();
    let copied = to_replica(embedded, replica, schema.clone()).await;
    let (scopes, pairs) = copied.context("the record was not copied, and nothing has changed")?;
    Ok(Copied {
        from: from.to_owned(),
        schema,
        scopes,
        pairs,
    })
}

async fn to_replica(embedded: Redb, replica: Arc<Replica>, schema: String) -> anyhow::Result<(usize, usize)> {
    if !replica.try_lock().await? {
        bail!("an exporter runs on the database: stop every replica first");
    }
    if !replica.is_empty().await? {
        bail!(
            "there is a record in the schema {schema} already; drop that schema, or give state.postgres.name another name"
        );
    }
    let term = replica.begin_term("a copy of an embedded record", 0).await?;
    let database = Postgres::new(Arc::clone(&replica), term).await?;
    let now = timestamp::seconds(SystemTime::now());
    let copied = spawn_blocking(move || {
        let mut saves = Vec::new();
        for scope in embedded.scopes()? {
            let pairs = embedded.load(&scope)?;
            let changes: Vec<Change> = pairs
                .iter()
                .map(|(place, value)| (place, Some(value.to_vec())))
                .collect();
            saves.push(Save { scope, changes, now });
        }
        database.commit(&saves)?;
        anyhow::Ok((saves.len(), saves.iter().map(|save| save.changes.len()).sum()))
    })
    .await?;
    replica.unlock().await;
    copied
}
