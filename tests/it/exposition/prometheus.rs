//! A real Prometheus that scrapes the exporter.

use super::*;

/// Debian's Prometheus, until it is dropped.
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
}

impl Prometheus {
    fn start(directory: &Path, target: SocketAddr) -> Self {
        Self::start_with(directory, target, "{}", &[])
    }

    /// With labels for the target, and further arguments. What is in `data` of the directory is there from the start.
    pub(super) fn start_with(directory: &Path, target: SocketAddr, labels: &str, arguments: &[&str]) -> Self {
        let job = format!("static_configs: [{{targets: ['{target}'], labels: {labels}}}]\n");
        Self::with_job(directory, &job, arguments)
    }

    /// With this in the one job.
    pub fn with_job(directory: &Path, job: &str, arguments: &[&str]) -> Self {
        let config = directory.join("prometheus.yml");
        let text = format!(
            "scrape_configs:\n- job_name: exporter\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  {job}"
        );
        std::fs::write(&config, text).unwrap();
        let mut process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .arg("--enable-feature=exemplar-storage")
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("prometheus: {error}; `make install-tools` installs what the tests need")
            });
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let address = line.split_once("address=")?.1.split(' ').next()?.parse();
                address.ok().filter(|address: &SocketAddr| address.port() != 0)
            })
            .unwrap();
        // Whatever else it logs must have a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    /// Each result of an instant query: its labels and its value.
    pub fn query(&self, query: &str) -> Vec<(Labels, f64)> {
        let answer = self.api(&format!("query?query={}", encoded(query)));
        let results = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        results
            .iter()
            .map(|result| {
                let labels: Labels = serde_json::from_value(result["metric"].clone()).unwrap();
                (labels, result["value"][1].as_str().unwrap().parse().unwrap())
            })
            .collect()
    }

    /// The labels of the exemplars of the last day.
    fn exemplars(&self, query: &str) -> Vec<Labels> {
        let now = simulator::unix_now();
        let (query, start, end) = (encoded(query), now - 86_400, now + 60);
        let answer = self.api(&format!("query_exemplars?query={query}&start={start}&end={end}"));
        let series = answer["data"].as_array().cloned().unwrap_or_default();
        let exemplars = series
            .iter()
            .flat_map(|series| series["exemplars"].as_array().cloned().unwrap());
        exemplars
            .map(|exemplar| serde_json::from_value(exemplar["labels"].clone()).unwrap())
            .collect()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn api(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).unwrap();
        // Version 1.0 has no chunks.
        write!(stream, "GET /api/v1/{path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or(Value::Null)
    }

    /// Results by their three labels, without zeros.
    pub fn results(&self, query: &str) -> BTreeMap<(String, String, String), u64> {
        let label = |labels: &Labels, name: &str| labels.get(name).cloned().unwrap_or_default();
        self.query(query)
            .into_iter()
            .filter(|(_, value)| *value > 0.0)
            .map(|(labels, value)| {
                let class = ["invocation_status", "error_code", "exit_code"].map(|name| label(&labels, name));
                let [status, error_code, exit_code] = class;
                ((status, error_code, exit_code), value as u64)
            })
            .collect()
    }
}

pub(super) fn encoded(query: &str) -> String {
    query
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_real_prometheus_has_the_sums_of_what_was_really_run() {
    let directory = tempdir().unwrap();
    let regions = ["cn-hangzhou", "cn-beijing", "cn-shanghai"];
    let simulator = cloud(&regions);
    for region in regions {
        let mut cloud = simulator.cloud();
        cloud.region(ACCOUNT, region).add_settled(10, Outcome::success());
    }
    simulator.cloud().mark_baseline();
    let exporter = Exporter::start(
        directory.path(),
        &config(
            &simulator,
            directory.path(),
            &regions,
            "metrics: {new_series_hold: 6s}\n",
        ),
    );
    exporter.looked();
    let prometheus = Prometheus::start(directory.path(), exporter.address());
    eventually("Prometheus has scraped", || {
        let known = prometheus.query("cloud_assistant_results_total");
        (known.len() >= 36).then_some(())
    });
    for (number, region) in regions.iter().enumerate() {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, region);
        for (place, outcome) in Outcome::every_kind().into_iter().enumerate() {
            region.add_settled(1 + number * 7 + place, outcome);
        }
        region.add_settled(5, Outcome::failed(137));
        region.run("open", number + 1);
    }
    let truth: Vec<Truth> = regions
        .iter()
        .map(|region| simulator.cloud().truth_since_baseline(ACCOUNT, region))
        .collect();
    let mut expected = BTreeMap::new();
    for (class, count) in truth.iter().flat_map(|truth| &truth.results) {
        *expected.entry(class.clone()).or_insert(0) += count;
    }
    let by_class = "sum by (invocation_status, error_code, exit_code)";
    let query = format!("{by_class} (cloud_assistant_results_total)");
    eventually("the sums are those that were run", || {
        (prometheus.results(&query) == expected).then_some(())
    });
    for (region, truth) in regions.iter().zip(&truth) {
        let of_region = format!("{by_class} (cloud_assistant_results_total{{region_id=\"{region}\"}})");
        assert_eq!(prometheus.results(&of_region), truth.results, "{region}");
    }
    let one = |query: &str| {
        let results = prometheus.query(query);
        assert_eq!(results.len(), 1, "{query}: {results:?}");
        results[0].1
    };
    assert_eq!(
        one("sum(cloud_assistant_recent_results{invocation_status=\"Pending\"})"),
        6.0
    );
    assert_eq!(one("sum(cloud_assistant_up)"), 3.0);
    assert_eq!(one("min_over_time(up[5m])"), 1.0, "no scrape has failed");
    // The held series was there at 0 before it rose, so that Prometheus sees the whole rise.
    let zero = "min_over_time(cloud_assistant_results_total{exit_code=\"137\",region_id=\"cn-beijing\"}[5m])";
    assert_eq!(one(zero), 0.0);
    let durations = "sum(cloud_assistant_result_duration_seconds_count)";
    let expected: u64 = truth
        .iter()
        .flat_map(|truth| truth.durations.values())
        .flat_map(BTreeMap::values)
        .sum();
    assert_eq!(one(durations), expected as f64);
}

#[test]
fn exemplars_of_failures_arrive_in_a_real_prometheus() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let exporter = Exporter::start(
        directory.path(),
        &config(&simulator, directory.path(), &[REGION], ""),
    );
    exporter.looked();
    let (first, last) = {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        let first = region.run("backup", ["i-first"]);
        region.settle(&first, 0, Outcome::failed(7));
        region.add_settled(3, Outcome::success());
        cloud.advance(60);
        let region = cloud.region(ACCOUNT, REGION);
        let last = region.run("backup", ["i-last"]);
        region.settle(&last, 0, Outcome::failed(7));
        (first, last)
    };
    assert_ne!(first, last);
    exporter.polled();
    let prometheus = Prometheus::start(directory.path(), exporter.address());
    let exemplars = eventually("an exemplar", || {
        let found = prometheus.exemplars("cloud_assistant_results_total");
        (!found.is_empty()).then_some(found)
    });
    let newest = Labels::from([
        ("invoke_id".to_owned(), last.to_string()),
        ("instance_id".to_owned(), "i-last".to_owned()),
    ]);
    assert!(
        exemplars.iter().all(|exemplar| *exemplar == newest),
        "{exemplars:?}"
    );
}

/// Debian's takes protobuf where it takes native histograms.
#[test]
fn a_real_prometheus_takes_protobuf_and_native_histograms() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let more = "metrics: {new_series_hold: 0s, native_histograms: true, command_durations: true, \
                commands: [{name: '.*'}]}\n";
    let config = config(&simulator, directory.path(), &[REGION], more);
    let exporter = Exporter::start(directory.path(), &config);
    exporter.looked();
    let truth = {
        let mut cloud = simulator.cloud();
        let region = cloud.region(ACCOUNT, REGION);
        for seconds in [0, 1, 3, 60, 60, 60, 60, 60, 4000] {
            region.add_settled(1, Outcome::success().lasting(seconds));
        }
        let failed = region.run("backup", ["i-failed"]);
        region.settle(&failed, 0, Outcome::failed(7).lasting(100));
        cloud.truth_since_baseline(ACCOUNT, REGION)
    };
    exporter.polled();
    let arguments = ["--enable-feature=native-histograms"];
    let prometheus = Prometheus::start_with(directory.path(), exporter.address(), "{}", &arguments);
    let query = "sum by (invocation_status, error_code, exit_code) (cloud_assistant_results_total)";
    eventually("the sums are those that were run", || {
        (prometheus.results(query) == truth.results).then_some(())
    });
    let one = |query: &str| {
        let results = prometheus.query(query);
        assert_eq!(results.len(), 1, "{query}: {results:?}");
        results[0].1
    };
    assert_eq!(one("min_over_time(up[5m])"), 1.0, "no scrape has failed");
    let durations = "cloud_assistant_result_duration_seconds{invocation_status=\"Success\"}";
    assert_eq!(one(&format!("histogram_count({durations})")), 9.0);
    assert_eq!(one(&format!("histogram_sum({durations})")), 4304.0);
    // Of five in the bucket that ends at 64 s, and begins at 58.7 s.
    let median = one(&format!("histogram_quantile(0.5, {durations})"));
    assert!((58.0..=64.0).contains(&median), "{median}");
    // The zero bucket is a bit wider than nothing.
    assert!(one(&format!("histogram_quantile(0.05, {durations})")) < 1e-30);
    let buckets = prometheus.query("cloud_assistant_result_duration_seconds_bucket");
    assert!(
        buckets.is_empty(),
        "where it takes the one it leaves the other out: {buckets:?}"
    );
    let classic = one("sum(cloud_assistant_exporter_api_request_duration_seconds_bucket{le=\"+Inf\"})");
    assert!(classic > 0.0, "what has no native part is as it was");
    let exemplars = eventually("an exemplar", || {
        let found = prometheus.exemplars("cloud_assistant_results_total");
        (!found.is_empty()).then_some(found)
    });
    assert!(
        exemplars
            .iter()
            .all(|exemplar| exemplar["instance_id"] == "i-failed"),
        "{exemplars:?}"
    );
    // Every panel for native histograms has something to draw.
    for outcome in Outcome::every_kind() {
        let mut cloud = simulator.cloud();
        cloud.region(ACCOUNT, REGION).add_settled(5, outcome.lasting(30));
    }
    let more = simulator.cloud().truth_since_baseline(ACCOUNT, REGION).results;
    eventually("they have arrived", || {
        (prometheus.results(query) == more).then_some(())
    });
    let panels = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/query-panels"))
        .arg(format!("http://{}", prometheus.address()))
        .arg("--native")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&panels.stdout) + String::from_utf8_lossy(&panels.stderr);
    assert!(
        panels.status.success() && said.contains("queries, 0 without data"),
        "{said}"
    );
}
