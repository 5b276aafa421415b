//! What goes wrong between the exporter and the cloud: the scope that it hits says so, nobody else notices, and
//! nothing is lost.

mod retries;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use simulator::{Fault, FaultKind, InvokeId, Outcome, Region, Simulator};
use tempfile::tempdir;

use crate::cloud::{ACCOUNT, REGION, cloud, config};
use crate::exporter::{Exporter, eventually};
use crate::scrape::Scrape;
use crate::stage::*;

const FAILURES: &str = "cloud_assistant_exporter_poll_failures_total";
const REQUESTS: &str = "cloud_assistant_exporter_api_requests_total";
const REQUEST_FAILURES: &str = "cloud_assistant_exporter_api_request_failures_total";
const POLLING: &str = "poll: {interval: 1s, sweep_interval: 0, request_timeout: 20s}\n";

/// A fault, the region that it hits, and the reason that README has for it.
struct Case {
    region: String,
    kind: FaultKind,
    reason: &'static str,
    /// Whether there is an answer that has a request id.
    has_answer: bool,
}

/// The reasons of failures, found again: not with the exporter's own code.
fn reason(kind: &FaultKind) -> Option<&'static str> {
    use FaultKind::*;
    let by_status = |status: u16| if status >= 500 { "unavailable" } else { "rejected" };
    Some(match kind {
        ThrottleHeader { .. } | ThrottleCode { .. } | Status429 => "throttled",
        Error(error) | LowerCaseError(error) | XmlError(error) => {
            let denied = [
                "Forbidden",
                "Operation.Forbidden",
                "NoPermission",
                "UnauthorizedOperation",
                "InvalidAccessKeyId",
                "SignatureDoesNotMatch",
                "IncompleteSignature",
                "InvalidSecurityToken",
                "MissingSecurityToken",
                "IllegalTimestamp",
                "InvalidTimeStamp",
            ];
            match &error.code {
                code if code.starts_with("Throttling") => "throttled",
                _ if error.status >= 500 => "unavailable",
                code if denied.iter().any(|prefix| code.starts_with(prefix)) => "denied",
                _ => "rejected",
            }
        }
        Html502 => "unavailable",
        PlainStatus(status) => by_status(*status),
        Hang => "timeout",
        CutHeaders | CutBody => "transport",
        Giant(_) | NotJson | CutJson | EmptyBody | MissingField | RepeatedToken | Redirect => "malformed",
        Slow(_) | RepeatPage => return None,
    })
}

/// Each kind that fails a request, in a region of its own. A giant answer has a test of its own.
fn cases(kinds: impl IntoIterator<Item = FaultKind>) -> Vec<Case> {
    let kinds = kinds
        .into_iter()
        .filter(|kind| !matches!(kind, FaultKind::Giant(_)));
    kinds
        .filter_map(|kind| Some((reason(&kind)?, kind)))
        .enumerate()
        .map(|(number, (reason, kind))| Case {
            region: format!("cn-{}-{number}", kind.name().to_lowercase()),
            reason,
            // A token that comes round again is found in a good answer.
            has_answer: !matches!(
                kind,
                FaultKind::Hang | FaultKind::CutHeaders | FaultKind::RepeatedToken
            ),
            kind,
        })
        .collect()
}

/// The kinds that fail a question by itself, too.
fn kinds_of_questions() -> Vec<FaultKind> {
    let mut kinds = FaultKind::every();
    kinds.retain(|kind| *kind != FaultKind::RepeatedToken);
    kinds
}

/// The cases of these kinds with a configuration for them. What hangs is apart: the others need time enough to be
/// answered on a busy machine, and it would wait as long.
fn apart(kinds: Vec<FaultKind>, sweep_interval: &str) -> [(Vec<Case>, String); 2] {
    let (hang, others): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|kind| *kind == FaultKind::Hang);
    [(others, "20s"), (hang, "2s")].map(|(kinds, timeout)| {
        let more =
            format!("poll: {{interval: 1s, sweep_interval: {sweep_interval}, request_timeout: {timeout}}}\n");
        (cases(kinds), more)
    })
}

const HEALTHY: [&str; 2] = ["cn-hangzhou", "cn-beijing"];

struct Scene {
    exporter: Exporter,
    simulator: Simulator,
    cases: Vec<Case>,
    open: Vec<Option<InvokeId>>,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn new(cases: Vec<Case>, more: &str, prepare: impl Fn(&mut Region) -> Option<InvokeId>) -> Self {
        Self::with_faults(cases, more, prepare, None)
    }

    fn with_faults(
        cases: Vec<Case>,
        more: &str,
        prepare: impl Fn(&mut Region) -> Option<InvokeId>,
        faults_at: Option<&str>,
    ) -> Self {
        let directory = tempdir().unwrap();
        let regions = regions(&cases);
        let simulator = cloud(&regions);
        let open = regions
            .iter()
            .map(|region| prepare(simulator.cloud().region(ACCOUNT, region)))
            .collect();
        simulator.cloud().mark_baseline();
        if let Some(parameter) = faults_at {
            add_faults(&simulator, &cases, parameter);
        }
        let exporter = Exporter::start(
            directory.path(),
            &config(&simulator, directory.path(), &regions, more),
        );
        if faults_at.is_none() {
            exporter.looked();
        }
        Self {
            exporter,
            simulator,
            cases,
            open,
            _directory: directory,
        }
    }

    fn change(&self, change: impl Fn(&mut Region, Option<&InvokeId>)) {
        let mut cloud = self.simulator.cloud();
        for (region, open) in regions(&self.cases).iter().zip(&self.open) {
            change(cloud.region(ACCOUNT, region), open.as_ref());
        }
    }

    fn truths(&self) -> Vec<(String, simulator::Truth)> {
        let cloud = self.simulator.cloud();
        regions(&self.cases)
            .into_iter()
            .map(|region| (region.to_owned(), cloud.truth_since_baseline(ACCOUNT, region)))
            .collect()
    }

    /// Every scope that is hit fails for its reason and counts nothing; every other one counts exactly.
    fn all_fail(&self, stays_down: bool) {
        for Case {
            region, reason, kind, ..
        } in &self.cases
        {
            let labels = [("region_id", region.as_str()), ("reason", reason)];
            let scrape = self
                .exporter
                .scrape_until(&format!("{kind:?}: {reason}"), |scrape| {
                    scrape.sum(FAILURES, &labels).is_some_and(|count| count > 0.0)
                });
            assert_eq!(
                scrape.sum(FAILURES, &labels[..1]),
                scrape.sum(FAILURES, &labels),
                "{kind:?}: no other reason"
            );
            assert!(scrape.counts(RESULTS, ACCOUNT, region).is_empty(), "{kind:?}");
            if stays_down {
                assert_eq!(scrape.sum(UP, &labels[..1]), Some(0.0), "{kind:?}");
            }
        }
        let truths = self.truths();
        let healthy = truths
            .iter()
            .filter(|(region, _)| HEALTHY.contains(&region.as_str()));
        for (region, truth) in healthy {
            let scrape = self.exporter.scrape_until("the others count", |scrape| {
                scrape.counts(RESULTS, ACCOUNT, region) == truth.results
            });
            assert_exact(&scrape, region, truth);
            let of = [("region_id", region.as_str())];
            assert_eq!(scrape.sum(FAILURES, &of), Some(0.0), "{region}");
            assert_eq!(scrape.sum(UP, &of), Some(1.0), "{region}");
        }
    }

    /// When nothing goes wrong any more, every scope comes to exact counts.
    fn all_recover(&self) -> Scrape {
        self.simulator.faults().clear();
        let truths = self.truths();
        self.exporter.scrape_until("every scope recovers", |scrape| {
            truths.iter().all(|(region, truth)| {
                scrape.counts(RESULTS, ACCOUNT, region) == truth.results
                    && scrape.sum(UP, &[("region_id", region)]) == Some(1.0)
            })
        });
        let scrape = self.exporter.polled();
        for (region, truth) in &truths {
            assert_exact(&scrape, region, truth);
        }
        self.each_failure_is_one_line();
        scrape
    }

    fn each_failure_is_one_line(&self) {
        let log = self.exporter.log();
        let scrape = self.exporter.scrape();
        for Case {
            region,
            reason,
            kind,
            has_answer,
        } in &self.cases
        {
            let of_region = format!("region_id={region} ");
            let lines: Vec<&str> = log
                .lines()
                .filter(|line| line.contains("poll failed") && line.contains(&of_region))
                .collect();
            let failures = scrape.value(FAILURES, &[("region_id", region)]);
            // It fails for one reason: that is said once, however often it does.
            assert!(failures >= 1.0, "{kind:?}");
            assert_eq!(lines.len(), 1, "{kind:?}\n{}", lines.join("\n"));
            for line in lines {
                assert!(line.contains(&format!("reason={reason}")), "{kind:?}: {line}");
                assert!(line.contains("level=warn"), "{line}");
                assert!(
                    !has_answer || line.contains("request_id=51EA0000-"),
                    "{kind:?}: {line}"
                );
                assert!(!line.contains("test-secret"), "{line}");
            }
        }
    }
}

fn regions(cases: &[Case]) -> Vec<&str> {
    let hit = cases.iter().map(|case| case.region.as_str());
    hit.chain(HEALTHY).collect()
}

fn add_faults(simulator: &Simulator, cases: &[Case], parameter: &str) {
    for Case { region, kind, .. } in cases {
        let fault = Fault::forever(kind.clone()).within(region).having(parameter);
        simulator.faults().add(fault);
    }
}

#[test]
fn in_the_middle_of_the_first_look() {
    let prepare = |region: &mut Region| {
        region.add_settled(120, Outcome::success());
        Some(region.run("open", 3))
    };
    for (cases, more) in apart(FaultKind::every(), "0") {
        let scene = Scene::with_faults(cases, &more, prepare, Some("NextToken"));
        for Case {
            region, reason, kind, ..
        } in &scene.cases
        {
            let labels = [("region_id", region.as_str()), ("reason", reason)];
            let scrape = scene
                .exporter
                .scrape_until(&format!("{kind:?}: {reason}"), |scrape| {
                    scrape.sum(FAILURES, &labels).is_some_and(|count| count > 0.0)
                });
            let of = &labels[..1];
            assert_eq!(scrape.sum(UP, of), Some(0.0), "{kind:?}");
            assert_eq!(scrape.sum(RESULTS, of), None, "{kind:?}: there was no first look");
            assert_eq!(
                scrape.sum("cloud_assistant_last_success_timestamp_seconds", of),
                None
            );
        }
        scene.simulator.faults().clear();
        scene.exporter.looked();
        scene.change(|region, open| {
            region.settle_all(open.unwrap(), &Outcome::failed(3));
            region.add_settled(4, Outcome::timeout());
        });
        scene.all_recover();
    }
}

#[test]
fn in_the_middle_of_a_poll() {
    // Two of each kind; the classification of all of them is tested where it is.
    let documented = [
        "Forbidden.RAM",
        "Operation.Forbidden",
        "InvalidAccessKeyId.NotFound",
        "InvalidAccessKeyId.Inactive",
        "SignatureDoesNotMatch",
        "InvalidSecurityToken.Expired",
        "InvalidSecurityToken.Malformed",
        "InvalidRegionId.NotFound",
        "InvalidTimeStamp.Expired",
        "SignatureNonceUsed",
    ];
    let documented = documented.map(FaultKind::documented);
    let xml = ["Forbidden.RAM", "Throttling.User"]
        .map(FaultKind::documented)
        .map(|kind| match kind {
            FaultKind::Error(error) => FaultKind::XmlError(error),
            kind => kind,
        });
    let kinds = FaultKind::every().into_iter().chain(documented).chain(xml);
    let kinds: Vec<FaultKind> = kinds.collect();
    for (cases, more) in apart(kinds, "0") {
        let scene = Scene::new(cases, &more, |region| {
            region.add_settled(1, Outcome::success());
            None
        });
        add_faults(&scene.simulator, &scene.cases, "NextToken");
        scene.change(|region, _| {
            region.add_settled(70, Outcome::failed(2));
            region.add_settled(60, Outcome::success());
        });
        scene.all_fail(true);
        let scrape = scene.all_recover();
        println!("{} kinds of faults in the middle of a poll", scene.cases.len());
        for Case {
            region, reason, kind, ..
        } in &scene.cases
        {
            let labels = [("region_id", region.as_str()), ("reason", reason)];
            if *kind != FaultKind::RepeatedToken {
                assert!(scrape.value(REQUEST_FAILURES, &labels) > 0.0, "{kind:?}");
            }
        }
    }
}

#[test]
fn in_the_middle_of_a_sweep() {
    for (cases, more) in apart(FaultKind::every(), "1s") {
        let scene = Scene::new(cases, &more, |region| {
            region.add_settled(130, Outcome::success());
            None
        });
        add_faults(&scene.simulator, &scene.cases, "NextToken");
        scene.change(|region, _| {
            let hour_ago = region.now() - 3600;
            let late = region.command("late").on(4).created_at(hour_ago).run();
            region.settle_all(&late, &Outcome::failed(6));
        });
        scene.all_fail(false);
        let scrape = scene.all_recover();
        for Case { region, kind, .. } in &scene.cases {
            assert_eq!(scrape.value(LATE, &[("region_id", region)]), 4.0, "{kind:?}");
        }
    }
}

#[test]
fn in_a_question_for_what_is_open() {
    for (cases, more) in apart(kinds_of_questions(), "0") {
        let scene = Scene::new(cases, &more, |region| {
            let open = region.run("open", 2);
            region.add_settled(60, Outcome::success());
            Some(open)
        });
        add_faults(&scene.simulator, &scene.cases, "InvokeId");
        scene.change(|region, open| {
            region.settle_all(open.unwrap(), &Outcome::failed(3));
            region.add_settled(2, Outcome::timeout());
        });
        scene.all_fail(true);
        scene.all_recover();
    }
}

#[test]
fn in_the_history_of_a_schedule() {
    for (cases, more) in apart(kinds_of_questions(), "0") {
        let scene = Scene::new(cases, &more, |region| {
            let schedule = region.schedule("hourly", "rate(1h)", 2);
            region.run_once(&schedule, 0, Outcome::success());
            Some(schedule)
        });
        add_faults(&scene.simulator, &scene.cases, "IncludeHistory");
        scene.change(|region, schedule| {
            region.run_once(schedule.unwrap(), 0, Outcome::failed(1));
            region.run_once(schedule.unwrap(), 1, Outcome::failed(2));
            region.add_settled(2, Outcome::timeout());
        });
        scene.all_fail(true);
        scene.all_recover();
    }
}
