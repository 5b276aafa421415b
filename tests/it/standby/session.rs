//! What is done in the one session that a leader has: one thing at a time, and what failed is not taken for done.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cloud_assistant_exporter::config::{self, State};
use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::state::{Backend, Change, Pairs, Postgres, Replica, Save, Store};

use super::database::Database;
use super::replication::WAITING;
use crate::exporter::wait_until;

const ROUNDS: u32 = 200;

pub async fn connect(database: &Database) -> Arc<Replica> {
    let url = "CLOUD_ASSISTANT_EXPORTER__STATE__POSTGRES__URL".to_owned();
    let config = config::load(None, [(url, database.url())]).unwrap();
    let State::Postgres(postgres) = config.state else {
        panic!("{:?}", config.state);
    };
    Arc::new(Replica::connect(&postgres).await.unwrap())
}

fn only_value(pairs: &Pairs) -> Result<Vec<u8>, String> {
    Ok(pairs.iter().flat_map(|(_, value)| value.to_vec()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn saves_and_housekeeping_at_once_are_done_in_turn() {
    let database = Database::start();
    let replica = connect(&database).await;
    assert!(replica.try_lock().await.unwrap());
    let term = replica.begin_term("test", 0).await.unwrap();
    let postgres = Postgres::new(Arc::clone(&replica), term).await.unwrap();
    let revision = postgres.revision();
    let store = Arc::new(Store::new(postgres));
    let scope = Scope::new("production", "cn-hangzhou");
    store.save(&scope, [((0, 0), Some(vec![0]))], 0).await.unwrap();

    let housekeeping = {
        let (store, scope) = (Arc::clone(&store), scope.clone());
        tokio::task::spawn_blocking(move || {
            for round in 1..=ROUNDS {
                // An hour later each time, so that there is something to write.
                let forgotten = store.forget_unused(std::slice::from_ref(&scope), round * 3600);
                assert_eq!(forgotten.unwrap(), []);
            }
        })
    };
    for round in 1..=ROUNDS {
        let value = round.to_le_bytes().to_vec();
        store
            .save(&scope, [((0, 0), Some(value.clone()))], 0)
            .await
            .unwrap();
        let (store, scope) = (Arc::clone(&store), scope.clone());
        let loaded = tokio::task::spawn_blocking(move || store.load(&scope, only_value));
        assert_eq!(loaded.await.unwrap().unwrap(), value);
    }
    housekeeping.await.unwrap();
    assert!(!replica.session().is_over(), "{}", replica.session().why());
    let saved = database.ask("select revision from cloud_assistant_exporter.leadership");
    assert_eq!(saved, revision.load(Ordering::Acquire).to_string());
    assert_eq!(saved, (1 + 2 * ROUNDS).to_string());
}

/// Whoever has seen the number of a save that is lost, and whenever: it is lost once.
#[tokio::test]
async fn a_loss_is_counted_once_and_a_further_one_again() {
    let database = Database::start();
    let replica = connect(&database).await;
    assert!(replica.try_lock().await.unwrap());
    // What was seen; and what is missing then, was ever lost, and the number that the next save is behind.
    for (seen, missing, lost, revision) in [
        (0, 0, 0, 0),
        (10, 10, 10, 10),
        (10, 0, 10, 10),
        (7, 0, 10, 10),
        (12, 2, 12, 12),
    ] {
        let term = replica.begin_term("test", seen).await.unwrap();
        let is = (term.missing_saves, term.lost_saves, term.revision);
        assert_eq!(is, (missing, lost, revision), "{seen}");
        assert_eq!(term.lacks_saves, seen > 0, "until all is found again");
    }
}

/// A save that nobody waits for any more is committed with the next one of its scope.
#[tokio::test(flavor = "multi_thread")]
async fn saves_of_one_scope_that_are_committed_together_are_done_in_their_order() {
    let database = Database::start();
    let replica = connect(&database).await;
    assert!(replica.try_lock().await.unwrap());
    let term = replica.begin_term("test", 0).await.unwrap();
    let postgres = Postgres::new(Arc::clone(&replica), term).await.unwrap();
    let save = |region_id: &str, changes: &[Change]| Save {
        scope: Scope::new("production", region_id),
        changes: changes.to_vec(),
        now: 0,
    };
    let (set, removed) = (|value: u8| Some(vec![value]), None::<Vec<u8>>);
    let saves = [
        save(
            "a",
            &[((0, 0), set(1)), ((0, 1), set(1)), ((0, 2), removed.clone())],
        ),
        save("b", &[((0, 0), set(7))]),
        save("a", &[((0, 0), set(2)), ((0, 1), removed), ((0, 2), set(2))]),
    ];
    let saved = tokio::task::spawn_blocking(move || {
        postgres.commit(&saves).unwrap();
        ["a", "b"].map(|region_id| {
            let pairs = postgres.load(&Scope::new("production", region_id)).unwrap();
            pairs
                .iter()
                .map(|((_, number), value)| (number, value.to_vec()))
                .collect::<Vec<_>>()
        })
    });
    let (a, b) = (vec![(0, vec![2]), (2, vec![2])], vec![(0, vec![7])]);
    assert_eq!(saved.await.unwrap(), [a, b]);
}

/// PostgreSQL answers the commit of a transaction in which something has failed by rolling it back, which is no error.
#[tokio::test]
async fn a_transaction_that_has_failed_is_not_taken_for_a_commit() {
    let database = Database::start();
    connect(&database).await.begin_term("test", 0).await.unwrap();
    // So that this fails whenever it is asked.
    database.ask("revoke select on cloud_assistant_exporter.scopes from exporter");
    let mut refused = 0;
    for round in 0..80 {
        let replica = connect(&database).await;
        let disturbing = async {
            loop {
                assert!(replica.is_empty().await.is_err());
            }
        };
        let beginning = async {
            // At another point of what disturbs each time.
            for _ in 0..round % 8 {
                replica.beat().await.unwrap();
            }
            replica.begin_term("test", 0).await
        };
        let begun = tokio::select! {
            begun = beginning => begun,
            () = disturbing => unreachable!(),
        };
        match begun {
            Ok(term) => {
                let saved = database.ask("select epoch from cloud_assistant_exporter.leadership");
                assert_eq!(saved, term.epoch.to_string());
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "nothing came in between");
}

/// Whatever a role has set, and whatever a reload of the server sets while a replica leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_save_waits_for_the_standby_and_a_warning_on_the_way_counts() {
    let database = Database::start();
    let set = |setting: &str, value: &str| {
        database.sql(&format!("alter system set {setting} = '{value}'"));
        database.sql("select pg_reload_conf()");
        // A session that begins has what the others were told before.
        wait_until("it is set", || database.sql(&format!("show {setting}")) == value);
    };
    database.sql("alter role exporter set client_min_messages = error");
    set("synchronous_commit", "remote_apply");
    let replica = connect(&database).await;
    assert!(replica.try_lock().await.unwrap());
    let term = replica.begin_term("test", 0).await.unwrap();
    let store = Store::new(Postgres::new(Arc::clone(&replica), term).await.unwrap());
    set("synchronous_commit", "off");
    set("synchronous_standby_names", "nobody");
    let cancelled = format!("select count(pg_cancel_backend(pid)) from ({WAITING}) waiting");
    let cancelling = tokio::task::spawn_blocking(move || {
        wait_until("a commit waits", || database.ask(&cancelled) == "1");
        database
    });
    let scope = Scope::new("production", "cn-hangzhou");
    let saving = store.save(&scope, [((0, 0), Some(vec![0]))], 0);
    let (saved, database) = tokio::join!(saving, cancelling);
    let _until_it_is_saved = database.unwrap();
    let said = saved.unwrap_err().to_string();
    assert!(said.contains("the database warned while it committed"), "{said}");
    assert!(replica.session().is_over());
}
