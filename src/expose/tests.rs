//! All that is served, byte for byte: `tests/data/exposition` has it in both formats.

mod anew;
mod replica;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::*;
use crate::clock::Now;
use crate::record::{CommandSettings, Findings, Naming, Record, Settings, Sweep};
use crate::requests::{Action, QueueReason, Reason};
use crate::result::{
    CommandOfRow, Delivery, Ids, InvocationSummary, KnownStatus, Row, Seconds, Status, Times,
};
use crate::scope::Scope;
use crate::view::{AccountView, CredentialsView, LastPoll, ScopeView, Source};

const NOW: Seconds = 1_800_000_000;

/// What asks for each format.
const ACCEPTS: [Option<&str>; 3] = [
    None,
    Some("application/openmetrics-text;version=1.0.0"),
    Some("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"),
];

const AT: Now = Now {
    wall: NOW,
    steady: Duration::from_secs(3600),
};

fn row(number: u32, status: &str) -> Row {
    let status = Status::parse(status);
    let failed = status != Status::Known(KnownStatus::Success);
    // The longest ids that fit an exemplar, and one more.
    let instance_id = format!("i-{:0>width$}", number, width = 94 + number as usize % 10);
    Row {
        error_code: if failed { "Exit\"Code\\Nonzero\n" } else { "" }.into(),
        exit_code: (!status.is_open()).then_some(i64::from(number % 7)),
        times: Times {
            started: NonZeroU32::new(NOW - 900),
            finished: NonZeroU32::new(NOW - 900 + number).filter(|_| !status.is_open()),
            stopped: None,
        },
        dropped: u64::from(number),
        delivery: number.is_multiple_of(4).then(|| {
            Box::new(Delivery {
                finished: number.is_multiple_of(8),
                error_code: "BucketGone".into(),
                uri: "".into(),
            })
        }),
        ids: Some(Box::new(Ids::of_test(&format!("t-{number}"), &instance_id))),
        command: Some(Arc::new(CommandOfRow {
            id: format!("c-{}", number % 3).into(),
            tagged: 0,
        })),
        ..Row::numbered(number, status)
    }
}

/// Everything is selected, and nothing is held at 0.
fn settings() -> Settings {
    Settings {
        max_exit_codes: 2,
        duration_buckets: vec![0.5, 10.0, 1e6].into(),
        commands: Some(CommandSettings {
            max_commands: 2,
            ..CommandSettings::by_name(".*")
        }),
        ..Settings::default()
    }
}

/// A record with one of everything, in which nothing is held at 0 any more.
fn record() -> Record {
    let mut record = Record::new(settings());
    let baseline = Findings {
        sweep: Some(Sweep {
            front: 1,
            ..Sweep::default()
        }),
        pages: vec![row(1000, "Success")],
        ..Findings::default()
    };
    record.apply(baseline, AT);
    let statuses = ["Success", "Failed", "Running", "Timeout", "Exploded"];
    let mut pages: Vec<Row> = (1..=60)
        .map(|number| row(number, statuses[number as usize % statuses.len()]))
        .collect();
    pages.push(Row {
        scheduled: true,
        repeats: 3,
        ..row(61, "Scheduled")
    });
    let named = |number: u32, repeat_mode: &str| InvocationSummary {
        command_id: format!("c-{number}").into(),
        invoke_id: "t-61".into(),
        name: format!("back\"up {number}").into(),
        kind: "RunShellScript".into(),
        repeat_mode: repeat_mode.into(),
        frequency: if repeat_mode.is_empty() {
            ""
        } else {
            "0 */20 * * * *"
        }
        .into(),
        created: NOW - 5000,
    };
    let findings = Findings {
        pages,
        naming: Naming {
            found: vec![named(0, ""), named(1, "Period"), named(2, "")],
            ..Naming::default()
        },
        ..Findings::default()
    };
    record.apply(findings, AT);
    record.take_changes();
    // What is new is shown at 0 first.
    record.counts(AT.steady);
    record.release(AT.steady + Duration::from_secs(1));
    record
}

fn scope_view(scope: Scope) -> ScopeView {
    let mut view = ScopeView::new(scope);
    view.counts = record().counts(AT.steady + Duration::from_secs(1)).map(Arc::new);
    view.last_poll = Some(LastPoll {
        up: true,
        took: Duration::from_millis(1250),
    });
    view.last_success = Some(NOW - 5);
    view.work.polls = 12;
    view.work.event_polls = 4;
    view.work.sweeps = 2;
    view.work.skipped_rows = 3;
    view.work.failures[Reason::Throttled as usize] = 4;
    view
}

/// What is served of such a fleet, without the process, whose metrics are never the same.
fn rendered() -> [String; 2] {
    let registry = Registry::new();
    let requests = Arc::new(Requests::new(&registry).unwrap());
    let took = Duration::from_millis(60);
    for (account, region_id, action) in [
        ("production", "cn-beijing", Action::DescribeInvocationResults),
        ("production", "cn-beijing", Action::DescribeInvocations),
        ("production", "", Action::DescribeRegions),
        ("production", "gone", Action::DescribeInvocationResults),
        ("gone", "", Action::DescribeRegions),
    ] {
        let tally = requests.tally(account, region_id);
        tally.record(action, took, None, NOW);
        tally.record(action, took * 10, Some(Reason::Denied), NOW);
    }
    let board = Board::new();
    board.publish(scope_view(Scope::new("production", "cn-beijing")));
    board.publish(scope_view(Scope::new("a \"b\" \\ c", "eu-central-1")));
    board.publish(ScopeView::new(Scope::new("production", "new")));
    let ending = CredentialsView {
        expiry: Some(UNIX_EPOCH + Duration::from_millis(1_800_000_600_900)),
        refresh_failures: 3,
    };
    let accounts = [
        ("production".into(), Arc::new(account(CredentialsView::default()))),
        ("a \"b\" \\ c".into(), Arc::new(account(ending))),
    ];
    board.publish_accounts(accounts.into());
    board.change_events(|events| {
        events.http = true;
        let of = |account, region_id| Scope::new(account, region_id);
        events.received(
            Source::Http,
            [7, 1, 2, 3],
            [of("production", "cn-beijing")],
            NOW - 60,
        );
        events.received(Source::Queue, [1, 0, 0, 0], [of("production", "gone")], NOW);
        let seen = events.scopes.entry(of("production", "new")).or_default();
        seen.queue.get_or_insert_default().failures[QueueReason::Missing as usize] = 2;
    });
    let exposition = Exposition::new(registry, Process::new(UNIX_EPOCH), requests);
    exposition.render(&board);
    [None, Some("application/openmetrics-text;version=1.0.0")].map(|accept| {
        let body = exposition.body(Answer::to(accept, None)).concat();
        let text = String::from_utf8(body).unwrap();
        let (text, _) = text.split_once("# HELP process_").unwrap();
        text.to_owned()
    })
}

fn expected(format: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/exposition");
    directory.join(format!("{format}.txt"))
}

#[test]
fn every_byte_is_as_it_was() {
    for (format, text) in ["text", "open_metrics"].into_iter().zip(rendered()) {
        let expected = std::fs::read_to_string(expected(format)).unwrap();
        let differs = text
            .lines()
            .zip(expected.lines())
            .find(|(now, before)| now != before);
        assert!(text == expected, "{format}: {differs:?}");
    }
}

#[test]
#[ignore = "writes what is expected; the change is what users see"]
fn write_what_is_expected() {
    for (format, text) in ["text", "open_metrics"].into_iter().zip(rendered()) {
        std::fs::create_dir_all(expected(format).parent().unwrap()).unwrap();
        std::fs::write(expected(format), text).unwrap();
    }
}

fn account(credentials: CredentialsView) -> AccountView {
    AccountView {
        credentials,
        discovered: None,
        is_ready: true,
        error: None,
        console: None,
        set_aside: Vec::new(),
    }
}
