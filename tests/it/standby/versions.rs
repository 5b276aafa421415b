//! Replicas of different versions on one record.

use simulator::Outcome;

use super::pair::Pair;

#[test]
fn one_that_does_not_know_the_format_stands_by_and_ends_rather_than_lead() {
    let mut pair = Pair::start();
    // What a later version would have done to it, and what no version has.
    for (version, words) in [
        (99, "has format 99, which is newer than this program reads"),
        (2, "has version = 2, which never was"),
    ] {
        pair.region(|region| region.add_settled(30, Outcome::failed(4)));
        let leader = pair.until_one_is_exact();
        let standby = 1 - leader;
        pair.replica(standby).logged("standing by");
        let set = |version: u32| format!("update cloud_assistant_exporter.format set version = {version}");
        pair.database.ask(&set(version));
        // Whoever leads is of that version, and goes on.
        pair.region(|region| region.add_settled(30, Outcome::failed(5)));
        pair.until_exact(leader);
        assert_eq!(pair.replica(standby).get("/-/ready").status, 200);
        let saved = pair.revision();
        pair.kill(leader);
        let mut ended = pair.replicas[standby].take().unwrap();
        let status = ended.wait_for_end();
        assert_eq!(status.code(), Some(1), "{}", ended.log());
        assert!(ended.log().contains(words), "{}", ended.log());
        assert_eq!(
            (pair.revision(), pair.changes()),
            (saved, 1),
            "nothing was touched"
        );
        pair.database.ask(&set(3));
        // Whoever comes anew need not wait for another leader then.
        pair.database
            .ask("update cloud_assistant_exporter.leadership set epoch = 0");
        pair.begin(0);
        pair.until_exact(0);
        pair.begin(1);
    }
}
