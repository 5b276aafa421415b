//! Where the links of pages lead.

use super::questions::{run, up};
use super::*;
use crate::pages::parameters::encode;

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
fn odd_texts_have_links_that_find_them_alone() {
    let codes = ["", " ", "Odd", " Odd", "Odd ", "\"Odd\"", "\"", "\"\""];
    let rows = codes
        .into_iter()
        .zip(1..)
        .flat_map(|(code, many)| (0..many).map(move |n| run(many, n, "Failed", code)));
    let view = view([up("cn-beijing", rows.collect())]);
    for (code, many) in codes.into_iter().zip(1..) {
        let link = Filter::default().with("error_code", code);
        let pairs = link.pairs();
        let query = encode(pairs.iter().map(|(name, value)| (*name, value.as_str())));
        assert_eq!(failures(&view, &query)["total"], many, "{code:?} by {query}");
    }
    assert_eq!(
        failures(&view, "error_code=%20Odd+")["total"],
        3,
        "blanks of a form"
    );
    assert_eq!(
        failures(&view, "error_code=+")["total"],
        36,
        "nothing is asked for"
    );
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
            Arc::make_mut(&mut view.events).http = true;
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
