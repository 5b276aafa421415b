//! A real Prometheus that has the files of `--backfill`, and a day of scrapes behind them: its `increase()` over any span
//! across the join is the truth.

use std::fmt::Write as _;
use std::fs;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use simulator::{Simulator, unix_now, utc};

use super::backfill::make_blocks;
use super::prometheus::{Prometheus, encoded};
use super::*;
use crate::backfill::backfill;

const DAY: i64 = 86_400;

/// The scrape interval, and the step.
const STEP: usize = 60;

/// Regions, and how long after the look the exporter is first scraped: at once, and after a pause.
const REGIONS: [(&str, i64); 2] = [("cn-hangzhou", 17), ("cn-beijing", 5_000)];

/// Four days in which results settle now and then; for each region when they did.
fn four_days() -> (Simulator, BTreeMap<&'static str, Vec<i64>>) {
    let simulator = cloud(&REGIONS.map(|(region_id, _)| region_id));
    let mut cloud = simulator.cloud();
    let mut ended: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let begin = unix_now() - 4 * DAY;
    cloud.advance(-4 * DAY);
    let mut passed = 0;
    for turn in 0_i64.. {
        let pause = 30 + turn * turn * 37 % 5_000;
        passed += pause;
        if passed > 4 * DAY - 3_600 {
            cloud.advance(4 * DAY - passed + pause);
            break;
        }
        cloud.advance(pause);
        for (place, (region_id, _)) in REGIONS.into_iter().enumerate() {
            let count = (turn as usize + place) % 3;
            let region = cloud.region(ACCOUNT, region_id);
            for invoke_id in region.add_settled(count, Outcome::success()) {
                let at = region.row(&invoke_id, 0).finished_time.unwrap();
                assert!((begin..=begin + 4 * DAY).contains(&at));
                let ended = ended.entry(region_id).or_default();
                ended.extend(std::iter::repeat_n(at, count));
            }
        }
    }
    drop(cloud);
    (simulator, ended)
}

/// What Prometheus would have scraped of an exporter whose look was at `look`, until `now`.
fn scrapes(ended: &BTreeMap<&str, Vec<i64>>, look: i64, now: i64) -> String {
    let mut text = "# TYPE cloud_assistant_results counter\n".to_owned();
    for (region_id, after) in REGIONS {
        for time in (look + after..now).step_by(STEP) {
            let live = ended[region_id]
                .iter()
                .filter(|at| (look + 1..=time).contains(at));
            writeln!(
                text,
                "cloud_assistant_results_total{{job=\"exporter\",instance=\"here\",account=\"{ACCOUNT}\",\
                 region_id=\"{region_id}\",invocation_status=\"Success\",exit_code=\"0\"}} {} {time}",
                live.count()
            )
            .unwrap();
        }
    }
    text + "# EOF\n"
}

#[test]
fn over_any_span_across_the_join_a_real_prometheus_sees_every_result_once() {
    let directory = tempdir().unwrap();
    let (simulator, ended) = four_days();
    let now = unix_now();
    // An exporter has looked a day ago, and runs.
    let look = (now - DAY) / 60 * 60 + 23;
    let scopes = REGIONS.map(
        |(region_id, _)| json!({"account": ACCOUNT, "region_id": region_id, "first_look_at": utc(look)}),
    );
    let status = directory.path().join("status.json");
    fs::write(&status, json!({"accounts": [], "scopes": scopes}).to_string()).unwrap();
    let config = config(
        &simulator,
        directory.path(),
        &REGIONS.map(|(region_id, _)| region_id),
        "",
    );
    let argument = format!("--backfill.status={}", status.display());
    let (is_done, said) = backfill(directory.path(), &config, &[&argument]);
    assert!(is_done, "{said}");
    let live = directory.path().join("past/live.om");
    fs::write(live, scrapes(&ended, look, now)).unwrap();
    make_blocks(directory.path());
    let nobody = "127.0.0.1:1".parse().unwrap();
    let retention = ["--storage.tsdb.retention.time=60d"];
    let prometheus = Prometheus::start_with(directory.path(), nobody, "{instance: nobody}", &retention);
    let of = |region_id: &str, function: &str, seconds: i64, at: i64| {
        let series = format!("cloud_assistant_results_total{{region_id=\"{region_id}\"}}[{seconds}s]");
        let query = match function {
            "" => series,
            function => format!("{function}({series})"),
        };
        let answer = prometheus.api(&format!("query?query={}&time={at}", encoded(&query)));
        answer["data"]["result"][0].clone()
    };
    eventually("it has them", || {
        of(REGIONS[0].0, "", 5 * DAY, now).is_object().then_some(())
    });

    // Over all of it: every result once, but for those after the last scrape.
    for (region_id, ended) in &ended {
        let all = of(region_id, "", 5 * DAY, now);
        let last = all["values"].as_array().unwrap().last().unwrap()[0]
            .as_i64()
            .unwrap();
        let until_then = ended.iter().filter(|at| **at <= last).count() as f64;
        let increase = of(region_id, "increase", 5 * DAY, now);
        let increase: f64 = increase["value"][1].as_str().unwrap().parse().unwrap();
        assert!(
            (until_then..until_then * 1.001 + 1.0).contains(&increase),
            "{increase} {until_then}"
        );
    }
    let spans = (0..REGIONS.len(), 0..3 * DAY, 120..3 * DAY);
    let config = ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let found = TestRunner::new(config).run(&spans, |(region, back, length)| {
        let (region_id, at) = (REGIONS[region].0, now - back);
        let samples = of(region_id, "", length, at);
        let times: Vec<f64> = samples["values"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|sample| sample[0].as_f64().unwrap())
            .collect();
        let [first, .., last] = times[..] else {
            return Ok(());
        };
        let increase = of(region_id, "increase", length, at);
        let increase: f64 = increase["value"][1].as_str().unwrap().parse().unwrap();
        let inside = |at: &&i64| (**at as f64) > first && (**at as f64) <= last;
        let truth = ended[region_id].iter().filter(inside).count() as f64;
        let apart = (last - first) / (times.len() - 1) as f64;
        let most = truth * (1.0 + 2.2 * apart / (last - first));
        prop_assert!(
            increase >= truth - 1e-6 && increase <= most + 1e-6,
            "{} {} {}",
            increase,
            truth,
            most
        );
        Ok(())
    });
    found.unwrap();
}
