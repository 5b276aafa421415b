//! What a person asks of the pages: is it working, what fails, since when.

use super::*;
use crate::result::{Delivery, StatusKind};
use crate::view::RefusedReload;

/// A row of an invocation on an instance.
fn run(invocation: u32, instance: u32, status: &str, error_code: &str) -> Row {
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

fn up(region_id: &str, rows: Vec<Row>) -> ScopeView {
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
fn a_link_that_was_made_of_the_first_second_is_taken() {
    let view = failing();
    for name in ["since", "before"] {
        let page = page(&view, &format!("{name}=0"));
        let link = format!("href=\"./failures?{name}=1970-01-01T00%3A00%3A00Z&amp;refresh=off\"");
        assert!(page.contains(&link), "{link}");
    }
    let found = |query| failures(&view, query)["total"].as_u64();
    assert_eq!(found("since=1970-01-01T00:00:00Z"), Some(60));
    assert_eq!(found("before=1970-01-01T00:00:00Z"), Some(0));
}

/// The query of the link in what stands before `text`.
fn link_before(page: &str, text: &str) -> String {
    let (before, _) = page.split_once(text).unwrap();
    let link = before.rsplit("href=\"./failures?").next().unwrap();
    link.split('"').next().unwrap().replace("&amp;", "&")
}

#[test]
fn a_row_of_what_fails_most_leads_to_what_it_counts() {
    let rows = (0..60).map(|n| {
        let (status, code) = [
            ("Failed", "ExitCodeNonzero"),
            ("Aborted", ""),
            ("Aborted", "ClientNotRunning"),
        ][n as usize / 20];
        let mut row = run(1, n, status, code);
        row.exit_code = (n < 20).then_some(i64::from(n % 4));
        row
    });
    let view = view([up("cn-beijing", rows.collect())]);
    for query in ["", "instance_id=&since=1"] {
        let page = page(&view, query);
        for (name, count) in [
            (">Failed ExitCodeNonzero 3</a>", 5),
            (">Aborted</a>", 20),
            (">Aborted ClientNotRunning</a>", 20),
        ] {
            let found = failures(&view, &link_before(&page, name));
            assert_eq!(found["total"], count, "{name}");
        }
    }
    assert_eq!(failures(&view, "exit_code=%22%22")["total"], 40);
    assert_eq!(failures(&view, "command=%22%22&exit_code=1")["total"], 5);
}

#[test]
fn each_of_an_invocation_is_what_its_row_counts() {
    use crate::record::{History, Sought};
    let row = |repeats: u32, status: &str| Row {
        scheduled: true,
        repeats,
        ..row(1, status, "", "c-1")
    };
    let mut record = Record::new(Settings::default());
    let at = |wall| crate::clock::Now {
        wall,
        ..Default::default()
    };
    let baseline = Findings {
        sweep: Some(Sweep {
            front: 1,
            ..Sweep::default()
        }),
        pages: vec![row(0, "Scheduled")],
        ..Findings::default()
    };
    record.apply(baseline, at(NOW - 3600));
    let history = History {
        asked: vec![(row(0, "Scheduled").identity, Sought::Newest)],
        rows: vec![row(2, "Timeout"), row(1, "Failed")],
        thorough: true,
    };
    let findings = Findings {
        pages: vec![row(2, "Scheduled")],
        histories: vec![history],
        ..Findings::default()
    };
    record.apply(findings, at(NOW));
    let scope = ScopeView {
        counts: record.counts(Duration::ZERO).map(Arc::new),
        ..up("cn-beijing", Vec::new())
    };
    let many = (0..60).map(|instance| run(9, instance, "Failed", "ExitCodeNonzero"));
    let view = view([scope, up("cn-hangzhou", many.collect())]);
    let page = page(&view, "");
    assert!(page.contains("62 results in 3 invocations"), "{page}");
    let rows = page.split("<summary>").filter(|row| row.contains("Each of them"));
    let rows: Vec<&str> = rows.collect();
    let totals = rows.iter().map(|row| {
        let query = link_before(row, ">Each of them</a>").replace("show=results", "");
        failures(&view, &query)["total"].as_u64()
    });
    let mut totals: Vec<_> = totals.collect();
    totals.sort_unstable();
    assert_eq!(totals, [Some(1), Some(1), Some(60)]);
    // Not all of them are named, and that is said.
    let many = rows.iter().find(|row| row.starts_with("60 instances")).unwrap();
    assert_eq!(many.matches("<li>").count(), 50);
    assert!(many.contains("and 10 more"));
    assert_eq!(failures(&view, "run=0")["total"], 60);
    assert!(api::failures(&view, Some("run=x")).is_err());
}

/// The links of a page to itself and the other one.
fn links(page: &str) -> Vec<&str> {
    let links = page.split("href=\"").skip(1);
    let links = links.map(|rest| rest.split('"').next().unwrap());
    links
        .filter(|link| *link == "./" || link.starts_with("./?") || link.starts_with("./failures"))
        .collect()
}

/// Three regions that are down for the same reason, and one that is well.
fn alike() -> View {
    let error = CallError::new(Reason::Rejected, "no");
    let down = ["cn-a", "cn-b", "cn-c"].map(|region_id| {
        let mut down = up(region_id, vec![run(1, 1, "Failed", "x")]);
        down.last_poll = down.last_poll.map(|poll| LastPoll { up: false, ..poll });
        down.error = Some(Failed::new(NOW - 60, &error));
        down
    });
    view(
        down.into_iter()
            .chain([up("cn-d", vec![run(2, 1, "Failed", "x")])]),
    )
}

#[test]
fn links_keep_how_the_page_is_loaded_and_listed() {
    let view = alike();
    for page in [
        home(&view, "refresh=off"),
        page(&view, "refresh=off"),
        page(&view, "refresh=off&show=results"),
    ] {
        // All but the one that begins it again.
        let links = links(&page);
        let without = links.iter().filter(|link| !link.contains("refresh=off"));
        assert!(links.len() > 10);
        assert_eq!(without.count(), 1, "{links:?}");
    }
    let page = page(&view, "show=results");
    let columns = links(&page).into_iter().filter(|link| link.contains("since="));
    let columns: Vec<&str> = columns.collect();
    assert_eq!(columns.len(), 4, "two columns in the picture and the table");
    assert!(columns.iter().all(|link| link.ends_with("&amp;show=results")));
}

#[test]
fn a_folded_row_is_as_wide_as_the_others() {
    let mut view = alike();
    for is_on in [false, true] {
        if is_on {
            Arc::make_mut(&mut view.events).open = [true; 2];
        }
        let home = home(&view, "");
        let (_, table) = home.split_once("class=\"scopes\"").unwrap();
        let (head, rows) = table.split_once("</thead>").unwrap();
        let columns = head.matches("columnheader").count();
        assert_eq!(columns, if is_on { 13 } else { 12 });
        assert!(rows.contains(&format!("colspan=\"{}\"", columns - 1)));
        assert_eq!(rows.matches("cn-a</a>").count(), 1, "folded");
    }
}

#[test]
fn a_command_without_a_name_is_found_by_its_id() {
    let view = failing();
    let page = page(&view, "");
    let link = link_before(&page, ">c-3</a>");
    assert_eq!(link, "command=c-3");
    assert_eq!(failures(&view, &link), failures(&view, "command_id=c-3"));
    assert_eq!(failures(&view, &link)["total"], 12);
}

#[test]
fn a_link_to_the_console_leads_where_its_account_says() {
    let mut view = failing();
    let account = crate::view::AccountView {
        console: Some("https://ecs.console.example.com".into()),
        credentials: Default::default(),
        discovered: None,
        is_ready: true,
        error: None,
        set_aside: Vec::new(),
    };
    view.accounts = Arc::new([("production".into(), Arc::new(account))].into());
    let link =
        "https://ecs.console.example.com/cloud-assistant/region/cn-hangzhou?instanceId=i-140&invokeId=t-140";
    assert_eq!(failures(&view, "limit=1")["failures"][0]["console_url"], link);
    for query in ["", "show=results"] {
        assert!(page(&view, query).contains(&link.replace('&', "&amp;")));
    }
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
