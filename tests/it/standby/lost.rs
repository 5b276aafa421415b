//! A database that loses what it has confirmed, as an asynchronous failover does: no counter goes back.

use simulator::{Fault, FaultKind, Outcome};

use super::observer::Observer;
use super::pair::{LEADER, Pair};
use crate::cloud::{ACCOUNT, REGION};
use crate::scrape::Scrape;

const RESULTS: &str = "cloud_assistant_results_total";
const LOST: &str = "cloud_assistant_exporter_lost_saves_total";

#[test]
fn what_it_lost_is_found_again_before_anything_is_shown() {
    let mut pair = Pair::start();
    pair.region(|region| region.add_settled(60, Outcome::failed(2)));
    pair.until_exact(0);
    pair.database.end("INT");
    pair.database.keep("before");
    pair.database.run();
    let leader = pair.until_one_leads();
    pair.region(|region| region.add_settled(90, Outcome::failed(2)));
    let shown = pair.until_exact(leader);
    let before = shown.value(RESULTS, &[]);
    assert_eq!(shown.value(LOST, &[]), 0.0);

    pair.database.end("QUIT");
    pair.database.put_back("before");
    pair.database.run();
    pair.region(|region| region.add_settled(8, Outcome::failed(2)));
    let truth = pair.simulator.cloud().truth_since_baseline(ACCOUNT, REGION);
    assert_eq!(truth.total() as f64, before + 8.0);
    let mut without = 0;
    pair.until("everything is found again", |pair| {
        let scrapes = [0, 1].map(|replica| pair.replica(replica).scrape());
        let Some(scrape) = scrapes.iter().find(|scrape| scrape.value(LEADER, &[]) == 1.0) else {
            return false;
        };
        assert!(scrape.value(LOST, &[]) > 0.0);
        let Some(now) = scrape.sum(RESULTS, &[]) else {
            without += 1;
            return false;
        };
        assert!(now >= before, "{before} went to {now}\n{}", pair.logs());
        now == before + 8.0
    });
    println!("lost saves: {without} scrapes without counts, none with lower ones");
    pair.until_one_is_exact();
}

/// The one that stood by has seen the same numbers.
#[test]
fn what_was_found_again_is_missed_by_nobody_else() {
    let mut pair = Pair::start();
    pair.database.end("INT");
    pair.database.keep("before");
    pair.database.run();
    let leader = pair.until_one_leads();
    // More saves than are made anew.
    for results in 1..=12 {
        pair.region(|region| region.add_settled(results, Outcome::failed(2)));
        pair.until_exact(leader);
    }
    pair.replica(1 - leader).logged("standing by");
    let now = pair.database.ask("select clock_timestamp()");
    // It looks who leads once a second, and then for whoever has the lock.
    let has_looked = format!(
        "select count(*) from pg_stat_activity where usename = 'exporter' and query like '%pg_locks%' \
         and query_start > '{now}'::timestamptz + interval '1 second'"
    );
    pair.until("the other one has seen the last save", |pair| {
        pair.database.ask(&has_looked) == "1"
    });
    pair.database.end("QUIT");
    pair.database.put_back("before");
    pair.database.run();
    let (leader, shown) = pair.until_all_is_shown();
    let lost = shown.value(LOST, &[]);
    assert!(lost >= 12.0, "{lost}");
    pair.until("it is noted", |pair| {
        pair.region(|region| region.add_settled(1, Outcome::failed(2)));
        pair.database
            .ask("select lacks_saves from cloud_assistant_exporter.leadership")
            == "f"
    });
    pair.until_exact(leader);
    pair.kill(leader);
    let mut shown = None;
    pair.until("the other leads", |pair| {
        shown = pair.led(1 - leader);
        shown.is_some()
    });
    let shown = shown.unwrap();
    assert!(shown.sum(RESULTS, &[]).is_some(), "{}", pair.logs());
    assert_eq!(shown.value(LOST, &[]), lost);
}

/// The number of the last save tells no loss once as many saves have been made anew: that it is still to be made good
/// must be known otherwise.
#[test]
fn what_is_not_found_again_yet_is_hidden_by_whoever_leads_next() {
    const SILENT: &str = "cn-beijing";
    let mut pair = Pair::begin_unstarted(&[REGION, SILENT]);
    pair.begin_both();
    pair.database.end("INT");
    pair.database.keep("before");
    pair.database.run();
    let observer = Observer::of(&pair);
    let leader = pair.until_one_leads();
    let settle = |pair: &Pair, region| {
        let mut cloud = pair.simulator.cloud();
        cloud.region(ACCOUNT, region).add_settled(5, Outcome::failed(2));
    };
    for _ in 0..3 {
        settle(&pair, SILENT);
        settle(&pair, REGION);
        pair.until_exact(leader);
    }
    let of = |scrape: &Scrape, region: &str| scrape.sum(RESULTS, &[("region_id", region)]);
    pair.until("both are counted", |pair| {
        let shown = pair.replica(leader).scrape();
        of(&shown, SILENT) == Some(15.0)
    });
    let highest = pair.revision();

    // One region cannot be read any more, and the other goes on.
    let silence = || Fault::forever(FaultKind::documented("InternalError")).within(SILENT);
    pair.simulator.faults().add(silence());
    pair.database.end("QUIT");
    pair.database.put_back("before");
    pair.database.run();
    pair.until("what is made anew has higher numbers", |pair| {
        settle(pair, REGION);
        let is_revision = pair.revision();
        is_revision > highest + 2
    });
    // Whichever it is.
    for _ in 0..2 {
        let before = pair.changes();
        pair.end_session_of_leader();
        pair.until_all_is_shown();
        assert!(pair.changes() > before);
    }
    // And one that has seen nothing.
    let (leader, shown) = pair.until_all_is_shown();
    assert_eq!(of(&shown, SILENT), None);
    pair.kill(1 - leader);
    pair.begin(1 - leader);
    pair.replica(1 - leader).logged("standing by");
    pair.kill(leader);
    let (leader, shown) = pair.until_all_is_shown();
    assert_eq!(of(&shown, SILENT), None, "{}", shown.shown(RESULTS));
    pair.simulator.faults().clear();
    pair.until("it is found again", |pair| {
        let shown = of(&pair.replica(leader).scrape(), SILENT);
        assert!(shown.is_none_or(|shown| shown >= 15.0), "{shown:?}");
        shown.is_some()
    });
    let observed = observer.seen();
    assert!(observed.scrapes > 0);
    // It is noted with a save, and whoever leads then hides nothing.
    let lacks = "select lacks_saves from cloud_assistant_exporter.leadership";
    pair.until("it is noted", |pair| {
        settle(pair, REGION);
        pair.database.ask(lacks) == "f"
    });
    pair.begin(1 - leader);
    pair.replica(1 - leader).logged("standing by");
    pair.kill(leader);
    let (_, shown) = pair.until_all_is_shown();
    assert_eq!(of(&shown, SILENT), Some(15.0));
}
