//! One replica among several: which of them leads is who has the lock.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::failure::{ANOTHER_LEADS, said};
use super::schema;
use super::session::Session;
use crate::config::Postgres;
use crate::result::Seconds;
use crate::secret::Secret;
use crate::state::{DatabaseError, StateError, VERSION};

/// How long the end of a holder that does not move is waited for.
const BREAK_WITHIN: Duration = Duration::from_secs(1);

/// A replica's session, before it leads.
#[derive(Debug)]
pub struct Replica {
    pub(super) session: Session,
    pub(super) schema: String,
    lock: i64,
    lease: Duration,
}

/// What the database says of who leads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// How often a leader was made.
    pub epoch: u64,
    /// The number of the last save.
    pub revision: u64,
    /// Who leads, or led last.
    pub leader: String,
    /// Since when.
    pub since: Seconds,
}

/// Whoever has the lock.
#[derive(Debug)]
struct Holder {
    process: i32,
    /// For so long it has neither begun nor ended a statement.
    still: Duration,
    /// It waits for the standby of the database, as whoever came next would.
    waits_for_replication: bool,
}

/// A time in which a replica leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// How often a leader was made.
    pub epoch: u64,
    /// The number of the last save, when it began: no save that was seen has a higher one.
    pub revision: u64,
    /// Saves that were seen, and that the database turned out to lack.
    pub missing_saves: u64,
    /// Saves that it has ever lost, these included.
    pub lost_saves: u64,
    /// Whether the record lacks saves that were seen, and not everything was read again since.
    pub lacks_saves: bool,
}

impl Replica {
    /// Connects, and looks whether the protocol can rest on what answers.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn connect(postgres: &Postgres) -> Result<Self, DatabaseError> {
        let session = Session::connect(postgres).await?;
        session.check().await?;
        session.set_lease().await?;
        let Postgres { name, lease, .. } = postgres;
        check_schema(&session, name).await?;
        let key = Sha256::digest(format!("cloud-assistant-exporter/{name}"));
        let mut lock = [0; 8];
        lock.copy_from_slice(&key[..8]);
        Ok(Self {
            session,
            schema: name.clone(),
            lock: i64::from_be_bytes(lock),
            lease: *lease,
        })
    }

    /// The same, and refuses a pooler, which takes a second connection to tell: not where the URL is `direct`, which leads
    /// to none. A file may have another one at each connection.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn connect_to_database(
        postgres: &Postgres,
        direct: Option<&Secret>,
    ) -> Result<Self, DatabaseError> {
        let replica = Self::connect(postgres).await?;
        if direct != Some(replica.url()) {
            let other = Session::connect(postgres).await?;
            if other.url != replica.session.url {
                return Err(DatabaseError::Gone(
                    "state.postgres.url has changed meanwhile".to_owned(),
                ));
            }
            replica.session.refuse_pooler(&other).await?;
        }
        Ok(replica)
    }

    /// Where the session leads.
    pub fn url(&self) -> &Secret {
        &self.session.url
    }

    /// The session that everything goes through.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Takes the lock, if nobody has it. It is never waited for: whoever waits in that call keeps the database from
    /// cleaning up.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn try_lock(&self) -> Result<bool, DatabaseError> {
        let locked = self
            .session
            .one("select pg_try_advisory_lock($1)", &[&self.lock])
            .await?;
        Ok(locked.get(0))
    }

    /// Asks for nothing but an answer.
    ///
    /// # Errors
    /// When there is none.
    pub async fn beat(&self) -> Result<(), DatabaseError> {
        self.session.batch("select 1").await
    }

    /// Looks whether the term with this number is still the last one, as it is for as long as this replica has the lock. A
    /// session that is not one's own has it and loses it with others: it is ended.
    ///
    /// # Errors
    /// When the database does not answer, or another term has begun.
    pub async fn still_leads(&self, epoch: u64) -> Result<(), DatabaseError> {
        let last = format!("select epoch from {}.leadership", self.schema);
        let row = self.session.row(&last, &[]).await?;
        match row.map(|row| self.count(&row, 0)).transpose()? {
            Some(last) if last != epoch => {
                Err(DatabaseError::Gone(self.session.end(ANOTHER_LEADS.to_owned())))
            }
            _ => Ok(()),
        }
    }

    /// Gives the lock back, and keeps the session; whether that could be done.
    pub async fn give_lock_back(&self) -> bool {
        self.session
            .batch("select pg_advisory_unlock_all()")
            .await
            .is_ok()
    }

    /// Gives the lock back, so that another replica leads at once.
    pub async fn unlock(&self) {
        self.give_lock_back().await;
        self.session
            .end("this replica has given the leadership up".to_owned());
    }

    /// Who leads; nobody where none ever has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn known(&self) -> Result<Option<Known>, DatabaseError> {
        if !has(&self.session, &self.schema, "leadership").await? {
            return Ok(None);
        }
        let known = format!(
            "select epoch, revision, leader, extract(epoch from since)::bigint from {}.leadership where epoch > 0",
            self.schema
        );
        let Some(row) = self.session.row(&known, &[]).await? else {
            return Ok(None);
        };
        Ok(Some(Known {
            epoch: self.count(&row, 0)?,
            revision: self.count(&row, 1)?,
            leader: self.column(&row, "leadership", 2)?,
            since: Seconds::try_from(self.column::<i64>(&row, "leadership", 3)?).unwrap_or_default(),
        }))
    }

    /// Ends the session of a holder that has not moved for twice the lease. The server does so itself after one lease,
    /// but not where it waits for the rest of a message.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn break_stuck(&self) -> Result<(), DatabaseError> {
        let Some(holder) = self.holder().await? else {
            return Ok(());
        };
        if holder.still < self.lease * 2 || holder.waits_for_replication {
            return Ok(());
        }
        tracing::warn!(
            process = holder.process,
            still = ?holder.still,
            "whoever has the lock of the leader has not moved for twice the lease: its session is ended"
        );
        let wait = i64::try_from(BREAK_WITHIN.as_millis()).unwrap_or(i64::MAX);
        self.session
            .one("select pg_terminate_backend($1, $2)", &[&holder.process, &wait])
            .await?;
        Ok(())
    }

    /// Whether somebody has the lock.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_locked(&self) -> Result<bool, DatabaseError> {
        Ok(self.holder().await?.is_some())
    }

    async fn holder(&self) -> Result<Option<Holder>, DatabaseError> {
        // A lock of one bigint is shown as its two halves.
        let row = self
            .session
            .row(
                "select a.pid, extract(epoch from clock_timestamp() - a.state_change)::float8, \
             coalesce(a.wait_event = 'SyncRep', false) \
             from pg_locks l join pg_stat_activity a using (pid) \
             where l.locktype = 'advisory' and l.granted and l.objsubid = 1 \
             and l.database = (select oid from pg_database where datname = current_database()) \
             and (l.classid::bigint << 32) | l.objid::bigint = $1 and a.state_change is not null",
                &[&self.lock],
            )
            .await?;
        Ok(row.map(|row| Holder {
            process: row.get(0),
            still: Duration::try_from_secs_f64(row.get(1)).unwrap_or_default(),
            waits_for_replication: row.get(2),
        }))
    }

    /// Whether there is no record yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_empty(&self) -> Result<bool, DatabaseError> {
        if !has(&self.session, &self.schema, "scopes").await? {
            return Ok(true);
        }
        let is_empty = format!(
            "select not exists (select from {0}.scopes) and not exists (select from {0}.record)",
            self.schema
        );
        Ok(self.session.one(&is_empty, &[]).await?.get(0))
    }

    /// Begins to lead: makes the tables where there are none, and notes who leads, and that the record lacks saves where
    /// its last one is before `seen`. Those are lost, and counted so, once: the next save has a number behind them, so that
    /// whoever has seen them misses nothing any more, and a further loss is one. It must have the lock.
    ///
    /// # Errors
    /// When the tables are of a later version, or the database does not answer.
    pub async fn begin_term(&self, name: &str, seen: u64) -> Result<Term, StateError> {
        let failed = |error: DatabaseError| error.while_being("opened");
        let version = version(&self.session, &self.schema).await.map_err(failed)?;
        match version {
            Some(VERSION) => {}
            None => {
                tracing::info!(schema = self.schema, "making the tables of the record");
                self.transaction(&schema::create(&self.schema))
                    .await
                    .map_err(failed)?;
            }
            Some(version) if version > VERSION => {
                return Err(StateError::NewerDatabase {
                    schema: self.schema.clone(),
                    version,
                    supported: VERSION,
                });
            }
            Some(version) => {
                let what = format!("table format has version = {version}, which never was");
                return Err(failed(self.damaged(what)));
            }
        }
        // A transaction of its own, whose end is a commit like others.
        self.session.batch("begin").await.map_err(failed)?;
        match self.noted_term(name, seen).await {
            Ok(term) => {
                self.session.commit().await.map_err(failed)?;
                Ok(term)
            }
            Err(error) => {
                let _ = self.session.batch("rollback").await;
                Err(failed(error))
            }
        }
    }

    async fn noted_term(&self, name: &str, seen: u64) -> Result<Term, DatabaseError> {
        // The one row beside itself, as it was: what is returned of a row is as it has become.
        let begin = format!(
            "update {0}.leadership as led set epoch = led.epoch + 1, leader = $1, since = now(), \
             revision = greatest(led.revision, $2), lost_saves = led.lost_saves + greatest($2 - led.revision, 0), \
             lacks_saves = led.lacks_saves or led.revision < $2 from {0}.leadership as before \
             returning led.epoch, led.revision, led.lost_saves, led.lacks_saves, before.revision",
            self.schema
        );
        let row = self.session.row(&begin, &[&name, &seen.cast_signed()]).await?;
        let row = row.ok_or_else(|| self.damaged("its table leadership is empty".to_owned()))?;
        let before = self.count(&row, 4)?;
        Ok(Term {
            epoch: self.count(&row, 0)?,
            revision: self.count(&row, 1)?,
            missing_saves: seen.saturating_sub(before),
            lost_saves: self.count(&row, 2)?,
            lacks_saves: self.column(&row, "leadership", 3)?,
        })
    }

    /// What was read is not what this program writes: asking again is no use.
    pub(super) fn damaged(&self, what: String) -> DatabaseError {
        damaged(&self.schema, what)
    }

    /// What a row of this table has in a column.
    pub(super) fn column<'r, T: FromSql<'r>>(
        &self,
        row: &'r Row,
        table: &str,
        column: usize,
    ) -> Result<T, DatabaseError> {
        self::column(&self.schema, row, table, column)
    }

    /// A number of the table `leadership`.
    fn count(&self, row: &Row, column: usize) -> Result<u64, DatabaseError> {
        let value: i64 = self.column(row, "leadership", column)?;
        let wrong = |_| {
            let name = row.columns()[column].name();
            self.damaged(format!(
                "table leadership has {name} = {value}, which counts from 0"
            ))
        };
        u64::try_from(value).map_err(wrong)
    }

    /// Does these statements, all of them or none.
    async fn transaction(&self, statements: &str) -> Result<(), DatabaseError> {
        self.session.batch("begin").await?;
        if let Err(error) = self.session.batch(statements).await {
            let _ = self.session.batch("rollback").await;
            return Err(error);
        }
        self.session.commit().await
    }
}

fn damaged(schema: &str, what: String) -> DatabaseError {
    let damaged = StateError::DamagedDatabase {
        schema: schema.to_owned(),
        what,
    };
    DatabaseError::Refused(damaged.to_string())
}

/// What a row has in a column of a table that somebody may have altered.
fn column<'r, T: FromSql<'r>>(
    schema: &str,
    row: &'r Row,
    table: &str,
    column: usize,
) -> Result<T, DatabaseError> {
    row.try_get(column).map_err(|error| {
        let name = row.columns()[column].name();
        damaged(
            schema,
            format!("table {table} has another {name}: {}", said(&error)),
        )
    })
}

/// The version of the tables; none where there are none.
async fn version(session: &Session, schema: &str) -> Result<Option<u64>, DatabaseError> {
    if !has(session, schema, "format").await? {
        return Ok(None);
    }
    let version = format!("select version from {schema}.format");
    let row = session.row(&version, &[]).await?;
    let version: i64 = match &row {
        Some(row) => column(schema, row, "format", 0)?,
        None => 0,
    };
    let wrong = |_| {
        let what = format!("table format has version = {version}, which never was");
        damaged(schema, what)
    };
    u64::try_from(version).map(Some).map_err(wrong)
}

/// Whether there is such a table.
async fn has(session: &Session, schema: &str, table: &str) -> Result<bool, DatabaseError> {
    let table = format!("{schema}.{table}");
    let exists = session
        .one("select to_regclass($1) is not null", &[&table])
        .await?;
    Ok(exists.get(0))
}

/// Refuses tables of a later version, and a user who could neither use the tables nor make them. Whoever leads first
/// would find that out, and end.
async fn check_schema(session: &Session, schema: &str) -> Result<(), DatabaseError> {
    let refuse = |why: String| Err(DatabaseError::Refused(why));
    match version(session, schema).await? {
        Some(version) if version > VERSION => {
            let newer = StateError::NewerDatabase {
                schema: schema.to_owned(),
                version,
                supported: VERSION,
            };
            refuse(newer.to_string())
        }
        Some(_) => {
            let may = format!(
                "select has_table_privilege('{schema}.record', 'insert') and has_table_privilege('{schema}.record', 'delete') \
                 and has_table_privilege('{schema}.leadership', 'update')"
            );
            match session.one(&may, &[]).await?.get(0) {
                true => Ok(()),
                false => refuse(format!(
                    "the user of state.postgres.url may not write to the tables of the schema {schema}: let it own them"
                )),
            }
        }
        None => {
            let may = "select case when to_regnamespace($1) is null \
                       then has_database_privilege(current_database(), 'create') \
                       else has_schema_privilege($1, 'create') end";
            match session.one(may, &[&schema]).await?.get(0) {
                true => Ok(()),
                false => refuse(format!(
                    "the user of state.postgres.url may not make the tables of the record: let it own a schema {schema} \
                     (create schema {schema} authorization …), or give it CREATE on the database"
                )),
            }
        }
    }
}
