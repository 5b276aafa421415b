//! `--backfill`: four weeks of the simulator, in a real Prometheus that goes on with the live exporter.

use std::fs;
use std::net::TcpListener;

use simulator::{InvocationStatus, InvokeId, Simulator};

use super::prometheus::{Prometheus, encoded};
use super::*;
use crate::backfill::backfill;

const DAY: i64 = 86_400;

const METRICS: &str = "metrics: {new_series_hold: 0s, duration_buckets: [10, 1000], command_durations: true, commands: [{name: 'deploy|heartbeat'}]}\n";

/// Nearly four weeks: one-time commands, a schedule, and what never started. Returns how many of the last.
fn four_weeks(region_id: &str) -> (Simulator, u64, InvokeId) {
    let simulator = cloud(&[region_id]);
    let mut cloud = simulator.cloud();
    cloud.advance(-27 * DAY);
    let region = cloud.region(ACCOUNT, region_id);
    let schedule = region.schedule("heartbeat", "rate(6h)", 2);
    let ended = region.schedule("cleanup", "rate(1d)", 1);
    let never_run = region.schedule("never", "rate(1d)", 1);
    let mut undated = 0;
    for turn in 0..27 * 8 {
        cloud.advance(3 * 3600);
        let region = cloud.region(ACCOUNT, region_id);
        for instance in 0..2 {
            let outcome = match (turn + instance) % 9 {
                0 => Outcome::failed(7).lasting(40),
                _ => Outcome::success().lasting(2),
            };
            region.run_once(&schedule, instance, outcome);
        }
        if turn < 4 {
            region.run_once(&ended, 0, Outcome::failed(9).lasting(5));
        }
        if turn == 10 {
            region.end_schedule(&ended, InvocationStatus::Cancelled);
            region.end_schedule(&never_run, InvocationStatus::Cancelled);
        }
        if turn % 3 == 0 {
            let invoke_id = region.run("deploy", 3);
            region.settle(&invoke_id, 0, Outcome::success().lasting(61));
            region.settle(&invoke_id, 1, Outcome::failed(137).lasting(4000));
            region.settle(&invoke_id, 2, Outcome::cancelled());
        }
        if turn % 20 == 0 {
            region.add_settled(1, Outcome::aborted("ClientNotRunning"));
            undated += 1;
        }
    }
    // Under way when the look comes, and live's.
    let region = cloud.region(ACCOUNT, region_id);
    region.run("deploy", 2);
    region.begin_run(&schedule, 0);
    drop(cloud);
    (simulator, undated, schedule)
}

fn days(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory.join("past")).unwrap();
    let mut days: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    days.sort();
    days
}

/// Makes blocks of all days where Prometheus has its own.
pub(super) fn make_blocks(directory: &Path) {
    for day in days(directory) {
        let output = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", "-q"])
            .arg(&day)
            .arg(directory.join("data"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.is_empty(),
            "{}: {said}",
            day.display()
        );
    }
}

/// What each class of results has risen by, by every sample that Prometheus has.
fn risen(
    prometheus: &Prometheus,
    metric: &str,
    labels: [&str; 3],
) -> BTreeMap<(String, String, String), u64> {
    let answer = prometheus.api(&format!("query?query={}", encoded(&format!("{metric}[40d]"))));
    let mut risen = BTreeMap::new();
    // While it starts, it has none.
    for series in answer["data"]["result"].as_array().into_iter().flatten() {
        let values = series["values"].as_array().unwrap();
        let values: Vec<u64> = values
            .iter()
            .map(|value| value[1].as_str().unwrap().parse().unwrap())
            .collect();
        let rise = |pair: &[u64]| pair[1].checked_sub(pair[0]).unwrap_or(pair[1]);
        let rise: u64 = values.windows(2).map(rise).sum::<u64>() + values[0];
        let class = labels.map(|name| series["metric"][name].as_str().unwrap_or_default().to_owned());
        if rise > 0 {
            *risen.entry(class.into()).or_default() += rise;
        }
    }
    risen
}

const COMBINED: [&str; 3] = ["invocation_status", "error_code", "exit_code"];

/// Without what never started.
fn dated(truth: &Truth) -> BTreeMap<(String, String, String), u64> {
    let mut dated = truth.results.clone();
    dated.retain(|(status, ..), _| status != "Aborted");
    dated
}

#[test]
fn four_weeks_and_the_live_counters_are_every_result_once() {
    let directory = tempdir().unwrap();
    let (simulator, undated, schedule) = four_weeks(REGION);
    let config = config(&simulator, directory.path(), &[REGION], METRICS);
    let (is_done, said) = backfill(directory.path(), &config, &["--backfill.step=4m"]);
    assert!(is_done, "{said}");
    let truth = simulator.cloud().truth(ACCOUNT, REGION);
    simulator.cloud().mark_baseline();
    let listed = truth.total() - undated;
    assert!(said.contains(&format!("checked: {listed} results in")), "{said}");
    assert!(
        said.contains(&format!("{undated} results have no time of their own")),
        "{said}"
    );
    assert!(said.contains("4 open, 0 for the live counters"), "{said}");
    let requests = simulator.requests().len();

    // Once more: nothing is asked, and the files are the same.
    let before: Vec<_> = days(directory.path())
        .iter()
        .map(|day| fs::read(day).unwrap())
        .collect();
    let (is_done, said) = backfill(directory.path(), &config, &["--backfill.step=4m"]);
    assert!(is_done, "{said}");
    assert_eq!(simulator.requests().len(), requests);
    let after: Vec<_> = days(directory.path())
        .iter()
        .map(|day| fs::read(day).unwrap())
        .collect();
    assert!(before == after);

    make_blocks(directory.path());
    let exporter = Exporter::start(directory.path(), &config);
    exporter.polled();
    let prometheus = Prometheus::start_with(
        directory.path(),
        exporter.address(),
        "{instance: here}",
        &["--storage.tsdb.retention.time=60d"],
    );
    eventually("the past is there", || {
        let past = risen(&prometheus, "cloud_assistant_results_total", COMBINED);
        (past == dated(&truth)).then_some(())
    });

    // What is live from then on is added to it.
    {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        region.add_settled(5, Outcome::success());
        region.add_settled(2, Outcome::failed(137));
        let invoke_id = region.run("deploy", 2);
        region.settle_all(&invoke_id, &Outcome::failed(7));
        region.finish_run(&schedule, 0, Outcome::success());
    }
    let all = dated(&simulator.cloud().truth(ACCOUNT, REGION));
    eventually("past and live together are the truth", || {
        let risen = risen(&prometheus, "cloud_assistant_results_total", COMBINED);
        (risen == all).then_some(())
    });
    let one = |query: &str| {
        let found = prometheus.query(query);
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        found[0].1
    };
    // One series for both, and hardly more for the ends of the span.
    let total = all.values().sum::<u64>() as f64;
    let increase = one("sum(increase(cloud_assistant_results_total[40d]))");
    assert!(
        (total..total * 1.01 + 3.0).contains(&increase),
        "{increase} {total}"
    );
    assert_eq!(
        one("count(count by (job, instance) (cloud_assistant_results_total))"),
        1.0
    );
    let of_commands = risen(
        &prometheus,
        "cloud_assistant_command_results_total",
        ["command", "invocation_status", "exit_code"],
    );
    let of = |command: &str, status: &str| {
        let key = (command.to_owned(), status.to_owned(), String::new());
        of_commands.get(&key).copied().unwrap_or_default()
    };
    assert_eq!(of("deploy", "Cancelled"), 72);
    assert_eq!(of("deploy", "Failed"), 72 + 2);
    assert_eq!(
        of("heartbeat", "Success") + of("heartbeat", "Failed"),
        27 * 8 * 2 + 1
    );
    let durations: u64 = simulator
        .cloud()
        .truth(ACCOUNT, REGION)
        .durations
        .values()
        .flat_map(BTreeMap::values)
        .sum();
    let counted = risen(
        &prometheus,
        "cloud_assistant_result_duration_seconds_count",
        ["job", "instance", "account"],
    );
    assert_eq!(counted.values().sum::<u64>(), durations);
}

#[test]
fn beside_a_running_exporter_files_end_where_its_look_began() {
    let directory = tempdir().unwrap();
    let (simulator, undated, _) = four_weeks(REGION);
    let config = config(&simulator, directory.path(), &[REGION], METRICS);
    let exporter = Exporter::start(directory.path(), &config);
    exporter.looked();
    let before = simulator.cloud().truth(ACCOUNT, REGION);
    // What it has counted since is not in the files.
    simulator.cloud().advance(600);
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(7, Outcome::success());
    exporter.polled();
    let (is_done, said) = backfill(directory.path(), &config, &["--backfill.step=4m"]);
    assert!(!is_done);
    assert!(
        said.contains("an exporter runs") && said.contains("--backfill.status=PATH"),
        "{said}"
    );

    let status = directory.path().join("status.json");
    fs::write(&status, exporter.get("/api/v1/status").body).unwrap();
    let argument = format!("--backfill.status={}", status.display());
    let (is_done, said) = backfill(
        directory.path(),
        &config,
        &[&argument, "--backfill.near-changes=1h"],
    );
    assert!(is_done, "{said}");
    let listed = before.total() - undated;
    assert!(said.contains(&format!("checked: {listed} results")), "{said}");
    assert!(said.contains("7 for the live counters"), "{said}");

    // Of a stopped one its state says the same.
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{log}");
    let (is_done, said) = backfill(directory.path(), &config, &["--backfill.step=4m"]);
    assert!(is_done, "{said}");
    assert!(said.contains(&format!("checked: {listed} results")), "{said}");

    let wrong = config.replace("regions: [cn-hangzhou]", "regions: [cn-hangzhou, cn-beijing]");
    let (is_done, said) = backfill(directory.path(), &wrong, &["--backfill.near-changes=9m"]);
    assert!(!is_done && said.contains("10 times --backfill.step"), "{said}");
    let (is_done, said) = backfill(directory.path(), &wrong, &[&argument]);
    assert!(!is_done);
    assert!(
        said.contains("1 of 2 scopes cannot be read, production/cn-beijing"),
        "{said}"
    );
}

/// VictoriaMetrics, until it is dropped.
struct Victoria(Child);

impl Drop for Victoria {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn post(address: SocketAddr, path: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
#[ignore = "prints a table; make figures"]
fn panels_on_day_one() {
    let directory = tempdir().unwrap();
    let (simulator, ..) = four_weeks(REGION);
    let config = config(&simulator, directory.path(), &[REGION], METRICS);
    let (is_done, said) = backfill(directory.path(), &config, &[]);
    assert!(is_done, "{said}");
    make_blocks(directory.path());
    let exporter = Exporter::start(directory.path(), &config);
    let prometheus = Prometheus::start_with(
        directory.path(),
        exporter.address(),
        "{instance: here}",
        &["--storage.tsdb.retention.time=60d"],
    );
    eventually("a few scrapes", || {
        let scrapes = prometheus.query("count_over_time(up[1m])");
        scrapes
            .first()
            .is_some_and(|(_, count)| *count > 5.0)
            .then_some(())
    });
    let panels = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/query-panels"))
        .arg(format!("http://{}", prometheus.address()))
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&panels.stdout));
}

#[test]
#[ignore = "needs victoria-metrics, which Debian has"]
fn victoria_metrics_takes_the_same_files() {
    let directory = tempdir().unwrap();
    let (simulator, undated, _) = four_weeks(REGION);
    let config = config(&simulator, directory.path(), &[REGION], METRICS);
    let (is_done, said) = backfill(directory.path(), &config, &["--backfill.step=4m"]);
    assert!(is_done, "{said}");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let victoria = Command::new("victoria-metrics")
        .arg(format!("-httpListenAddr={address}"))
        .arg(format!(
            "-storageDataPath={}",
            directory.path().join("victoria").display()
        ))
        .arg("-retentionPeriod=1y")
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("victoria-metrics: {error}"));
    let _victoria = Victoria(victoria);
    eventually("it listens", || TcpStream::connect(address).ok());
    for day in days(directory.path()) {
        let answer = post(address, "/api/v1/import/prometheus", &fs::read(day).unwrap());
        assert!(answer.contains(" 204 "), "{answer}");
    }
    post(address, "/internal/force_flush", b"");
    let total = simulator.cloud().truth(ACCOUNT, REGION).total() - undated;
    let query = encoded("sum(increase(cloud_assistant_results_total[40d]))");
    eventually("its sum is the truth", || {
        let answer = post(address, &format!("/api/v1/query?query={query}"), b"");
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let answer: Value = serde_json::from_str(body).ok()?;
        let sum = answer["data"]["result"][0]["value"][1].as_str()?.to_owned();
        println!("{sum} of {total}");
        (sum == total.to_string()).then_some(())
    });
}
