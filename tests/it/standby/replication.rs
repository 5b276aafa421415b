//! A database that waits for a standby of its own, and whose confirmation is worth nothing when that wait is cut short.

use simulator::Outcome;

use super::pair::Pair;

pub const WAITING: &str =
    "select pid from pg_stat_activity where usename = 'exporter' and wait_event = 'SyncRep'";

#[test]
fn a_commit_that_is_confirmed_with_a_warning_is_not_shown() {
    let mut pair = Pair::start();
    pair.region(|region| region.add_settled(30, Outcome::failed(4)));
    pair.until_exact(0);
    pair.database
        .sql("alter system set synchronous_standby_names = 'nobody'");
    pair.database.sql("select pg_reload_conf()");
    pair.region(|region| region.add_settled(30, Outcome::failed(4)));
    pair.until("a commit waits", |pair| !pair.database.ask(WAITING).is_empty());
    let cancelled = format!("select count(pg_cancel_backend(pid)) from ({WAITING}) waiting");
    assert_eq!(pair.database.ask(&cancelled), "1");
    pair.replica(0).logged("the database warned while it committed");
    pair.database.sql("alter system reset synchronous_standby_names");
    pair.database.sql("select pg_reload_conf()");
    pair.until_one_is_exact();
}
