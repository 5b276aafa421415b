//! Schedules of selected commands, and the rule of one line for those that stop.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use simulator::{InvocationStatus, Outcome, unix_now};
use tempfile::tempdir;

use super::{RESULTS, with};
use crate::cloud::{ACCOUNT, REGION, cloud};
use crate::exporter::{Exporter, eventually, pause};

const LAST_RUN: &str = "cloud_assistant_schedule_last_run_timestamp_seconds";

#[test]
fn a_live_schedule_has_its_frequency_and_its_last_run() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let text = with(&simulator, directory.path(), "{name: heartbeat}");
    let exporter = Exporter::start(directory.path(), &text);
    exporter.looked();
    let forms = ["rate(5m)", "0 0 2 * * ?", "at(2030-01-02 03:04:05)"];
    let ids = forms.map(|frequency| {
        simulator
            .cloud()
            .region(ACCOUNT, REGION)
            .schedule("heartbeat", frequency, 2)
    });
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .command("heartbeat")
        .on(1)
        .on_every_reboot()
        .run();
    let scrape = exporter.scrape_until("four schedules", |scrape| {
        scrape.sum("cloud_assistant_schedule_info", &[]) == Some(4.0)
    });
    for frequency in forms {
        let labels = [
            ("command", "heartbeat"),
            ("repeat_mode", "Period"),
            ("frequency", frequency),
        ];
        assert_eq!(scrape.value("cloud_assistant_schedule_info", &labels), 1.0);
    }
    assert_eq!(scrape.sum(LAST_RUN, &[]), None, "none has run");
    let now = {
        let mut cloud = simulator.cloud();
        cloud.advance(300);
        let region = cloud.region(ACCOUNT, REGION);
        region.begin_run(&ids[0], 0);
        region.finish_run(&ids[0], 0, Outcome::success());
        region.now()
    };
    let scrape = exporter.scrape_until("a run", |scrape| scrape.sum(RESULTS, &[]) == Some(1.0));
    assert_eq!(scrape.value(LAST_RUN, &[]), now as f64);
    exporter.kill();
    let exporter = Exporter::start(directory.path(), &text);
    let scrape = exporter.looked();
    assert_eq!(scrape.value(LAST_RUN, &[]), now as f64);
    assert_eq!(scrape.value("cloud_assistant_schedule_info", &[]), 4.0);
    for id in &ids {
        let cancelled = InvocationStatus::Cancelled;
        simulator
            .cloud()
            .region(ACCOUNT, REGION)
            .end_schedule(id, cancelled);
    }
    eventually("only the one at reboot is left", || {
        (exporter.scrape().sum("cloud_assistant_schedule_info", &[]) == Some(1.0)).then_some(())
    });
}

/// Seconds from one run to the next.
const INTERVAL: u64 = 2;

#[test]
fn a_schedule_that_stops_is_seen_by_a_rule_of_one_line_and_one_that_is_late_is_not() {
    let directory = tempdir().unwrap();
    let cloud_began = unix_now();
    let simulator = cloud(&[REGION]);
    let text = with(&simulator, directory.path(), "{name: 'stops|late'}");
    let exporter = Exporter::start(directory.path(), &text);
    exporter.looked();
    let ids = ["stops", "late"].map(|name| {
        let mut cloud = simulator.cloud();
        cloud.region(ACCOUNT, REGION).schedule(name, "rate(2s)", 3)
    });
    // Twice the interval, and what polling and scraping take.
    let rule = format!("time() - {LAST_RUN} > 2 * {INTERVAL} + 2");
    let Some(prometheus) = Prometheus::start(directory.path(), exporter.address(), &rule) else {
        println!("skipped: prometheus is not installed");
        return;
    };
    // What the start of both has taken would else be added to the age of every run.
    simulator.cloud().advance(unix_now() - cloud_began);
    let (started, mut passed) = (Instant::now(), 0);
    let mut fired_at = None;
    let mut longest = [0; 2];
    let mut ran_at = [0; 2];
    // The cloud's clock follows ours; one schedule stops after 6 s, the other one runs every second interval only.
    while passed < 40 && fired_at.is_none_or(|at| passed < at + 8) {
        let now = started.elapsed().as_secs();
        if now == passed {
            pause();
            continue;
        }
        let mut cloud = simulator.cloud();
        cloud.advance(i64::try_from(now - passed).unwrap());
        passed = now;
        let region = cloud.region(ACCOUNT, REGION);
        let runs = [
            passed % INTERVAL == 0 && passed <= 6,
            passed % (2 * INTERVAL) == 0,
        ];
        for (place, id) in ids.iter().enumerate() {
            longest[place] = longest[place].max(passed - ran_at[place]);
            if runs[place] {
                ran_at[place] = passed;
                for instance in 0..3 {
                    region.run_once(id, instance, Outcome::success());
                }
            }
        }
        drop(cloud);
        let firing = prometheus.firing();
        assert!(!firing.contains("\"late\""), "after {passed} s: {firing}");
        if firing.contains("\"stops\"") {
            fired_at = fired_at.or(Some(passed));
        }
    }
    println!("longest gaps {longest:?} s; the one that stopped after 6 s was seen after {fired_at:?} s");
    let fired_at = fired_at.unwrap_or_else(|| panic!("never seen: {}", prometheus.firing()));
    assert!(fired_at > 6 + INTERVAL);
}

/// A real Prometheus with one alert, until it is dropped.
struct Prometheus {
    process: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// None where it is not installed.
    fn start(directory: &Path, target: SocketAddr, rule: &str) -> Option<Self> {
        let rules = format!("groups:\n- name: rules\n  rules:\n  - {{alert: HasNotRun, expr: '{rule}'}}\n");
        fs::write(directory.join("rules.yml"), rules).unwrap();
        let config = directory.join("prometheus.yml");
        let text = format!(
            "global: {{evaluation_interval: 500ms}}\nrule_files: [rules.yml]\nscrape_configs:\n- job_name: exporter\n  \
             scrape_interval: 500ms\n  scrape_timeout: 500ms\n  static_configs: [{{targets: ['{target}']}}]\n"
        );
        fs::write(&config, text).unwrap();
        let mut process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.split_once("address=")?.1.split(' ').next()?.parse();
            address.ok().filter(|address: &SocketAddr| address.port() != 0)
        });
        // Whatever else it logs must have a reader.
        thread::spawn(move || lines.for_each(drop));
        Some(Self {
            process,
            address: address.unwrap(),
        })
    }

    /// The alerts that fire, as JSON.
    fn firing(&self) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET /api/v1/alerts HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
