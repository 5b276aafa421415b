//! What somebody else has written into the tables is refused in words, and neither wraps nor ends in a panic.

use std::sync::Arc;

use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::state::{Backend, DatabaseError, Pairs, Postgres, Replica, Save, StateError};

use super::database::Database;
use super::session::connect;

fn save(region_id: &str) -> Save {
    Save {
        scope: Scope::new("production", region_id),
        changes: vec![((7, 1), Some(vec![1]))],
        now: 1_800_000_000,
    }
}

/// Begins with what is there.
async fn begin(replica: &Arc<Replica>) -> Result<Postgres, StateError> {
    let term = replica.begin_term("test", 0).await?;
    Postgres::new(Arc::clone(replica), term).await
}

/// Leads, reads the record, and saves two scopes that are new.
async fn use_it(replica: &Arc<Replica>) -> Result<Pairs, StateError> {
    let postgres = begin(replica).await?;
    let used = tokio::task::spawn_blocking(move || {
        let pairs = postgres.load(&save("a").scope)?;
        postgres.commit(&[save("b"), save("c")])?;
        Ok(pairs)
    });
    used.await.unwrap()
}

/// What is said of a record into whose tables somebody did this; the session goes on.
async fn refused_after(database: &Database, replica: &Arc<Replica>, statement: &str) -> String {
    let postgres = begin(replica).await.unwrap();
    let saved = tokio::task::spawn_blocking(move || postgres.commit(&[save("a")]));
    saved.await.unwrap().unwrap();
    database.ask(statement);
    let refused = match replica.known().await {
        Ok(_) => use_it(replica).await.unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    let advice = "the schema cloud_assistant_exporter of the database is damaged";
    assert!(
        refused.contains(advice) && refused.contains("restore it from a backup"),
        "{statement}: {refused}"
    );
    assert!(!replica.session().is_over(), "{}", replica.session().why());
    database.ask("drop schema cloud_assistant_exporter cascade");
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_this_program_never_writes_are_refused_by_their_names() {
    let database = Database::start();
    let replica = connect(&database).await;
    assert!(replica.try_lock().await.unwrap());
    for (change, said) in [
        (
            "record set kind = 256",
            "table record has kind = 256 where scope = 0",
        ),
        (
            "record set kind = -1",
            "table record has kind = -1 where scope = 0",
        ),
        (
            "scopes set scope = -1",
            "table scopes has scope = -1 for production/a",
        ),
        (
            "scopes set scope = 2147483647",
            "table scopes has scope = 2147483647 for production/a",
        ),
        ("scopes set scope = 2147483645", "table scopes has no number left"),
        (
            "scopes set last_used = -5",
            "table scopes has last_used = -5 for production/a",
        ),
        (
            "scopes set last_used = 4294967296",
            "table scopes has last_used = 4294967296",
        ),
        ("leadership set epoch = -7", "table leadership has epoch = -6"),
        (
            "leadership set revision = -7",
            "table leadership has revision = -7",
        ),
        ("format set version = -3", "table format has version = -3"),
        ("format set version = 0", "table format has version = 0"),
    ] {
        let refused = refused_after(
            &database,
            &replica,
            &format!("update cloud_assistant_exporter.{change}"),
        )
        .await;
        assert!(refused.contains(said), "{change}: {refused}");
    }
    use_it(&replica).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_other_types_are_refused_by_their_names() {
    let database = Database::start();
    let replica = connect(&database).await;
    assert!(replica.try_lock().await.unwrap());
    for (table, change, said) in [
        ("record", "alter kind type int", "table record has another kind"),
        (
            "record",
            "alter number type int using 1",
            "table record has another number",
        ),
        (
            "record",
            "alter value type text using 'text'",
            "table record has another value",
        ),
        (
            "scopes",
            "alter scope type bigint",
            "table scopes has another scope",
        ),
        (
            "scopes",
            "alter last_used type text",
            "table scopes has another last_used",
        ),
        (
            "leadership",
            "alter epoch type int",
            "table leadership has another epoch",
        ),
        (
            "leadership",
            "alter revision type numeric",
            "table leadership has another revision",
        ),
        (
            "leadership",
            "alter leader type bytea using ''",
            "table leadership has another leader",
        ),
        (
            "leadership",
            "alter lost_saves type int",
            "table leadership has another lost_saves",
        ),
        (
            "format",
            "alter version type numeric",
            "table format has another version",
        ),
    ] {
        let statement = format!("alter table cloud_assistant_exporter.{table} {change}");
        let refused = refused_after(&database, &replica, &statement).await;
        assert!(refused.contains(said), "{statement}: {refused}");
    }
    use_it(&replica).await.unwrap();
}

/// As a build from before the first release may have made them.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_missing_is_refused_by_its_name() {
    let database = Database::start();
    let replica = connect(&database).await;
    assert!(replica.try_lock().await.unwrap());
    for column in [
        "leadership drop lost_saves",
        "leadership drop lacks_saves",
        "record drop value",
    ] {
        begin(&replica).await.unwrap();
        database.ask(&format!("alter table cloud_assistant_exporter.{column}"));
        let refused = begin(&replica).await.unwrap_err();
        let is_refused = matches!(
            &refused,
            StateError::Database {
                error: DatabaseError::Refused(_),
                ..
            }
        );
        let said = refused.to_string();
        let name = column.rsplit(' ').next().unwrap();
        assert!(
            is_refused && said.contains(name) && said.contains("or drop the schema"),
            "{said}"
        );
        database.ask("drop schema cloud_assistant_exporter cascade");
    }
}
