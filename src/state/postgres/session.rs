//! The one session of a replica with the database: the lock is its, and every statement goes through it.
//!
//! The server ends a session that has been idle for as long as the lease, and with it the lock. It begins to wait once
//! it has worked through a statement, which is after that was sent: so the lease that is counted from there, less a
//! margin, is over before the server's.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::error::Severity;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Error, Row, Statement, ToStatement};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::failure::{of_connecting, of_statement, said};
use super::tls::Tls;
use crate::config::{self, Given, Postgres};
use crate::lease::{self, Lease};
use crate::regular_file;
use crate::secret::Secret;
use crate::state::DatabaseError;

/// For the way to the server; a name is looked up each time, since it moves with a failover.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// For everything until the first statement can be sent.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

/// Whoever waits for a lock of a row that long waits for somebody's mistake.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

const LONGEST_URL_FILE: u64 = 64 << 10;

/// A session.
#[derive(Debug)]
pub struct Session {
    pub(super) client: Client,
    /// Where it leads.
    pub(super) url: Secret,
    length: Duration,
    ending: Arc<Ending>,
    connection: AbortHandle,
}

/// What a statement is told.
type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How a session ends: at once for everybody.
#[derive(Debug, Default)]
struct Ending {
    lease: Lease,
    over: CancellationToken,
    why: OnceLock<String>,
    /// Warnings of the server so far.
    warnings: AtomicU64,
}

impl Session {
    /// Connects, and sets what the lease rests on.
    ///
    /// # Errors
    /// When there is no such database, or it does not answer.
    pub(super) async fn connect(postgres: &Postgres) -> Result<Self, DatabaseError> {
        let (url, mut database, tls) = prepared(postgres.clone()).await?;
        database
            .application_name("cloud-assistant-exporter")
            .connect_timeout(CONNECT_WITHIN)
            .tcp_user_timeout(postgres.lease)
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3);
        if database.get_hosts().len() > 1 {
            database.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let connecting = timeout(BEGIN_WITHIN, database.connect(tls)).await;
        let (client, mut connection) = connecting
            .map_err(|_| DatabaseError::Gone(format!("no answer within {BEGIN_WITHIN:?}")))?
            .map_err(|error| of_connecting(&error))?;
        let ending = Arc::new(Ending::default());
        let of_connection = Arc::clone(&ending);
        let connection = tokio::spawn(async move {
            // Also when this is aborted.
            let _end = EndWhenDropped(Arc::clone(&of_connection));
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notice(notice))) => of_connection.noticed(&notice),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return of_connection.end(said(&error)),
                    None => return of_connection.end("the connection was closed".to_owned()),
                }
            }
        });
        Ok(Self {
            client,
            url,
            length: postgres.lease,
            ending,
            connection: connection.abort_handle(),
        })
    }

    /// Sets for how long the server waits for this session: for each statement, and between two. A whole transaction may take
    /// as long as it likes (PostgreSQL 17 has a timeout for that).
    pub(super) async fn set_lease(&self) -> Result<(), DatabaseError> {
        let lease = self.length.as_millis();
        let statement = (self.length - Duration::from_secs(1)).as_millis();
        let settings = format!(
            "set idle_session_timeout = {lease}; set idle_in_transaction_session_timeout = {lease}; \
             set statement_timeout = {statement}; set lock_timeout = {}; set tcp_user_timeout = {lease}; \
             set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3; \
             select set_config(name, '0', false) from pg_settings where name = 'transaction_timeout'",
            LOCK_WITHIN.as_millis()
        );
        self.batch(&settings).await
    }

    /// Has a statement done. Where no answer comes in time the session is over: what came of it is unknown, and no
    /// request to cancel it is ever sent, since that can make a commit that is not durable look as if it were.
    pub(super) async fn run<T>(
        &self,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, DatabaseError> {
        let sent = lease::now();
        match timeout(self.length, statement).await {
            Ok(Ok(done)) => {
                self.ending.lease.answered(sent, self.length);
                Ok(done)
            }
            Ok(Err(error)) if error.as_db_error().is_some() && !self.client.is_closed() => {
                Err(of_statement(&error))
            }
            Ok(Err(error)) => Err(DatabaseError::Gone(self.end(said(&error)))),
            Err(_) => {
                let why = format!("the database has not answered within {:?}", self.length);
                Err(DatabaseError::Gone(self.end(why)))
            }
        }
    }

    /// Has several statements done, without parameters.
    pub(super) async fn batch(&self, statements: &str) -> Result<(), DatabaseError> {
        self.run(self.client.batch_execute(statements)).await
    }

    /// The one row of an answer.
    pub(super) async fn one(
        &self,
        statement: &str,
        parameters: Parameters<'_>,
    ) -> Result<Row, DatabaseError> {
        self.run(self.client.query_one(statement, parameters)).await
    }

    /// The row of an answer that may have none.
    pub(super) async fn row(
        &self,
        statement: &(impl ToStatement + ?Sized),
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, DatabaseError> {
        self.run(self.client.query_opt(statement, parameters)).await
    }

    /// Has a statement done that answers nothing.
    pub(super) async fn execute(
        &self,
        statement: &Statement,
        parameters: Parameters<'_>,
    ) -> Result<(), DatabaseError> {
        self.run(self.client.execute(statement, parameters)).await?;
        Ok(())
    }

    /// Commits. A transaction in which something has failed is refused: a bare commit would roll it back, and be answered
    /// as if it were done. A warning on the way says that the standby of the database may lack it: then nobody knows
    /// whether it is saved, and the session is over.
    pub(super) async fn commit(&self) -> Result<(), DatabaseError> {
        let before = self.ending.warnings.load(Ordering::Acquire);
        // Where something has failed, the first of both fails, and the second is not done.
        if let Err(error) = self.batch("select 1; commit").await {
            let _ = self.batch("rollback").await;
            return Err(error);
        }
        if self.ending.warnings.load(Ordering::Acquire) == before {
            return Ok(());
        }
        let why = "the database warned while it committed, so that a standby of it may lack what was saved";
        Err(DatabaseError::Gone(self.end(why.to_owned())))
    }

    /// Ends it, unless it is over already; says why it is.
    pub fn end(&self, why: String) -> String {
        self.ending.end(why);
        self.connection.abort();
        self.why()
    }

    /// Ends once it is over.
    pub fn over(&self) -> WaitForCancellationFuture<'_> {
        self.ending.over.cancelled()
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.ending.over.is_cancelled()
    }

    /// Why it is over.
    pub fn why(&self) -> String {
        let why = self.ending.why.get().cloned();
        why.unwrap_or_else(|| "the connection has ended".to_owned())
    }

    /// Until when whoever has the lock may show what it has.
    pub fn lease(&self) -> &Lease {
        &self.ending.lease
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Ending {
    fn noticed(&self, notice: &tokio_postgres::error::DbError) {
        let is_warning = notice.parsed_severity() == Some(Severity::Warning);
        if is_warning {
            self.warnings.fetch_add(1, Ordering::AcqRel);
            tracing::warn!(message = notice.message(), "the database warns");
        }
    }

    fn end(&self, why: String) {
        self.lease.end();
        let _ = self.why.set(why);
        self.over.cancel();
    }
}

struct EndWhenDropped(Arc<Ending>);

impl Drop for EndWhenDropped {
    fn drop(&mut self) {
        self.0.end("the connection has ended".to_owned());
    }
}

/// What is read from files, off the async threads.
async fn prepared(postgres: Postgres) -> Result<(Secret, tokio_postgres::Config, Tls), DatabaseError> {
    let path = match (&postgres.url, &postgres.ca_file) {
        (Given::File(path), _) => path.clone(),
        (Given::Value(_), path) => path.clone().unwrap_or_default(),
    };
    let read = move || {
        let url = match &postgres.url {
            Given::Value(url) => url.clone(),
            Given::File(file) => {
                let wrong = |what: String| format!("state.postgres.url_file, {}, {what}", file.display());
                let bytes = regular_file::read(file, LONGEST_URL_FILE)
                    .map_err(|error| wrong(format!("cannot be read: {error}")))?;
                let text = String::from_utf8(bytes).map_err(|_| wrong("is not text".to_owned()))?;
                Secret::new(text.trim())
            }
        };
        let mut database = config::database(&url).map_err(|wrong| format!("state.postgres.url {wrong}"))?;
        // Who names the authority of the server's certificate wants it verified, which plain text has none of.
        if postgres.ca_file.is_some() && database.get_ssl_mode() == SslMode::Prefer {
            database.ssl_mode(SslMode::Require);
        }
        Ok((url, database, Tls::new(postgres.ca_file.as_deref())?))
    };
    match regular_file::in_time(&path, read).await {
        Ok(read) => read.map_err(DatabaseError::Refused),
        Err(error) => Err(DatabaseError::Gone(format!(
            "state.postgres.url or ca_file cannot be read: {error}"
        ))),
    }
}
