//! What is known stays known: for as long as the API lists it, and through holes in its lists.

use std::collections::BTreeMap;

use super::cloud::{Cloud, End, ROWS_ON_A_PAGE, UNDATED};
use super::exporter::Exporter;
use crate::record::Counts;
use crate::result::Seconds;

const NOW: Seconds = 1_700_000_000;

/// Six hours, the usual time between sweeps.
const BETWEEN_SWEEPS: u32 = 6 * 3600;

/// A cloud, and an exporter that has had its first look at `count` instances of one invocation that are still open.
pub(super) fn looked(count: u32) -> (Cloud, Exporter) {
    let mut cloud = Cloud {
        now: NOW,
        ..Cloud::default()
    };
    let mut exporter = Exporter::new();
    cloud.run(count, true, false);
    exporter.poll(&mut cloud, false, usize::MAX);
    (cloud, exporter)
}

fn settle(cloud: &mut Cloud, from: usize) {
    let end = End {
        code: 0,
        at: cloud.now,
    };
    cloud.instances[from..]
        .iter_mut()
        .for_each(|one| one.settled = Some(end));
}

/// Time passes, and then there is a poll or a sweep.
fn later(cloud: &mut Cloud, exporter: &mut Exporter, seconds: u32, sweep: bool) -> u64 {
    exporter.pass(cloud, seconds);
    exporter.poll(cloud, sweep, usize::MAX);
    exporter.totals().values().sum()
}

#[test]
fn a_quiet_poll_is_one_request_and_new_results_cost_their_pages() {
    let (mut cloud, mut exporter) = looked(10);
    settle(&mut cloud, 0);
    later(&mut cloud, &mut exporter, 60, false);
    assert_eq!(exporter.poll(&mut cloud, false, usize::MAX), 1);
    for new in [1, 3, 4, 7, 8, 21] {
        let from = cloud.instances.len();
        cloud.run(new, true, false);
        settle(&mut cloud, from);
        later(&mut cloud, &mut exporter, 60, false);
        assert_eq!(exporter.requests, new as usize / ROWS_ON_A_PAGE + 1, "{new} new");
    }
}

#[test]
fn what_is_open_is_lost_after_two_looks_ten_minutes_apart() {
    let (mut cloud, mut exporter) = looked(1);
    cloud.instances[0].listed = false;
    for (seconds, lost) in [(60, 0), (60, 0), (479, 0), (61, 1), (600, 1)] {
        later(&mut cloud, &mut exporter, seconds, false);
        assert_eq!(exporter.counts().lost, lost);
    }
    assert_eq!((exporter.record.open().count(), exporter.gauges().len()), (0, 0));
    cloud.instances[0].listed = true;
    later(&mut cloud, &mut exporter, 60, false);
    assert_eq!(exporter.gauges(), BTreeMap::from([("Running".into(), 1)]));
    settle(&mut cloud, 0);
    assert_eq!(
        later(&mut cloud, &mut exporter, 60, false),
        1,
        "it had not counted before"
    );
    assert_eq!(exporter.counts().lost, 1);
}

#[test]
fn a_restart_begins_the_ten_minutes_anew_and_a_sight_ends_them() {
    let (mut cloud, mut exporter) = looked(1);
    cloud.instances[0].listed = false;
    later(&mut cloud, &mut exporter, 60, false);
    exporter.restart(&cloud);
    later(&mut cloud, &mut exporter, 700, false);
    assert_eq!(exporter.counts().lost, 0);
    cloud.instances[0].listed = true;
    later(&mut cloud, &mut exporter, 500, false);
    cloud.instances[0].listed = false;
    later(&mut cloud, &mut exporter, 500, false);
    assert_eq!(exporter.counts().lost, 0);
}

#[test]
fn what_had_counted_and_shows_open_and_is_lost_counts_no_more() {
    let (mut cloud, mut exporter) = looked(1);
    settle(&mut cloud, 0);
    assert_eq!(later(&mut cloud, &mut exporter, 60, false), 1);
    cloud.instances[0].reopened = true;
    later(&mut cloud, &mut exporter, 60, false);
    cloud.instances[0].listed = false;
    later(&mut cloud, &mut exporter, 60, false);
    later(&mut cloud, &mut exporter, 700, false);
    assert_eq!(exporter.counts().lost, 1);
    (cloud.instances[0].reopened, cloud.instances[0].listed) = (false, true);
    exporter.restart(&cloud);
    assert_eq!(later(&mut cloud, &mut exporter, 60, false), 1);
}

/// A poll looks for it twice in vain, and then comes a page of a sweep that is older than these looks.
#[test]
fn a_page_of_a_sweep_that_is_older_than_a_loss_changes_nothing() {
    let (mut cloud, mut exporter) = looked(6);
    exporter.sweep_goes_on(&mut cloud, 2);
    cloud.instances.iter_mut().for_each(|one| one.listed = false);
    later(&mut cloud, &mut exporter, 60, false);
    later(&mut cloud, &mut exporter, 700, false);
    assert_eq!(exporter.counts().lost, 6);
    exporter.sweep_goes_on(&mut cloud, 10);
    later(&mut cloud, &mut exporter, 60, false);
    later(&mut cloud, &mut exporter, 700, false);
    assert_eq!((exporter.counts().lost, exporter.record.open().count()), (6, 0));
}

#[test]
fn what_the_first_look_missed_counts_by_its_time() {
    for (age, counted, old) in [(5 * 86_400, 0, 8), (901, 0, 8), (900, 8, 0), (0, 8, 0)] {
        let mut cloud = Cloud {
            now: NOW,
            ..Cloud::default()
        };
        let mut exporter = Exporter::new();
        cloud.run(8, true, false);
        settle(&mut cloud, 0);
        cloud.now += age;
        cloud.empty = true;
        exporter.poll(&mut cloud, false, usize::MAX);
        cloud.empty = false;
        assert_eq!(
            later(&mut cloud, &mut exporter, 60, false),
            counted,
            "{age} s before"
        );
        let deliveries: u64 = exporter.counts().deliveries().map(|(.., value)| value).sum();
        assert_eq!((exporter.counts().old, deliveries), (old, 0));
        assert_eq!(exporter.gauges().get("Success"), Some(&8), "known all the same");
        exporter.restart(&cloud);
        assert_eq!(later(&mut cloud, &mut exporter, 60, true), counted);
    }
}

/// 20 results a second apart, all counted.
fn counted_one_by_one() -> (Cloud, Exporter) {
    let (mut cloud, mut exporter) = looked(0);
    for n in 0..20 {
        cloud.now += 1;
        cloud.run(1, true, false);
        settle(&mut cloud, n);
    }
    assert_eq!(later(&mut cloud, &mut exporter, 60, true), 20);
    (cloud, exporter)
}

#[test]
fn lists_lose_their_old_end() {
    let (mut cloud, mut exporter) = counted_one_by_one();
    cloud.instances[..5].iter_mut().for_each(|one| one.listed = false);
    later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true);
    assert_eq!(exporter.record.held(), 20);
    exporter.restart(&cloud);
    later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true);
    assert_eq!(
        exporter.record.held(),
        15,
        "two sweeps in a row did not list five"
    );
    cloud.instances[..5].iter_mut().for_each(|one| one.listed = true);
    assert_eq!(
        later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true),
        20,
        "they had counted"
    );
}

#[test]
fn holes_and_empty_lists_make_nothing_old() {
    let (mut cloud, mut exporter) = counted_one_by_one();
    cloud.instances[7..12]
        .iter_mut()
        .for_each(|one| one.listed = false);
    for _ in 0..4 {
        later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true);
    }
    cloud.empty = true;
    for _ in 0..4 {
        later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true);
    }
    assert_eq!(exporter.record.held(), 20);
    cloud.behaves();
    assert_eq!(later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true), 20);
}

#[test]
fn equal_times_make_nothing_old_and_35_days_do() {
    let (mut cloud, mut exporter) = looked(8);
    settle(&mut cloud, 0);
    later(&mut cloud, &mut exporter, 60, true);
    cloud.instances[..4].iter_mut().for_each(|one| one.listed = false);
    for _ in 0..3 {
        later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true);
    }
    assert_eq!(exporter.record.held(), 8);
    later(&mut cloud, &mut exporter, 35 * 86_400, true);
    assert_eq!(exporter.record.held(), 4);
}

/// 24 results ten minutes apart, two of four without a time of their own, the newest of them an hour old.
fn settle_partly_undated(cloud: &mut Cloud) {
    for n in 0..24 {
        cloud.now += 600;
        cloud.settle(1, if matches!(n % 4, 1 | 2) { UNDATED } else { 0 });
    }
    cloud.now += 3600;
}

#[test]
fn what_the_first_look_missed_and_has_no_time_is_as_old_as_its_neighbours() {
    let mut cloud = Cloud {
        now: NOW,
        empty: true,
        ..Cloud::default()
    };
    settle_partly_undated(&mut cloud);
    let mut exporter = Exporter::new();
    exporter.poll(&mut cloud, false, usize::MAX);
    cloud.empty = false;
    assert_eq!(later(&mut cloud, &mut exporter, 60, false), 0);
    assert_eq!(exporter.counts().old, 24);
    // What is new stands in front of all that has a time, whatever stands at the other end.
    cloud.instances[0].settled = Some(End {
        code: 0,
        at: cloud.now,
    });
    cloud.settle(2, UNDATED);
    assert_eq!(later(&mut cloud, &mut exporter, 60, false), 2);
    cloud.settle(1, 0);
    assert_eq!(later(&mut cloud, &mut exporter, 60, true), 3);
}

#[test]
fn what_is_forgotten_and_has_no_time_counts_no_more_however_often_it_comes_back() {
    let (mut cloud, mut exporter) = looked(0);
    settle_partly_undated(&mut cloud);
    assert_eq!(later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true), 24);
    for _ in 0..3 {
        cloud.instances[..16]
            .iter_mut()
            .for_each(|one| one.listed = false);
        later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true);
        later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true);
        assert_eq!(exporter.record.held(), 8, "the others are forgotten");
        cloud.behaves();
        assert_eq!(later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true), 24);
        assert_eq!(exporter.record.held(), 24);
        exporter.restart(&cloud);
    }
}

/// Its runs are dated by the API's clock, and when it was first seen by the machine's.
#[test]
fn a_schedule_that_a_slow_clock_has_seen_first_is_known_when_it_comes_back() {
    for clock_off in [-600, 600] {
        let mut cloud = Cloud {
            now: NOW,
            ..Cloud::default()
        };
        cloud.settle(2, 0);
        cloud.run(1, true, true);
        let failed = |at| End { code: 1, at };
        cloud.instances[2].runs = Some(BTreeMap::from([(1, failed(NOW + 1)), (2, failed(NOW + 2))]));
        cloud.now += 3;
        let mut exporter = Exporter::new();
        exporter.clock_off = clock_off;
        exporter.restart(&cloud);
        exporter.poll(&mut cloud, false, usize::MAX);
        cloud.instances[2].listed = false;
        for _ in 0..4 {
            later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true);
        }
        cloud.behaves();
        later(&mut cloud, &mut exporter, BETWEEN_SWEEPS, true);
        assert_eq!(
            later(&mut cloud, &mut exporter, 60, false),
            0,
            "{clock_off} s off"
        );
    }
}

/// `recent_results` of a start far ahead of time is as it was once the clock is right again.
#[test]
fn a_clock_that_was_wrong_leaves_nothing_behind() {
    let (mut cloud, mut exporter) = counted_one_by_one();
    cloud.run(1, true, true);
    cloud.instances[20].runs = Some(BTreeMap::from([(
        1,
        End {
            code: 1,
            at: cloud.now,
        },
    )]));
    assert_eq!(later(&mut cloud, &mut exporter, 60, false), 21);
    let (gauges, counters) = (exporter.gauges(), exporter.counters());
    for off in [400 * 86_400, -400 * 86_400, 899] {
        exporter.clock_off = off;
        exporter.restart(&cloud);
        later(&mut cloud, &mut exporter, 60, true);
        exporter.clock_off = 0;
        later(&mut cloud, &mut exporter, 60, true);
        assert_eq!(
            (exporter.gauges(), exporter.counters()),
            (gauges.clone(), counters.clone())
        );
        exporter.restart(&cloud);
        assert_eq!(exporter.gauges(), gauges, "{off}");
    }
}

#[test]
fn a_hold_is_of_the_processs_own_time_whatever_the_clock_does() {
    let mut cloud = Cloud {
        now: NOW,
        ..Cloud::default()
    };
    let mut exporter = Exporter::new();
    exporter.settings.new_series_hold = 90;
    exporter.restart(&cloud);
    exporter.poll(&mut cloud, false, usize::MAX);
    let shown = |exporter: &mut Exporter| exporter.totals().get(&2).copied().unwrap_or(0);
    cloud.run(6, true, false);
    let end = End { code: 2, at: NOW };
    cloud.instances.iter_mut().for_each(|one| one.settled = Some(end));
    later(&mut cloud, &mut exporter, 60, false);
    later(&mut cloud, &mut exporter, 50, false);
    assert_eq!(shown(&mut exporter), 0);
    exporter.clock_off = 8 * 3600;
    exporter.restart(&cloud);
    assert_eq!(shown(&mut exporter), 0);
    exporter.pass(&mut cloud, 39);
    assert_eq!(shown(&mut exporter), 0);
    exporter.clock_off = 0;
    exporter.pass(&mut cloud, 1);
    assert_eq!(shown(&mut exporter), 6, "90 seconds in all");
    exporter.settings.new_series_hold = 1000;
    exporter.restart(&cloud);
    assert_eq!(shown(&mut exporter), 6, "a longer hold takes nothing back");
}

#[test]
fn a_higher_bound_of_codes_changes_no_result() {
    let (mut cloud, mut exporter) = looked(0);
    exporter.settings.max_exit_codes = 4;
    exporter.restart(&cloud);
    (10..20).for_each(|code| cloud.settle(1, code));
    let folded: u64 = later_counts(&mut cloud, &mut exporter).overflow.iter().sum();
    assert!(folded > 0);
    exporter.settings.max_exit_codes = 100;
    exporter.restart(&cloud);
    assert_eq!(later_counts(&mut cloud, &mut exporter).reclassified, 0);
    cloud.instances[0].settled = Some(End { code: 55, at: NOW });
    cloud.instances[9].settled = Some(End { code: 0, at: NOW });
    assert_eq!(later_counts(&mut cloud, &mut exporter).reclassified, 2);
}

/// After a sweep.
fn later_counts(cloud: &mut Cloud, exporter: &mut Exporter) -> Counts {
    exporter.pass(cloud, BETWEEN_SWEEPS);
    exporter.poll(cloud, true, usize::MAX);
    exporter.counts()
}

#[test]
fn what_another_filter_does_not_list_is_not_lost() {
    let (mut cloud, mut exporter) = looked(3);
    exporter.settings.filter = 99;
    exporter.restart(&cloud);
    cloud.instances[0].listed = false;
    for _ in 0..3 {
        assert_eq!(later_counts(&mut cloud, &mut exporter).lost, 0);
    }
    assert_eq!(exporter.record.open().count(), 2);
    // Back again, it is followed.
    exporter.settings.filter = Exporter::new().settings.filter;
    exporter.restart(&cloud);
    cloud.instances[0].listed = true;
    settle(&mut cloud, 1);
    later(&mut cloud, &mut exporter, 60, false);
    settle(&mut cloud, 0);
    assert_eq!(later(&mut cloud, &mut exporter, 60, false), 3);
}

#[test]
fn a_result_that_changes_or_shows_open_again_keeps_its_one_count() {
    let (mut cloud, mut exporter) = looked(1);
    let mut shows = |code: Option<i64>| {
        cloud.instances[0].settled = code.map(|code| End { code, at: NOW });
        exporter.pass(&mut cloud, 60);
        exporter.poll(&mut cloud, false, usize::MAX);
        exporter.restart(&cloud);
        (
            exporter.totals(),
            exporter.gauges(),
            exporter.counts().reclassified,
        )
    };
    let one = |status: &str| BTreeMap::from([(status.to_owned(), 1)]);
    assert_eq!(shows(Some(1)), (BTreeMap::from([(1, 1)]), one("Failed"), 0));
    assert_eq!(shows(Some(0)), (BTreeMap::from([(1, 1)]), one("Success"), 1));
    assert_eq!(shows(None), (BTreeMap::from([(1, 1)]), one("Running"), 2));
    assert_eq!(shows(Some(0)), (BTreeMap::from([(1, 1)]), one("Success"), 2));
}
