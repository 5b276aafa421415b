//! Which databases are refused, and why.

use tokio_postgres::SimpleQueryMessage;

use super::failure::POOLER;
use super::session::Session;
use crate::state::DatabaseError;

/// `idle_session_timeout`, on which the lease rests, is of this version.
const OLDEST: i32 = 140_000;

/// How often a pooler has the occasion to show itself.
const ROUNDS: u32 = 3;

impl Session {
    /// Refuses what the protocol cannot rest on, and sets what a role, a database or a reload of the server could change.
    pub(super) async fn check(&self) -> Result<(), DatabaseError> {
        let row = self
            .one(
                "select current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery(), \
                 current_setting('transaction_read_only') = 'on', current_setting('synchronous_commit')",
                &[],
            )
            .await?;
        let refuse = |why: String| Err(DatabaseError::Refused(why));
        if row.get::<_, i32>(0) < OLDEST {
            return refuse(format!(
                "PostgreSQL {} is too old: 14 or newer is needed, which ends sessions that are idle",
                row.get::<_, &str>(1)
            ));
        }
        if row.get(2) {
            return refuse(
                "the database is a standby that cannot be written to: state.postgres.url must lead to the primary, which \
                 RDS and PolarDB have an endpoint for"
                    .to_owned(),
            );
        }
        if row.get(3) {
            return refuse(
                "the database is read-only for this user (default_transaction_read_only): set it to off"
                    .to_owned(),
            );
        }
        let synchronous: &str = row.get(4);
        if matches!(synchronous, "off" | "local") {
            return refuse(format!(
                "synchronous_commit is {synchronous} for this user or database, so that a save can be lost after it was \
                 shown: set it to on (alter role … set synchronous_commit = on)"
            ));
        }
        // Above what is needed is left as it is. Set all the same, so that no reload of the server reaches this session; and
        // that a commit may be lost is told by a warning, which a role or a database can have turned off.
        let synchronous = match synchronous {
            "remote_apply" => "remote_apply",
            _ => "on",
        };
        self.batch(&format!(
            "set synchronous_commit = {synchronous}; set client_min_messages = warning"
        ))
        .await
    }

    /// Refuses a pooler, which gives the same session of the server to several clients in turn: while `other` is within
    /// a transaction, this session must be what it was. `other` is a further session like this one.
    pub(super) async fn refuse_pooler(&self, other: &Self) -> Result<(), DatabaseError> {
        let mine = self.process().await?;
        for _ in 0..ROUNDS {
            // A pooler that takes its sessions in turn gives another one now, one that takes the last gives it to `other`.
            let before = self.process().await?;
            other.batch("begin").await?;
            let others = other.process().await;
            let again = self.process().await;
            other.batch("rollback").await?;
            if mine == others? || mine != before || mine != again? {
                return Err(DatabaseError::Refused(POOLER.to_owned()));
            }
        }
        Ok(())
    }

    /// Which process of the server this session is.
    pub(super) async fn process(&self) -> Result<i32, DatabaseError> {
        // Nothing is prepared, which would be closed when this has its answer, and keep the session from being given away.
        let asked = self.client.simple_query("select pg_backend_pid()");
        let answer = self.run(asked).await?;
        let process = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        process.ok_or_else(|| DatabaseError::Failed("the process of the session was not told".to_owned()))
    }
}
