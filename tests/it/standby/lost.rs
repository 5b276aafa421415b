//! A database that loses what it has confirmed, as an asynchronous failover does: no counter goes back.

use simulator::{Fault, FaultKind, Outcome};

use super::pair::{LEADER, Pair};
use crate::cloud::{ACCOUNT, REGION};

const RESULTS: &str = "cloud_assistant_results_total";
const LOST: &str = "cloud_assistant_exporter_state_lost_saves_total";

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

#[test]
fn what_is_not_found_again_yet_is_shown_by_nobody_who_leads_next() {
    let mut pair = Pair::start();
    pair.region(|region| region.add_settled(60, Outcome::failed(2)));
    pair.until_exact(0);
    pair.database.end("INT");
    pair.database.keep("before");
    pair.database.run();
    let leader = pair.until_one_leads();
    pair.region(|region| region.add_settled(90, Outcome::failed(2)));
    let before = pair.until_exact(leader).value(RESULTS, &[]);

    pair.database.end("QUIT");
    pair.database.put_back("before");
    pair.simulator.faults().add(Fault::forever(FaultKind::Html502));
    pair.database.run();
    let leads = |pair: &Pair, replica: usize| {
        let scrape = pair.replica(replica).scrape();
        (scrape.value(LEADER, &[]) == 1.0).then_some(scrape)
    };
    let mut leader = 0;
    pair.until("one leads, and knows", |pair| {
        let known = [0, 1].map(|replica| leads(pair, replica).map(|scrape| scrape.value(LOST, &[])));
        leader = usize::from(known[1].is_some());
        known[leader].is_some_and(|lost| lost > 0.0)
    });
    // Nobody is left who has seen what was lost.
    pair.kill(leader);
    pair.kill(1 - leader);
    pair.begin(leader);
    let mut shown = None;
    pair.until("it leads", |pair| {
        shown = leads(pair, leader);
        shown.is_some()
    });
    assert_eq!(shown.unwrap().sum(RESULTS, &[]), None, "{}", pair.logs());
    pair.simulator.faults().clear();
    pair.until("counts are shown", |pair| {
        pair.replica(leader).scrape().sum(RESULTS, &[]).is_some()
    });
    let found = pair.until_exact(leader).value(RESULTS, &[]);
    assert_eq!(found, before);
    // Another look is not needed any more.
    pair.until("it is noted", |pair| {
        pair.database
            .ask("select lacks_saves from cloud_assistant_exporter.leadership")
            == "f"
    });
}
