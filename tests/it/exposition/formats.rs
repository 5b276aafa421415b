//! The three formats say the same: read back by parsers that are not ours, of the whole program and of random records.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use cloud_assistant_exporter::clock::Now;
use cloud_assistant_exporter::expose::{Answer, Exposition, Process};
use cloud_assistant_exporter::record::{CommandSettings, Findings, Naming, Pauses, Record, Settings, Sweep};
use cloud_assistant_exporter::requests::{Action, Reason, Requests};
use cloud_assistant_exporter::result::{
    CommandOfRow, Delivery, Identity, Ids, InvocationSummary, Row, Seconds, Status, Times,
};
use cloud_assistant_exporter::scope::Scope;
use cloud_assistant_exporter::selection::{NamePattern, Selection, Selector};
use cloud_assistant_exporter::view::{Board, LastPoll, ScopeView};

use super::*;

const FORMATS: [(&str, Option<&str>); 3] = [
    ("text", None),
    ("openmetrics", Some("application/openmetrics-text;version=1.0.0")),
    (
        "protobuf",
        Some("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"),
    ),
];

pub(super) const ASK_PROTOBUF: &str = "Accept: application/vnd.google.protobuf;\
    proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n";

const NOW: Seconds = 1_800_000_000;

/// Types and help by the name of the family, but for those of the process.
fn families(parsed: &Value) -> BTreeMap<String, Value> {
    let families: BTreeMap<String, Value> = serde_json::from_value(parsed["families"].clone()).unwrap();
    families
        .into_iter()
        .filter(|(name, _)| !name.starts_with("process_"))
        .collect()
}

/// Text, OpenMetrics and protobuf of the same have the same samples, types, help, units and exemplars.
fn say_the_same(parsed: &[Value]) {
    let [text, open_metrics, protobuf] = parsed else {
        panic!("{} bodies", parsed.len());
    };
    let ours = samples(text);
    assert!(ours == samples(open_metrics), "text and OpenMetrics");
    let others = samples(protobuf);
    let differs = ours
        .iter()
        .find(|(sample, value)| others.get(sample) != Some(value));
    assert!(
        ours == others,
        "text and protobuf: {differs:?}, {} and {}",
        ours.len(),
        others.len()
    );
    assert_eq!(families(open_metrics), families(protobuf));
    let of_text = families(text)
        .into_iter()
        .map(|(name, family)| (name, [family[0].clone(), family[1].clone()]));
    let of_protobuf = families(protobuf)
        .into_iter()
        .map(|(name, family)| (name, [family[0].clone(), family[1].clone()]));
    assert!(of_text.eq(of_protobuf));
    // The decoder has seen that each has as many durations as its histogram.
    for native in protobuf["natives"].as_array().unwrap() {
        assert_eq!(
            (&native[2]["schema"], &native[2]["zero_threshold"]),
            (&json!(3), &json!(2_f64.powi(-128)))
        );
    }
    let exemplars = |parsed: &Value| parsed["exemplars"].as_array().cloned().unwrap();
    let (ours, others) = (exemplars(open_metrics), exemplars(protobuf));
    let differs = ours.iter().zip(&others).find(|(one, other)| one != other);
    assert!(ours == others, "{differs:?}, {} and {}", ours.len(), others.len());
}

#[test]
fn the_whole_program_says_the_same_in_every_format() {
    let stage = everything();
    let get = |accept: Option<&str>, more: &str| {
        let accept = accept.map_or(String::new(), |accept| format!("Accept: {accept}\r\n"));
        stage.exporter.request("GET", "/metrics", &(accept + more))
    };
    let bodies = FORMATS.map(|(format, accept)| (format, get(accept, "")));
    let parsed = bodies
        .each_ref()
        .map(|(format, answer)| python(&[format], &answer.body));
    say_the_same(&parsed);
    let protobuf = &bodies[2].1;
    assert_eq!(protobuf.header("content-type"), Some(PROTOBUF));
    let length = protobuf.body.len().to_string();
    assert_eq!(protobuf.header("content-length"), Some(&*length));
    let compressed = get(FORMATS[2].1, "Accept-Encoding: gzip\r\n");
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert!(compressed.body.len() * 2 < protobuf.body.len());
    assert_eq!(
        samples(&python(&["protobuf", "gzip"], &compressed.body)),
        samples(&parsed[2])
    );
    let exemplars = parsed[2]["exemplars"].as_array().unwrap();
    assert!(!exemplars.is_empty());
    // Those of the process and those that it counts for itself began with it.
    let process = parsed[2]["samples"].as_array().unwrap().iter();
    let started = process
        .filter(|sample| sample[0] == "process_start_time_seconds")
        .map(|sample| sample[2].as_str().unwrap().parse::<f64>().unwrap());
    let started = started.max_by(f64::total_cmp).unwrap();
    let starts = parsed[2]["starts"].as_array().unwrap();
    for name in [
        "process_cpu_seconds_total",
        "cloud_assistant_exporter_polls_total",
    ] {
        let start = starts.iter().find(|start| start[0] == name).unwrap();
        assert!((start[2].as_f64().unwrap() - started).abs() < 1e-3, "{start}");
    }
}

/// Records of anything, from one number.
struct Dice(fastrand::Rng);

impl Dice {
    fn text(&mut self) -> String {
        let texts = [
            "",
            "ExitCodeNonzero",
            "Aborted",
            "a\"b",
            "back\\slash",
            "new\nline",
            "Größe 部署",
            "{x=\"y\"} 1 # ",
            "é\u{2028}",
        ];
        texts[self.0.usize(..texts.len())].to_owned()
    }

    fn row(&mut self, number: u32) -> Row {
        let statuses = [
            "Success",
            "Failed",
            "Timeout",
            "Running",
            "Pending",
            "Odd",
            "a\"\\\n",
            "Scheduled",
        ];
        let status = Status::parse(statuses[self.0.usize(..statuses.len())]);
        // The Python client's parser of OpenMetrics takes no quotes in exemplars; ids have none.
        let (invoke_id, instance_id) = (
            format!("t-{number}"),
            format!("i-{:0>1$}", number, self.0.usize(1..110)),
        );
        let started = NOW - self.0.u32(1..5000);
        let took = [0, 1, self.0.u32(..100), self.0.u32(..1_000_000)][self.0.usize(..4)];
        Row {
            identity: Identity::of_row(&invoke_id, &instance_id, ""),
            error_code: self.text().into(),
            exit_code: self.0.bool().then(|| self.0.i64(-3..300)),
            error_info: None,
            repeats: self.0.u32(..3),
            times: Times {
                started: NonZeroU32::new(started),
                finished: NonZeroU32::new(started + took).filter(|_| !status.is_open() && self.0.u8(..8) > 0),
                stopped: None,
            },
            dropped: self.0.u64(..1 << 40),
            delivery: self.0.bool().then(|| {
                let (finished, error_code) = (self.0.bool(), self.text().into());
                let uri = "".into();
                Box::new(Delivery {
                    finished,
                    error_code,
                    uri,
                })
            }),
            scheduled: status == Status::parse("Scheduled"),
            ids: self.0.bool().then(|| {
                Box::new(Ids {
                    invoke_id: invoke_id.as_str().into(),
                    instance_id: instance_id.as_str().into(),
                    container_id: "".into(),
                    command_id: "c-1".into(),
                })
            }),
            command: self.0.bool().then(|| {
                let id = format!("c-{}", self.0.u8(..5)).into();
                Arc::new(CommandOfRow { id, tagged: 0 })
            }),
            status,
        }
    }

    fn settings(&mut self) -> Settings {
        let selector = Selector {
            name: Some(NamePattern::parse(".*").unwrap()),
            id: None,
            tag: None,
        };
        let buckets: &[&[f64]] = &[&[1.0], &[0.5, 1.0, 2.5, 1e6], &[1e-5, 60.0, 3600.0, 1e21]];
        Settings {
            window: 86_400,
            new_series_hold: [0, 90][self.0.usize(..2)],
            max_error_codes: self.0.u16(1..20),
            max_exit_codes: self.0.u16(1..20),
            duration_buckets: buckets[self.0.usize(..3)].into(),
            native_histograms: self.0.bool(),
            filter: 7,
            pauses: Pauses::default(),
            commands: self.0.bool().then(|| CommandSettings {
                selection: Arc::new(Selection::new(vec![selector])),
                max_commands: self.0.u16(1..6),
                durations: self.0.bool(),
            }),
        }
    }

    fn view(&mut self, scope: Scope) -> ScopeView {
        let mut record = Record::new(self.settings());
        for look in 0..self.0.u32(1..4) {
            let findings = Findings {
                sweep: (look == 0).then(Sweep::default),
                pages: (0..self.0.u32(..200)).map(|number| self.row(number)).collect(),
                naming: Naming {
                    found: (0..5)
                        .map(|number| InvocationSummary {
                            command_id: format!("c-{number}").into(),
                            invoke_id: "t-1".into(),
                            name: self.text().into(),
                            kind: "RunShellScript".into(),
                            repeat_mode: self.text().into(),
                            frequency: self.text().into(),
                            created: 0,
                        })
                        .collect(),
                    ..Naming::default()
                },
                ..Findings::default()
            };
            record.apply(findings, at(look));
            record.counts(at(look).steady);
        }
        let mut view = ScopeView::new(scope);
        view.counts = record.counts(at(4).steady).map(Arc::new);
        view.last_poll = self.0.bool().then(|| LastPoll {
            up: self.0.bool(),
            took: Duration::from_nanos(self.0.u64(..1 << 40)),
        });
        view.last_success = self.0.bool().then_some(NOW);
        view
    }
}

fn at(look: u32) -> Now {
    Now {
        wall: NOW + look * 100,
        steady: Duration::from_secs(u64::from(look) * 100),
    }
}

/// The bodies of one random exporter, as `parse.py many` reads them.
fn bodies(seed: u64) -> Vec<u8> {
    let mut dice = Dice(fastrand::Rng::with_seed(seed));
    let registry = ::prometheus::Registry::new();
    let requests = Arc::new(Requests::new(&registry).unwrap());
    let board = Board::new();
    for number in 0..dice.0.usize(..5) {
        let scope = Scope::new(&dice.text(), &format!("region-{number}"));
        let failure = dice.0.bool().then_some(Reason::Timeout);
        let took = Duration::from_millis(dice.0.u64(..100_000));
        let tally = requests.tally(&scope.account, &scope.region_id);
        tally.record(Action::DescribeInvocationResults, took, failure, NOW);
        board.publish(dice.view(scope));
    }
    let exposition = Exposition::new(registry, Process::new(UNIX_EPOCH), requests);
    exposition.render(&board);
    let mut all = Vec::new();
    for (format, accept) in FORMATS {
        let body = exposition.body(Answer::to(accept, None)).concat();
        all.extend(format!("{format} {}\n", body.len()).into_bytes());
        all.extend(body);
    }
    all
}

#[test]
fn random_records_say_the_same_in_every_format() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let seeds: Vec<u64> = (0..40).map(|place| seed.wrapping_add(place)).collect();
    let all: Vec<u8> = seeds.iter().flat_map(|seed| bodies(*seed)).collect();
    let parsed = python(&["many"], &all);
    let parsed = parsed.as_array().unwrap();
    assert_eq!(parsed.len(), seeds.len() * FORMATS.len());
    for parsed in parsed.chunks(FORMATS.len()) {
        say_the_same(parsed);
    }
    let natives = parsed.iter().filter_map(|parsed| parsed["natives"].as_array());
    let natives = natives
        .flatten()
        .filter(|native| native[2]["buckets"].as_object().unwrap().len() > 3);
    assert!(natives.count() > 10);
    let buckets = parsed
        .iter()
        .flat_map(|parsed| parsed["exemplars"].as_array().unwrap());
    let buckets = buckets.filter(|exemplar| exemplar[1].get("le").is_some());
    assert!(buckets.count() > 10);
    let most = parsed.iter().map(|parsed| samples(parsed).len()).max();
    assert!(most > Some(500), "{most:?}");
}
