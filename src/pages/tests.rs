//! What a view looks like as a page and as JSON.

use std::num::NonZeroU32;
use std::time::{Duration, UNIX_EPOCH};

use prometheus::Registry;
use serde_json::Value;

use super::filter::Filter;
use super::*;
use crate::aliyun::error::CallError;
use crate::record::{Findings, Record, Settings, Sweep};
use crate::requests::{Action, Reason};
use crate::result::{Ids, KnownStatus, Row, Seconds, Status, Times};
use crate::scope::Scope;
use crate::view::{Failed, LastPoll, Progress, ScopeView, View};

mod links;
mod questions;

const NOW: Seconds = 1_800_000_000;

/// A text that would be markup if it were not escaped.
const HOSTILE: &str = "\"><script>alert('x')</script>&";

fn row(number: u32, status: &str, error_code: &str, command_id: &str) -> Row {
    Row {
        error_code: error_code.into(),
        exit_code: (status == "Failed").then_some(i64::from(number % 3)),
        times: Times {
            finished: NonZeroU32::new(NOW - 1000 + number),
            ..Times::default()
        },
        ids: Some(Box::new(Ids {
            command_id: command_id.into(),
            ..Ids::of_test(&format!("t-{number}"), &format!("i-{number}"))
        })),
        ..Row::numbered(number, Status::parse(status))
    }
}

fn scope_view(region_id: &str, rows: Vec<Row>) -> ScopeView {
    let mut record = Record::new(Settings {
        new_series_hold: 90,
        ..Settings::default()
    });
    let sweep = Some(Sweep {
        front: rows.len(),
        ..Sweep::default()
    });
    let findings = Findings {
        sweep,
        pages: rows,
        ..Findings::default()
    };
    record.apply(
        findings,
        crate::clock::Now {
            wall: NOW,
            ..Default::default()
        },
    );
    ScopeView {
        counts: record.counts(Duration::ZERO).map(Arc::new),
        last_poll: Some(LastPoll {
            up: true,
            took: Duration::from_millis(250),
        }),
        last_success: Some(NOW - 5),
        next_poll: Some(NOW + 55),
        ..ScopeView::new(Scope::new("production", region_id))
    }
}

fn view(scopes: impl IntoIterator<Item = ScopeView>) -> View {
    let scopes = scopes.into_iter();
    View {
        scopes: scopes
            .map(|scope| (scope.scope.clone(), Arc::new(scope)))
            .collect(),
        ..View::default()
    }
}

/// Two regions with failures of several kinds, one after another.
fn failing() -> View {
    let kinds = [
        ("Failed", "ExitCodeNonzero"),
        ("Timeout", "ExecutionTimeout"),
        ("Aborted", "ClientNotRunning"),
        ("Success", ""),
    ];
    let rows = |from: u32| {
        (from..from + 40)
            .map(|number| {
                let (status, code) = kinds[number as usize % kinds.len()];
                row(number, status, code, &format!("c-{}", number % 5))
            })
            .collect()
    };
    view([
        scope_view("cn-beijing", rows(1)),
        scope_view("cn-hangzhou", rows(101)),
    ])
}

fn failures(view: &View, query: &str) -> Value {
    let document = api::failures(view, Some(query)).unwrap();
    serde_json::from_slice(&document).unwrap()
}

fn field<'a>(rows: &'a Value, name: &str) -> Vec<&'a str> {
    let rows = rows["failures"].as_array().unwrap();
    rows.iter().map(|row| row[name].as_str().unwrap()).collect()
}

fn overview<T>(view: &View, requests: &Requests, show: impl FnOnce(&Overview<'_>) -> T) -> T {
    let at = |seconds: Seconds| UNIX_EPOCH + Duration::from_secs(u64::from(seconds));
    show(&Overview::new(view, requests, at(NOW - 7200), at(NOW), false))
}

const FRAME: Frame<'_> = Frame {
    telemetry_path: "/metrics",
    refresh_seconds: 30,
    host: "exporter-1",
};

fn home(view: &View, query: &str) -> String {
    let asked = HomeAsked::read(Some(query)).unwrap();
    let requests = Requests::new(&Registry::new()).unwrap();
    overview(view, &requests, |overview| {
        status::home_page(overview, &asked, FRAME)
    })
}

fn page(view: &View, query: &str) -> String {
    let asked = FailuresAsked::read(Some(query)).unwrap();
    let requests = Requests::new(&Registry::new()).unwrap();
    overview(view, &requests, |overview| {
        status::failures_page(overview, &asked, FRAME)
    })
}

#[test]
fn failures_come_newest_first_from_all_scopes() {
    let all = failures(&failing(), "");
    assert_eq!(
        (all["total"].as_u64(), all["limit"].as_u64()),
        (Some(60), Some(100))
    );
    let times = field(&all, "time");
    assert!(times.is_sorted_by(|one, other| one >= other));
    assert_eq!(field(&all, "region_id")[0], "cn-hangzhou");
    assert!(!field(&all, "invocation_status").contains(&"Success"));
    let first = &all["failures"][0];
    assert_eq!(first["time"], "2027-01-15T07:45:40Z");
    assert_eq!(first["instance_id"], "i-140");
    assert_eq!(
        first["console_url"],
        "https://ecs.console.aliyun.com/cloud-assistant/region/cn-hangzhou?instanceId=i-140&invokeId=t-140"
    );
}

#[test]
fn filters_are_joined_and_pages_neither_repeat_nor_leave_out() {
    let view = failing();
    let found = failures(
        &view,
        "region_id=cn-beijing&invocation_status=failed&error_code=ExitCodeNonzero&command_id=c-3",
    );
    assert_eq!(field(&found, "invoke_id"), ["t-28", "t-8"]);
    assert_eq!(failures(&view, "account=other")["total"], 0);
    let mut paged: Vec<String> = Vec::new();
    for offset in (0..70).step_by(7) {
        let part = failures(&view, &format!("limit=7&offset={offset}"));
        assert_eq!(part["total"], 60);
        paged.extend(field(&part, "invoke_id").into_iter().map(str::to_owned));
    }
    assert_eq!(paged, field(&failures(&view, "limit=1000"), "invoke_id"));
}

#[test]
fn bad_queries_are_refused_by_parameter() {
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("offset=-1", "offset"),
        ("region=cn-beijing", "region"),
        ("region_id=a&region_id=b", "region_id"),
        ("error_code=%ff", "error_code"),
        ("since=yesterday", "since"),
        ("before=2026-13-01T00:00:00Z", "before"),
        ("before=2026-01-01T00:00:00Z,x,a,b", "before"),
        ("group_by=time", "group_by"),
    ] {
        let bad = api::failures(&failing(), Some(query)).unwrap_err();
        let refusal: Value = serde_json::from_slice(&api::refusal(&bad)).unwrap();
        assert_eq!(refusal["error"]["parameter"], parameter, "{query}");
        assert!(refusal["error"]["message"].is_string());
    }
}

#[test]
fn the_status_tells_of_each_scope() {
    let mut down = scope_view("cn-beijing", Vec::new());
    down.last_poll = down.last_poll.map(|poll| LastPoll { up: false, ..poll });
    let denied = CallError {
        code: Some("Forbidden.RAM".to_owned()),
        request_id: Some("R-1".to_owned()),
        ..CallError::new(Reason::Denied, "status 403")
    };
    down.error = Some(Failed::new(NOW - 60, &denied));
    let mut looking = ScopeView::new(Scope::new("production", "cn-hangzhou"));
    looking.progress = Some(Progress {
        is_baseline: true,
        rows: 1500,
        of: None,
    });
    let requests = Requests::new(&Registry::new()).unwrap();
    let tally = requests.tally("production", "cn-beijing");
    for reason in [None, Some(Reason::Throttled), Some(Reason::Denied)] {
        let took = Duration::from_millis(10);
        tally.record(Action::DescribeInvocationResults, took, reason, NOW - 100);
    }
    let view = view([down, looking]);
    let document = overview(&view, &requests, |overview| api::status(overview, None).unwrap());
    let status: Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(status["health"], "degraded");
    assert_eq!(status["uptime_seconds"], 7200);
    assert_eq!(status["window_seconds"], 86_400);
    let [down, looking] = &status["scopes"].as_array().unwrap()[..] else {
        panic!("two scopes")
    };
    assert_eq!(
        (&down["state"], &looking["state"]),
        (&"down".into(), &"first_look".into())
    );
    assert_eq!(down["requests_last_hour"], 3);
    assert_eq!(down["throttled_requests_last_hour"], 1);
    assert_eq!(down["last_error"]["request_id"], "R-1");
    assert_eq!(down["last_error"]["code"], "Forbidden.RAM");
    assert_eq!(down["last_success_at"], "2027-01-15T07:59:55Z");
    assert_eq!(looking["progress"]["rows_read"], 1500);
    assert!(looking["results_tracked"].is_null());
    assert_eq!(status["remarks"][0], "1 of 2 regions is down.");
}

#[test]
fn the_page_shows_what_it_is_asked_for() {
    let view = failing();
    let rows = |page: &str| {
        page.matches("scope=\"row\"><time datetime=\"2027-01-15T07:4")
            .count()
    };
    let all = page(&view, "show=results&refresh=off");
    assert!(all.contains("1 to 50 of 60, newest first"));
    assert!(all.contains("60 results that did not succeed are kept"));
    let older = all.split("rel=\"next\" href=\"./failures?").nth(1).unwrap();
    let older = older.split('"').next().unwrap().replace("&amp;", "&");
    assert!(older.ends_with("&refresh=off"), "{older}");
    let rest = page(&view, &older);
    assert!(rest.contains("51 to 60 of 60, newest first"));
    assert!(rest.contains("href=\"./failures?show=results&amp;refresh=off\">Newest"));
    assert_eq!(rows(&rest), 10);
    let filtered = page(&view, "invocation_status=Timeout&refresh=off&form=open&x=y");
    assert!(filtered.contains("20 results in 20 invocations"));
    assert!(filtered.contains("<option value=\"Timeout\" selected>Timeout</option>"));
    assert!(filtered.contains("paused while the form is open"));
    assert!(!page(&view, "").contains("<form"));
    assert!(page(&view, "command_id=c-9").contains("No failure matches."));
    assert!(page(&View::default(), "").contains("No failure is known."));
    assert!(FailuresAsked::read(Some("since=x")).is_err() && HomeAsked::read(Some("page=x")).is_err());
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let mut hostile = scope_view(HOSTILE, vec![row(1, HOSTILE, HOSTILE, HOSTILE)]);
    hostile.scope = Scope::new(HOSTILE, HOSTILE);
    hostile.error = Some(Failed::new(NOW, &CallError::new(Reason::Rejected, HOSTILE)));
    let view = view([hostile.clone()]);
    let query = parameters::encode(Filter::TEXTS.into_iter().map(|name| (name, HOSTILE)));
    let (list, form) = (format!("{query}&show=results"), format!("{query}&form=open"));
    let pages = ["", &*query, &*list, &*form, "form=open"].map(|query| page(&view, query));
    let find = parameters::encode([("find", HOSTILE), ("state", HOSTILE)]);
    let homes = ["", "form=open", &*find].map(|query| home(&view, query));
    for page in pages.into_iter().chain(homes) {
        assert!(page.contains("&lt;script&gt;"));
        assert!(!page.contains("<script") && !page.contains("alert('"));
        assert_eq!(page.matches('<').count(), page.matches('>').count());
    }
}

#[test]
fn a_page_is_bounded_however_much_there_is() {
    let long = "x".repeat(100_000);
    let scopes = (0..2000).map(|number| {
        let mut scope = ScopeView::new(Scope::new("production", &format!("region-{number}")));
        scope.error = Some(Failed::new(NOW, &CallError::new(Reason::Rejected, &*long)));
        scope.last_poll = Some(LastPoll {
            up: false,
            took: Duration::from_millis(1),
        });
        scope
    });
    let rows = (0..1000)
        .map(|number| row(number, "Failed", &long[..200], &long))
        .collect();
    let view = view(scopes.chain([scope_view("cn-beijing", rows)]));
    // One error of 2,000 regions is one row, and each can be found.
    let folded = home(&view, "");
    assert!(folded.contains("2,000 regions</th>") && folded.contains("1,700 more are in"));
    let found = home(&view, "find=region-7&page=3");
    assert!(
        found.contains("Page 3 of 3") && found.contains("region-799"),
        "111 of them"
    );
    for page in [folded, found, page(&view, ""), page(&view, "show=results")] {
        assert!(page.len() < 400_000, "{}", page.len());
        assert!(page.matches("<tr").count() < 250);
    }
    let first = &failures(&view, "limit=1000")["failures"][0];
    assert_eq!(
        first["command_id"].as_str().map(str::len),
        Some(bounded::MAX_TEXT)
    );
}

#[test]
fn unknown_and_open_statuses_have_their_place() {
    let rows = vec![
        row(1, "Exploded", "", "c-1"),
        row(2, KnownStatus::Running.as_str(), "", "c-1"),
    ];
    let view = view([scope_view("cn-beijing", rows)]);
    assert!(page(&view, "form=open").contains("<option value=\"Exploded\">Exploded</option>"));
    let home = home(&view, "");
    assert!(home.contains("href=\"./failures?invocation_status=Exploded\""));
    assert!(!home.contains("invocation_status=Running"));
}

#[test]
fn the_policy_names_the_style_that_is_in_the_page() {
    let policy = Policy::with_style(status::STYLE);
    let response = answers::html(home(&View::default(), ""), &policy, Some(30), Encoding::Plain);
    let headers = response.headers();
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(policy.contains("; img-src data:; form-action 'self';"));
    assert!(!policy.contains("unsafe"));
    assert_eq!(headers["refresh"], "30");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    for page in [home(&failing(), ""), page(&failing(), "")] {
        assert_eq!(page.matches("<style>").count(), 1);
        assert!(page.contains(&format!("<style>{}</style>", status::STYLE)));
        assert!(!page.contains(" style=\"") && !page.contains("<script"));
    }
}
