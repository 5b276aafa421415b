//! The tables of the file: `format` has `version` and `revision`, `scopes` the scopes, `record` their pairs.

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

use crate::result::Seconds;
use crate::state::VERSION;

pub(super) const FORMAT: TableDefinition<'_, &str, u64> =
    TableDefinition::new("cloud_assistant_exporter_format");

/// By account and region.
pub(super) const SCOPES: TableDefinition<'_, (&str, &str), (u32, Seconds)> = TableDefinition::new("scopes");

/// By the number of the scope and the place.
pub(super) const RECORD: TableDefinition<'_, (u32, u8, u64), &[u8]> = TableDefinition::new("record");

/// In `format`: how many saves there have been.
pub(super) const REVISION: &str = "revision";

/// Makes the tables of a new file.
pub(super) fn begin(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.open_table(FORMAT)?.insert("version", VERSION)?;
    transaction.open_table(SCOPES)?;
    transaction.open_table(RECORD)?;
    transaction.commit()?;
    Ok(())
}

/// Numbers the save that is under way.
pub(super) fn next_revision(transaction: &WriteTransaction) -> Result<u64, redb::Error> {
    let mut format = transaction.open_table(FORMAT)?;
    let revision = format.get(REVISION)?.map_or(0, |found| found.value()) + 1;
    format.insert(REVISION, revision)?;
    Ok(revision)
}
