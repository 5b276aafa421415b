//! Rule 9: every run counts once, and a history costs what is new in it.

use std::collections::BTreeMap;

use super::cloud::{Cloud, End};
use super::exporter::Exporter;
use crate::result::Seconds;

const NOW: Seconds = 1_700_000_000;

fn run(cloud: &mut Cloud, which: usize, number: u32) {
    let end = End {
        code: 0,
        at: cloud.now,
    };
    let runs = cloud.instances[which].runs.as_mut().unwrap();
    runs.insert(number, end);
}

/// A schedule of one instance that has had `runs` runs when the exporter has its first look.
fn looked(runs: u32) -> (Cloud, Exporter) {
    let mut cloud = Cloud {
        now: NOW,
        ..Cloud::default()
    };
    let mut exporter = Exporter::new();
    cloud.run(1, true, true);
    (1..=runs).for_each(|number| run(&mut cloud, 0, number));
    exporter.poll(&mut cloud, false, usize::MAX);
    (cloud, exporter)
}

/// A minute passes, and there is a poll. Returns what has been counted, and the requests for histories.
fn minute(cloud: &mut Cloud, exporter: &mut Exporter) -> (u64, usize) {
    exporter.pass(cloud, 60);
    exporter.poll(cloud, false, usize::MAX);
    (exporter.totals().values().sum(), exporter.histories)
}

#[test]
fn a_row_that_is_given_up_and_listed_again_is_known() {
    let (mut cloud, mut exporter) = looked(200);
    for number in 201..=203 {
        run(&mut cloud, 0, number);
        minute(&mut cloud, &mut exporter);
    }
    cloud.empty = true;
    for _ in 0..12 {
        minute(&mut cloud, &mut exporter);
    }
    assert_eq!(exporter.counts().lost, 1);
    cloud.empty = false;
    for _ in 0..3 {
        assert_eq!(minute(&mut cloud, &mut exporter).0, 3);
        exporter.restart(&cloud);
    }
    run(&mut cloud, 0, 204);
    assert_eq!(minute(&mut cloud, &mut exporter).0, 4);
}

#[test]
fn runs_of_a_row_that_the_first_look_missed_count_by_their_time() {
    let mut cloud = Cloud {
        now: NOW,
        ..Cloud::default()
    };
    let mut exporter = Exporter::new();
    cloud.run(1, true, true);
    (1..=300).for_each(|number| run(&mut cloud, 0, number));
    cloud.instances[0].listed = false;
    cloud.now += 3 * 86_400;
    exporter.poll(&mut cloud, false, usize::MAX);
    cloud.instances[0].listed = true;
    run(&mut cloud, 0, 301);
    assert_eq!(minute(&mut cloud, &mut exporter).0, 1);
    assert_eq!(exporter.counts().old, 300);
}

/// What a day of trouble costs, in requests for histories: all, and most in one poll.
fn day(trouble: impl Fn(u32, &mut Cloud)) -> (u64, usize, usize) {
    let (mut cloud, mut exporter) = looked(1000);
    let (mut counted, mut all, mut most) = (0, 0, 0);
    for number in 1001..=1240 {
        exporter.pass(&mut cloud, 1);
        run(&mut cloud, 0, number);
        trouble(number, &mut cloud);
        let requests;
        (counted, requests) = minute(&mut cloud, &mut exporter);
        (all, most) = (all + requests, most.max(requests));
    }
    (counted, all, most)
}

#[test]
fn trouble_in_a_history_costs_little() {
    assert_eq!(day(|_, _| {}), (240, 240, 1), "a request for each run");
    // 30 pages of 4 rows are known below; looking through all of them at each poll would be 250 requests.
    let stuck = day(|number, cloud| cloud.instances[0].stuck = (number >= 1003).then_some(1003));
    assert_eq!(stuck.0, 239);
    let gap = day(|number, cloud| {
        if number == 1003 {
            cloud.instances[0].runs.as_mut().unwrap().remove(&1003);
        }
    });
    assert_eq!(gap.0, 239);
    let spike = day(|number, cloud| cloud.instances[0].spike = (number == 1003).then_some(1_000_000));
    assert_eq!(spike.0, 240);
    let refused = day(|number, cloud| cloud.refusing = u32::from((1003..1010).contains(&number)));
    assert_eq!(refused.0, 240);
    let under_way = day(|_, cloud| cloud.instances[0].running = true);
    assert_eq!(under_way.0, 240);
    // Looking through all that is known at each poll would be 60,000. Each look in vain goes as deep as what it looks
    // for, one in all is thorough, and the pauses end at eight minutes here.
    for (what, (_, all, _), limit) in [
        ("stuck", stuck, 1500),
        ("gap", gap, 1500),
        ("spike", spike, 245),
        ("refused", refused, 245),
        ("under way", under_way, 245),
    ] {
        assert!(all <= limit, "{what}: {all} requests for histories in 240 polls");
    }
}

#[test]
fn histories_of_two_instances_that_keep_no_order_are_read_in_the_end() {
    for shuffle in 1..9 {
        let mut cloud = Cloud {
            now: NOW,
            shuffle,
            ..Cloud::default()
        };
        let mut exporter = Exporter::new();
        cloud.run(2, true, true);
        run(&mut cloud, 0, 1);
        run(&mut cloud, 1, 2);
        exporter.poll(&mut cloud, false, usize::MAX);
        exporter.pass(&mut cloud, 1);
        run(&mut cloud, 0, 3);
        run(&mut cloud, 1, 4);
        run(&mut cloud, 0, 5);
        // Looks in vain are a minute apart at first and eight in the end.
        let counted = (0..60).map(|_| minute(&mut cloud, &mut exporter).0);
        assert_eq!(counted.last(), Some(3), "shuffled by {shuffle}");
    }
}

#[test]
fn a_hundred_histories_that_are_refused_are_asked_for_a_few_at_a_time() {
    let (mut cloud, mut exporter) = looked(1);
    for _ in 0..100 {
        cloud.run(1, true, true);
        let at = cloud.now;
        let place = cloud.instances.len() - 1;
        run(&mut cloud, place, 1);
        run(&mut cloud, place, 2);
        cloud.instances[place].settled = Some(End { code: 0, at });
    }
    cloud.refusing = u32::MAX;
    let costs: Vec<usize> = (0..60)
        .map(|_| {
            minute(&mut cloud, &mut exporter);
            exporter.histories
        })
        .collect();
    assert!(costs.iter().all(|cost| *cost <= 3), "{costs:?}");
    assert_eq!(
        minute(&mut cloud, &mut exporter).0,
        100,
        "the run that each row shows"
    );
    cloud.refusing = 0;
    for _ in 0..10 {
        exporter.pass(&mut cloud, 480);
        minute(&mut cloud, &mut exporter);
    }
    assert_eq!(minute(&mut cloud, &mut exporter).0, 200);
}

#[test]
fn a_history_that_is_longer_than_a_poll_may_read_is_gone_on_with() {
    let (mut cloud, mut exporter) = looked(0);
    exporter.budget = 7;
    (1..=400).for_each(|number| run(&mut cloud, 0, number));
    cloud.run(1, true, false);
    let end = End {
        code: 1,
        at: cloud.now,
    };
    cloud.instances[1].settled = Some(end);
    let mut polls = 0;
    while minute(&mut cloud, &mut exporter).0 < 401 {
        assert!(exporter.histories <= 7);
        assert_eq!(exporter.totals().get(&1), Some(&1), "others do not wait for it");
        polls += 1;
        assert!(polls < 20);
    }
    assert_eq!(polls, 14, "400 runs are 100 pages of 4");
}

#[test]
fn what_a_history_has_brought_before_its_token_is_refused_is_counted() {
    let (mut cloud, mut exporter) = looked(0);
    (1..=40).for_each(|number| run(&mut cloud, 0, number));
    cloud.forgetting = Some((1, 1));
    assert_eq!(minute(&mut cloud, &mut exporter).0, 8, "two pages of 4 were had");
    // The rest is read when it is looked for again.
    let counted = (0..3).map(|_| minute(&mut cloud, &mut exporter).0);
    assert_eq!(counted.last(), Some(40));
}

/// A schedule of one instance whose run 3 is missing for good, deeper than a poll may read.
fn gap_deep_down(budget: u64) -> (Cloud, Exporter) {
    let (mut cloud, mut exporter) = looked(2);
    for number in 4..=400 {
        run(&mut cloud, 0, number);
    }
    for _ in 0..3 {
        minute(&mut cloud, &mut exporter);
    }
    assert_eq!(exporter.totals().values().sum::<u64>(), 397);
    exporter.budget = budget;
    (cloud, exporter)
}

#[test]
fn a_look_that_outlasts_a_poll_ends_though_the_row_moves() {
    let (mut cloud, mut exporter) = gap_deep_down(20);
    let mut costs = Vec::new();
    for number in 401..=640 {
        run(&mut cloud, 0, number);
        costs.push(minute(&mut cloud, &mut exporter).1);
    }
    assert_eq!(exporter.totals().values().sum::<u64>(), 637);
    // A look is of 100 to 160 pages, and they are eight minutes apart in the end: 20 a poll would be 4,800.
    let all: usize = costs.iter().sum();
    assert!(all < 3600, "{all}: {costs:?}");
}

#[test]
fn a_long_look_in_vain_does_not_hold_up_what_is_new() {
    let (mut cloud, mut exporter) = gap_deep_down(7);
    cloud.run(1, true, true);
    minute(&mut cloud, &mut exporter);
    for number in 1..=60 {
        run(&mut cloud, 1, number);
        let counted = minute(&mut cloud, &mut exporter).0;
        assert_eq!(
            counted,
            397 + u64::from(number),
            "in the minute in which it has run"
        );
    }
}

#[test]
fn a_backlog_that_spans_polls_is_read_once() {
    let (mut cloud, mut exporter) = looked(0);
    exporter.budget = 10;
    (1..=100).for_each(|number| run(&mut cloud, 0, number));
    let mut pages = 0;
    for number in 101..=110 {
        run(&mut cloud, 0, number);
        pages += minute(&mut cloud, &mut exporter).1;
    }
    assert_eq!(exporter.totals().values().sum::<u64>(), 110);
    // 25 pages of 4, and one or two for each later run and for those that came meanwhile.
    assert!(pages <= 25 + 15, "{pages}");
}

/// A row is given up while its run is held, and is listed again as if it were none of a schedule.
#[test]
fn one_run_is_held_once_whatever_its_row_is_listed_as() {
    let (mut cloud, mut exporter) = looked(0);
    let failed = End { code: 1, at: NOW };
    cloud.instances[0].runs = Some(BTreeMap::from([(1, failed)]));
    assert_eq!(minute(&mut cloud, &mut exporter).0, 1);
    cloud.instances[0].listed = false;
    for _ in 0..12 {
        minute(&mut cloud, &mut exporter);
    }
    let schedule = cloud.instances[0].runs.take();
    (cloud.instances[0].listed, cloud.instances[0].settled) = (true, Some(failed));
    assert_eq!(minute(&mut cloud, &mut exporter).0, 1);
    (cloud.instances[0].runs, cloud.instances[0].settled) = (schedule, None);
    run(&mut cloud, 0, 2);
    assert_eq!(minute(&mut cloud, &mut exporter).0, 2);
    exporter.restart(&cloud);
    assert_eq!(minute(&mut cloud, &mut exporter).0, 2);
}

#[test]
fn one_instance_of_two_runs_on() {
    let mut cloud = Cloud {
        now: NOW,
        ..Cloud::default()
    };
    let mut exporter = Exporter::new();
    cloud.run(2, true, true);
    (1..=200).for_each(|number| run(&mut cloud, 0, number));
    exporter.poll(&mut cloud, false, usize::MAX);
    (201..=203).for_each(|number| run(&mut cloud, 0, number));
    assert_eq!(minute(&mut cloud, &mut exporter).0, 3);
}

/// The pages that it was read from before are older than that end.
#[test]
fn the_last_run_of_a_schedule_that_ends_while_its_history_is_read_is_what_its_history_says() {
    for number_of_the_last in [13, 14] {
        let (mut cloud, mut exporter) = looked(1);
        exporter.budget = 2;
        (2..=12).for_each(|number| run(&mut cloud, 0, number));
        // Under way, so that the row shows its number already.
        cloud.instances[0].running = true;
        assert_eq!(minute(&mut cloud, &mut exporter).1, 2, "two pages of three");
        (13..=number_of_the_last).for_each(|number| run(&mut cloud, 0, number));
        let stopped = End {
            code: 2,
            at: cloud.now,
        };
        (cloud.instances[0].running, cloud.instances[0].settled) = (false, Some(stopped));
        for _ in 0..8 {
            minute(&mut cloud, &mut exporter);
        }
        let succeeded = u64::from(number_of_the_last) - 1;
        assert_eq!(exporter.totals(), BTreeMap::from([(0, succeeded)]));
    }
}
