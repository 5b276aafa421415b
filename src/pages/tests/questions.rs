//! What a person asks of the pages: is it working, what fails, since when.

use super::*;
use crate::result::{Delivery, StatusKind};
use crate::view::RefusedReload;

/// A row of an invocation on an instance.
pub(super) fn run(invocation: u32, instance: u32, status: &str, error_code: &str) -> Row {
    let mut row = row(invocation * 1000 + instance, status, error_code, "c-1");
    row.times.finished = NonZeroU32::new(NOW - 3600 * invocation + instance);
    row.times.started = NonZeroU32::new(NOW - 3600 * invocation + instance - 90);
    row.ids = Some(Box::new(Ids {
        invoke_id: format!("t-{invocation}").into(),
        instance_id: format!("i-{instance}").into(),
        container_id: "".into(),
        command_id: format!("c-{}", invocation % 2).into(),
    }));
    row
}

pub(super) fn up(region_id: &str, rows: Vec<Row>) -> ScopeView {
    ScopeView {
        interval: Some(Duration::from_secs(60)),
        ..scope_view(region_id, rows)
    }
}

#[test]
fn data_older_than_three_intervals_is_stale_whatever_the_last_poll_said() {
    let mut hanging = up("cn-beijing", Vec::new());
    hanging.next_poll = Some(NOW - 1000);
    for (age, is_stale) in [(180, false), (181, true)] {
        hanging.last_success = Some(NOW - age);
        let view = view([hanging.clone(), up("cn-hangzhou", Vec::new())]);
        let page = home(&view, "");
        assert_eq!(page.contains("badge bad\">Stale</span>"), is_stale, "{age}");
        assert_eq!(page.contains("1 of 2 current"), is_stale);
        assert_eq!(page.contains("<title>1 stale · "), is_stale);
        let requests = Requests::new(&Registry::new()).unwrap();
        let status = overview(&view, &requests, |overview| api::status(overview, None).unwrap());
        let status: Value = serde_json::from_slice(&status).unwrap();
        let state = if is_stale { "stale" } else { "up" };
        assert_eq!(status["scopes"][0]["state"], state);
        assert_eq!(status["health"] == "degraded", is_stale);
    }
    // One whose first poll was never answered has no data at all.
    hanging.last_poll = None;
    hanging.last_success = None;
    assert!(home(&view([hanging.clone()]), "").contains("There is no data yet."));
    hanging.next_poll = Some(NOW - 5);
    assert!(home(&view([hanging]), "").contains("badge busy\">Waiting</span>"));
}

#[test]
fn what_was_cancelled_is_no_failure() {
    let rows = (0..20).map(|place| match place {
        0 => row(1, "Failed", "ExitCodeNonzero", "c-1"),
        1..9 => row(1 + place, "Cancelled", "", "c-1"),
        _ => row(1 + place, "Success", "", "c-1"),
    });
    let page = home(&view([up("cn-beijing", rows.collect())]), "");
    // 1 of the 12 that nobody has cancelled.
    assert!(page.contains("badge some\">8.3% failed</span>"), "{page}");
    assert!(page.contains("1 of 12 results failed in the window."));
    assert!(page.contains("<b>8</b> cancelled or terminated"));
    assert!(!page.contains("failed · "), "a tab does not shout at 8.3%");
    let many = (0..3).map(|place| {
        row(
            1 + place,
            if place < 1 { "Timeout" } else { "Success" },
            "",
            "c-1",
        )
    });
    let page = home(&view([up("cn-beijing", many.collect())]), "");
    assert!(page.contains("badge bad\">33.3% failed</span>") && page.contains("33.3% failed · "));
}

#[test]
fn an_unknown_status_is_no_failure_but_in_the_whole() {
    let rows = (0..10).map(|place| match place {
        0 => row(1, "Failed", "ExitCodeNonzero", "c-1"),
        1..5 => row(1 + place, "Exploded", "", "c-1"),
        _ => row(1 + place, "Success", "", "c-1"),
    });
    let view = view([up("cn-beijing", rows.collect())]);
    let home = home(&view, "");
    assert!(home.contains("badge some\">10.0% failed</span>"), "{home}");
    assert!(home.contains("1 of 10 results failed in the window."));
    assert!(home.contains("<b>1</b> failed") && home.contains("<b>4</b> with a status that is not known"));
    assert!(home.contains("Results of cn-beijing: 1 failed, 5 succeeded, 0 open"));
    // They are kept, and what fails most is not them.
    let page = page(&view, "");
    assert!(page.contains("5 results that did not succeed are kept"));
    assert!(page.contains(">Failed ExitCodeNonzero 1</a>") && !page.contains(">Exploded</a></th>"));
    let five = ["Failed", "Invalid", "Aborted", "Error", "Timeout"];
    let failed = KnownStatus::ALL.map(KnownStatus::as_str).into_iter();
    let failed = failed.filter(|status| StatusKind::of_text(status) == StatusKind::Failure);
    assert_eq!(failed.collect::<Vec<_>>(), five);
}

#[test]
fn a_delivery_that_ends_after_its_result_is_told() {
    let mut record = Record::new(Settings::default());
    let mut poll = |is_first: bool, rows: Vec<Row>| {
        let sweep = is_first.then(Sweep::default);
        let findings = Findings {
            sweep,
            pages: rows,
            ..Findings::default()
        };
        let now = crate::clock::Now {
            wall: NOW,
            ..Default::default()
        };
        record.apply(findings, now);
        let counts = record.counts(Duration::ZERO).map(Arc::new);
        let scope = ScopeView {
            counts,
            ..up("cn-beijing", Vec::new())
        };
        failures(&view([scope]), "")["failures"][0]["output_delivery"].clone()
    };
    poll(true, Vec::new());
    let mut failed = run(1, 1, "Failed", "ExitCodeNonzero");
    assert_eq!(poll(false, vec![failed.clone()]), Value::Null);
    failed.delivery = Some(Box::new(Delivery {
        finished: true,
        error_code: "".into(),
        uri: "oss://bucket/t-1/out".into(),
    }));
    let later = poll(false, vec![failed]);
    assert_eq!(later["uri"], "oss://bucket/t-1/out");
}

#[test]
fn a_question_holds_no_failure_unpacked() {
    // There may be 100,000 of them.
    let of_each = size_of::<filter::Found<'_>>();
    assert!(of_each <= 4 * size_of::<usize>(), "{of_each}");
}

#[test]
fn a_refused_reload_is_told_with_its_reason() {
    let mut view = view([up("cn-beijing", Vec::new())]);
    view.refused_reload = Some(Arc::new(RefusedReload {
        at: NOW - 30,
        reason: "poll.intervall: unknown key, <line 4>".to_owned(),
    }));
    let page = home(&view, "");
    assert!(page.contains("<pre>poll.intervall: unknown key, &lt;line 4&gt;</pre>"));
    assert!(page.contains("<title>Degraded · "));
    let requests = Requests::new(&Registry::new()).unwrap();
    let status = overview(&view, &requests, |overview| api::status(overview, None).unwrap());
    let status: Value = serde_json::from_slice(&status).unwrap();
    assert_eq!(status["refused_reload"]["at"], "2027-01-15T07:59:30Z");
    assert_eq!(
        status["refused_reload"]["message"],
        "poll.intervall: unknown key, <line 4>"
    );
}

#[test]
fn columns_of_the_picture_lead_to_the_failures_of_their_time() {
    let rows = (1..=20).flat_map(|invocation| {
        (0..50).map(move |instance| match (invocation, instance) {
            (7, 0) => run(invocation, instance, "Failed", "ExitCodeNonzero"),
            _ => run(invocation, instance, "Success", ""),
        })
    });
    let view = view([up("cn-beijing", rows.collect())]);
    let page = home(&view, "");
    assert!(page.contains("<b>1</b> failed") && page.contains("<b>999</b> succeeded"));
    let link = page.split("<a href=\"./failures?since=").nth(1).unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    assert_eq!(
        page.matches("<a href=\"./failures?since=").count(),
        2,
        "in the picture and the table"
    );
    let found = failures(&view, &format!("since={link}"));
    assert_eq!(field(&found, "invoke_id"), ["t-7"]);
    // Failures visible at 1 in 1,000: the rest of the column is not all there is.
    assert!(page.contains("<rect class=\"bad\" x=\"") && page.contains("height=\"5\"/>"));
}

#[test]
fn invocations_fold_their_instances_and_runs_of_a_schedule_stand_apart() {
    let mut rows: Vec<Row> = (0..40)
        .map(|instance| run(2, instance, "Timeout", "ExecutionTimeout"))
        .collect();
    rows.extend((0..3).map(|instance| run(1, instance, "Failed", "ExitCodeNonzero")));
    for row in &mut rows[40..] {
        row.error_info = Some("the command execution <exit code> is not zero.".into());
        row.delivery = Some(Box::new(Delivery {
            finished: true,
            error_code: "".into(),
            uri: "oss://bucket/t-1/out".into(),
        }));
    }
    let view = view([up("cn-beijing", rows)]);
    let page = page(&view, "");
    assert!(page.contains("43 results in 2 invocations, newest first"));
    assert!(page.contains("<summary>40 instances</summary>") && page.contains("40 × Timeout"));
    assert!(page.contains("the command execution &lt;exit code&gt; is not zero."));
    assert!(page.contains("oss://bucket/t-1/out") && page.contains(" after 1 min"));
    assert!(page.contains("aliyun ecs DescribeInvocationResults --RegionId cn-beijing --InvokeId t-2"));
    // What fails most.
    assert!(page.contains(">Timeout ExecutionTimeout</a></th><td role=\"cell\" class=\"number\">40</td>"));
    assert!(
        page.contains("./failures?instance_id=i-0\">i-0</a></th><td role=\"cell\" class=\"number\">2</td>")
    );
    let first = &failures(&view, "")["failures"][0];
    assert_eq!(
        first["error_info"],
        "the command execution <exit code> is not zero."
    );
    assert_eq!(
        (&first["duration_seconds"], &first["output_delivery"]["uri"]),
        (&90.into(), &"oss://bucket/t-1/out".into())
    );
}

#[test]
fn pages_before_a_place_leave_no_gap_while_the_list_moves() {
    let all: Vec<Row> = (1..=30)
        .flat_map(|n| [run(n, 0, "Failed", "x"), run(n, 1, "Failed", "x")])
        .collect();
    let later: Vec<Row> = (0..9).map(|n| run(0, n, "Failed", "new")).collect();
    let before = view([up("cn-beijing", all.clone())]);
    let after = view([up("cn-beijing", [later, all].concat())]);
    let mut seen: Vec<String> = Vec::new();
    let mut next = String::new();
    for page in 0.. {
        // The list moves after the first page.
        let view = if page == 0 { &before } else { &after };
        let part = failures(
            view,
            &format!("limit=7&before={}", parameters::encode_text(&next)),
        );
        seen.extend(field(&part, "id").into_iter().map(str::to_owned));
        match part["next_before"].as_str() {
            Some(place) => place.clone_into(&mut next),
            None => break,
        }
    }
    assert_eq!(seen, field(&failures(&before, "limit=1000"), "id"));
}

#[test]
fn groups_are_counted_over_all_that_match() {
    let rows = (1..=30).flat_map(|n| {
        (0..n).map(move |instance| run(n, instance, "Failed", if n % 3 == 0 { "a" } else { "b" }))
    });
    let view = view([up("cn-beijing", rows.collect())]);
    let groups = failures(&view, "group_by=error_code");
    let found: Vec<_> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (&group["value"], &group["failures"]))
        .collect();
    assert_eq!(
        found,
        [
            (&Value::from("b"), &Value::from(300)),
            (&Value::from("a"), &Value::from(165))
        ]
    );
    assert_eq!(
        (&groups["total"], &groups["failures"], &groups["group_by"]),
        (&2.into(), &465.into(), &"error_code".into())
    );
    let groups = failures(&view, "group_by=invoke_id&limit=1&offset=1");
    assert_eq!(
        (&groups["total"], &groups["groups"][0]["value"]),
        (&30.into(), &"t-29".into())
    );
    let one = failures(&view, "instance_id=i-29&invoke_id=t-30");
    assert_eq!(one["total"], 1);
    let none = failures(&view, "since=2027-01-15T07:00:29Z&before=2027-01-15T07:00:00Z");
    assert_eq!(none["total"], 0);
}

#[test]
fn groups_behind_a_place_are_of_what_comes_after_it() {
    let rows = (1..=30).map(|n| run(n, 0, "Failed", if n <= 10 { "new" } else { "old" }));
    let view = view([up("cn-beijing", rows.collect())]);
    let first = failures(&view, "limit=8");
    let place = first["next_before"].as_str().unwrap();
    let place = parameters::encode_text(place);
    let groups = failures(&view, &format!("group_by=error_code&before={place}"));
    let counts = groups["groups"].as_array().unwrap().iter();
    let counts: Vec<_> = counts
        .map(|group| (&group["value"], &group["failures"]))
        .collect();
    assert_eq!(
        counts,
        [
            (&Value::from("old"), &Value::from(20)),
            (&Value::from("new"), &Value::from(2))
        ]
    );
    assert_eq!(groups["failures"], 22);
}

#[test]
fn what_is_long_is_compressed_where_it_is_asked_for() {
    let document = api::failures(&failing(), None).unwrap();
    let plain = answers::json(StatusCode::OK, document.clone(), Encoding::Plain);
    let gzip = answers::json(StatusCode::OK, document, Encoding::Gzip);
    assert!(plain.headers().get("content-encoding").is_none());
    assert_eq!(gzip.headers()["content-encoding"], "gzip");
    assert_eq!(gzip.headers()["vary"], "Accept-Encoding");
    assert!(gzip.body().length() * 5 < plain.body().length());
}
