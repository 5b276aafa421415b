//! What the database, or the way to it, says.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::state::DatabaseError;

/// An error in words: what the server said, or why it could not be asked.
pub(super) fn said(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        let mut said = format!("{} (SQLSTATE {})", error.message(), error.code().code());
        if let Some(detail) = error.detail() {
            said.push_str(": ");
            said.push_str(detail);
        }
        return said;
    }
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    said
}

/// Why there is no connection.
pub(super) fn of_connecting(error: &Error) -> DatabaseError {
    let said = said(error);
    let advice = match error.code() {
        Some(code) if code.code().starts_with("28") => "check user and password in state.postgres.url",
        Some(&SqlState::INVALID_CATALOG_NAME) => "make that database, or name another in state.postgres.url",
        Some(&SqlState::PROTOCOL_VIOLATION) => {
            "whatever answers there refuses how it is asked; state.postgres.url must lead to the database itself, not to \
             a pooler"
        }
        _ => return DatabaseError::Gone(said),
    };
    DatabaseError::Refused(format!("the database refuses the connection: {said}; {advice}"))
}

/// What is said of a pooler.
pub(super) const POOLER: &str = "state.postgres.url leads to a pooler that gives away the session between transactions, and with \
                                 it the lock by which one replica leads: use the port of the database itself (RDS: not that \
                                 of PgBouncer; PolarDB: the primary endpoint)";

/// What is said where the lock has not kept another replica from leading.
pub(super) const ANOTHER_LEADS: &str = "another replica leads, although this one has the lock: state.postgres.url must lead to the \
                                        database itself, not to a pooler";

/// Why a statement was not done, in a session that goes on.
pub(super) fn of_statement(error: &Error) -> DatabaseError {
    let said = said(error);
    match error.code() {
        // A session of one's own has what was prepared in it, and nothing that others have.
        Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT) => {
            DatabaseError::Refused(format!("{POOLER}: {said}"))
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => DatabaseError::Refused(format!(
            "the user of state.postgres.url lacks a right: {said}; it must be able to make the schema (CREATE on the \
             database), or own it"
        )),
        // Asking again is no use.
        Some(&SqlState::UNDEFINED_COLUMN) => DatabaseError::Refused(format!(
            "the tables in the schema of state.postgres.name are not those that this program makes: {said}; restore them from \
             a backup, or drop the schema to begin again from nothing: counters then start at 0"
        )),
        _ => DatabaseError::Failed(said),
    }
}
