//! Start timestamps, as a decoder that is not ours reads them: over restarts and crashes none moves.

use super::formats::ASK_PROTOBUF;
use super::*;
use crate::crash::remembering_cloud;
use crate::standby::Pair;

/// By the names and labels of counters and histograms.
type Starts = BTreeMap<(String, Labels), f64>;

/// What a decoder makes of a scrape.
fn parsed(exporter: &Exporter) -> Value {
    let answer = exporter.request("GET", "/metrics", ASK_PROTOBUF);
    python(&["protobuf"], &answer.body)
}

/// All of them, and when the process started.
fn starts(exporter: &Exporter) -> (Starts, f64) {
    let parsed = parsed(exporter);
    let samples = parsed["samples"].as_array().unwrap().iter();
    let process = samples
        .clone()
        .filter(|sample| sample[0] == "process_start_time_seconds");
    let process = process
        .map(|sample| sample[2].as_str().unwrap().parse().unwrap())
        .next();
    let starts = starts_in(&parsed);
    // Every counter and histogram has one.
    let expected: BTreeSet<(String, Labels)> = samples
        .filter_map(|sample| {
            let name = sample[0].as_str().unwrap();
            let name = name
                .strip_suffix("_count")
                .or_else(|| name.ends_with("_total").then_some(name))?;
            Some((
                name.to_owned(),
                serde_json::from_value(sample[1].clone()).unwrap(),
            ))
        })
        .collect();
    assert_eq!(starts.keys().cloned().collect::<BTreeSet<_>>(), expected);
    (starts, process.unwrap())
}

fn starts_in(parsed: &Value) -> Starts {
    let mut starts = BTreeMap::new();
    for start in parsed["starts"].as_array().unwrap() {
        let labels: Labels = serde_json::from_value(start[1].clone()).unwrap();
        let name = start[0].as_str().unwrap().to_owned();
        assert!(
            starts
                .insert((name, labels), start[2].as_f64().unwrap())
                .is_none()
        );
    }
    starts
}

/// Those that outlive the process, and those that begin with it.
fn parted(starts: BTreeMap<(String, Labels), f64>) -> [BTreeMap<(String, Labels), f64>; 2] {
    let own = ["process_", "cloud_assistant_exporter_"];
    let of_record = [
        "late_results",
        "old_results",
        "reclassified_results",
        "label_overflow",
    ];
    let is_of_process = |name: &str| {
        own.iter().any(|prefix| name.starts_with(prefix)) && !of_record.iter().any(|part| name.contains(part))
    };
    let (of_process, others): (Vec<_>, Vec<_>) =
        starts.into_iter().partition(|((name, _), _)| is_of_process(name));
    [others.into_iter().collect(), of_process.into_iter().collect()]
}

#[test]
fn none_moves_and_none_is_that_of_the_process() {
    let began = simulator::unix_now() as f64;
    let more = "metrics: {new_series_hold: 0s, command_durations: true, commands: [{name: '.*'}]}\n\
                poll: {interval: 100ms, sweep_interval: 0, request_timeout: 2s}\n";
    let stage = Stage::new(more, |region| {
        region.add_settled(3, Outcome::success());
    });
    let first_look = simulator::unix_now() as f64;
    let (first, _) = starts(&stage.exporter);
    let [first, _] = parted(first);
    assert!(first.len() > 20);
    for (series, start) in &first {
        assert!((began - 1.0..=first_look).contains(start), "{series:?} {start}");
    }
    eventually("another second", || {
        (simulator::unix_now() as f64 > first_look + 1.0).then_some(())
    });
    stage.region(|region| region.add_settled(1, Outcome::failed(77).lasting(5)));
    let is_77 = |labels: &Labels| labels.get("exit_code").is_some_and(|code| code == "77");
    stage.exporter.scrape_until("it is counted", |scrape| {
        scrape.sum(RESULTS, &[("exit_code", "77")]) == Some(1.0)
    });
    let counted = simulator::unix_now() as f64;
    let [late, _] = parted(starts(&stage.exporter).0);
    let (_, start) = late.iter().find(|((_, labels), _)| is_77(labels)).unwrap();
    assert!(
        (first_look..counted).contains(start),
        "{start}: it was at 0 a poll before"
    );
    assert!(
        first
            .iter()
            .all(|(series, start)| late.get(series) == Some(start)),
        "none moves"
    );
    let Stage {
        exporter,
        simulator,
        directory,
        ..
    } = stage;
    let text = std::fs::read_to_string(crate::exporter::config_path(directory.path())).unwrap();
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{log}");
    for end in ["an orderly one", "a crash"] {
        eventually("another second", || {
            (simulator::unix_now() as f64 > counted + 1.0).then_some(())
        });
        let exporter = Exporter::start(directory.path(), &text);
        exporter.polled();
        let (all, process) = starts(&exporter);
        let [of_record, of_process] = parted(all);
        assert_eq!(of_record, late, "after {end}");
        assert!(process > counted && of_record.values().all(|start| *start < process));
        assert!(of_process.len() > 10);
        assert!(of_process.values().all(|start| (start - process).abs() < 1e-3));
        exporter.kill();
    }
    drop(simulator);
}

#[test]
fn what_counts_for_the_leader_begins_with_its_leadership() {
    let mut pair = Pair::begin_empty(remembering_cloud(&[REGION], simulator::unix_now()));
    pair.begin(0);
    pair.until_leads(0);
    pair.replica(0).looked();
    let now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
    };
    let of_work = [
        "cloud_assistant_exporter_polls_total",
        "cloud_assistant_exporter_api_requests_total",
        "cloud_assistant_exporter_api_request_duration_seconds",
        "cloud_assistant_exporter_credentials_refresh_failures_total",
    ];
    let mut before = 0.0;
    for term in 1..=2 {
        let starts = starts_in(&parsed(pair.replica(0)));
        let of = |name: &str| {
            let of = starts
                .iter()
                .filter(|((of, _), _)| of == name)
                .map(|(_, start)| *start);
            of.collect::<Vec<f64>>()
        };
        let process = of("process_cpu_seconds_total")[0];
        for name in of_work {
            let starts = of(name);
            assert!(!starts.is_empty(), "{name}");
            let is_of_term = |start: &f64| *start > process && *start > before && *start <= now();
            assert!(
                starts.iter().all(is_of_term),
                "{name} in term {term}: {starts:?}, not after {before}"
            );
        }
        assert_eq!(of("cloud_assistant_exporter_log_lines_dropped_total"), [process]);
        // It leads again, in the same process.
        before = now();
        let ended = "select count(pg_terminate_backend(pid, 2000)) from pg_locks where locktype = 'advisory' and granted";
        assert_eq!(pair.database.ask(ended), "1");
        pair.until("it leads anew, and has polled", |pair| {
            let scrape = pair.replica(0).scrape();
            scrape.sum("cloud_assistant_exporter_leadership_changes_total", &[]) == Some(f64::from(term + 1))
                && scrape.sum("cloud_assistant_exporter_polls_total", &[]) > Some(0.0)
        });
    }
}
