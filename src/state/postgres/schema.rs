//! The tables, and the statements on them.

use tokio_postgres::Statement;

use super::session::Session;
use crate::state::{DatabaseError, VERSION};

/// `number` is stored so that the order of signed numbers is that of the places.
pub(super) fn stored(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

/// The other way round.
pub(super) fn number(stored: i64) -> u64 {
    stored.cast_unsigned() ^ (1 << 63)
}

/// Makes the tables. Done by whoever has the lock. `create schema if not exists` wants the right to make schemas also
/// where there is one.
pub(super) fn create(schema: &str) -> String {
    format!(
        "do $$ begin
           if to_regnamespace('{schema}') is null then create schema {schema}; end if;
         end $$;
         create table {schema}.format (
           only_row boolean primary key default true check (only_row), version bigint not null);
         insert into {schema}.format (version) values ({VERSION});
         create table {schema}.leadership (
           only_row boolean primary key default true check (only_row), epoch bigint not null, revision bigint not null,
           leader text not null, since timestamptz not null, lost_saves bigint not null, lacks_saves boolean not null) with (fillfactor = 50);
         insert into {schema}.leadership values (true, 0, 0, '', now(), 0, false);
         create table {schema}.scopes (
           scope int primary key, account text not null, region_id text not null, last_used bigint not null,
           unique (account, region_id));
         create table {schema}.record (
           scope int not null, kind smallint not null, number bigint not null, value bytea not null,
           primary key (scope, kind, number)) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);"
    )
}

/// What is done again and again, prepared once.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) next_revision: Statement,
    pub(super) scopes: Statement,
    pub(super) set_scopes: Statement,
    pub(super) forget_scopes: Statement,
    pub(super) forget_records: Statement,
    pub(super) load: Statement,
    pub(super) set: Statement,
    pub(super) remove: Statement,
}

impl Statements {
    pub(super) async fn prepare(session: &Session, schema: &str) -> Result<Self, DatabaseError> {
        // The record is read in the order of its key, which the index has. Before the database has counted the rows it would
        // rather sort them all, a million of them on its disk.
        session.batch("set enable_sort = off").await?;
        let prepare = async |statement: &str| {
            let statement = statement.replace("{schema}", schema);
            session.run(session.client.prepare(&statement)).await
        };
        Ok(Self {
            // The fence: a session that is not the leader's of this epoch changes nothing.
            next_revision: prepare(
                "update {schema}.leadership set revision = revision + 1, lacks_saves = lacks_saves and not $2 \
                 where epoch = $1 returning revision",
            )
            .await?,
            scopes: prepare("select scope, account, region_id, last_used from {schema}.scopes").await?,
            set_scopes: prepare(
                "insert into {schema}.scopes (scope, account, region_id, last_used) \
                 select * from unnest($1::int[], $2::text[], $3::text[], $4::bigint[]) \
                 on conflict (account, region_id) do update set last_used = excluded.last_used",
            )
            .await?,
            forget_scopes: prepare("delete from {schema}.scopes where scope = any($1::int[])").await?,
            forget_records: prepare("delete from {schema}.record where scope = any($1::int[])").await?,
            load: prepare(
                "select kind, number, value from {schema}.record where scope = $1 order by kind, number",
            )
            .await?,
            set: prepare(
                "insert into {schema}.record (scope, kind, number, value) \
                 select * from unnest($1::int[], $2::smallint[], $3::bigint[], $4::bytea[]) \
                 on conflict (scope, kind, number) do update set value = excluded.value",
            )
            .await?,
            remove: prepare(
                "delete from {schema}.record as gone using unnest($1::int[], $2::smallint[], $3::bigint[]) \
                 as named (scope, kind, number) \
                 where (gone.scope, gone.kind, gone.number) = (named.scope, named.kind, named.number)",
            )
            .await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order() {
        let numbers = [0, 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX];
        let stored = numbers.map(stored);
        assert!(stored.is_sorted(), "{stored:?}");
        assert_eq!(stored.map(number), numbers);
    }
}
