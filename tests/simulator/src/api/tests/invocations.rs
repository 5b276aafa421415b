//! Schedules with their histories, invocations, and regions.

use super::*;

fn history(cloud: &mut Cloud, invoke_id: &str) -> Vec<(i64, String)> {
    let listed = all(
        cloud,
        &[
            ("InvokeId", invoke_id),
            ("IncludeHistory", "true"),
            ("MaxResults", "2"),
        ],
    );
    let run = |row: &Value| {
        (
            row["Repeats"].as_i64().unwrap(),
            row["InvocationStatus"].as_str().unwrap().to_owned(),
        )
    };
    listed.iter().map(run).collect()
}

#[test]
fn a_schedule_is_one_row_and_each_run_an_entry_of_its_history() {
    let mut cloud = cloud();
    let invoke_id = region(&mut cloud).schedule("backup", "rate(5m)", ["i-1"]);
    assert_eq!(history(&mut cloud, &invoke_id), []);
    for outcome in [Outcome::success(), Outcome::failed(7), Outcome::timeout()] {
        cloud.advance(300);
        region(&mut cloud).run_once(&invoke_id, 0, outcome.lasting(20));
    }
    cloud.advance(300);
    let number = region(&mut cloud).begin_run(&invoke_id, "i-1");
    let row = &all(&mut cloud, &[])[0];
    assert_eq!(
        (number, &row["Repeats"], &row["InvocationStatus"]),
        (4, &json!(4), &json!("Running"))
    );
    assert_eq!(row["InvokeRecordStatus"], "Running");
    let text = |entries: &[(i64, &str)]| -> Vec<(i64, String)> {
        entries
            .iter()
            .map(|(run, status)| (*run, (*status).to_owned()))
            .collect()
    };
    let expected = text(&[(4, "Running"), (3, "Timeout"), (2, "Failed"), (1, "Success")]);
    assert_eq!(history(&mut cloud, &invoke_id), expected);
    region(&mut cloud).order = Order::OldestFirst;
    assert_eq!(
        history(&mut cloud, &invoke_id),
        expected.iter().rev().cloned().collect::<Vec<_>>()
    );
    region(&mut cloud).order = Order::NewestFirst;

    cloud.advance(9);
    let held = region(&mut cloud);
    held.finish_run(&invoke_id, 0, Outcome::success());
    held.skip_runs(&invoke_id, 0, 2);
    held.run_once(&invoke_id, 0, Outcome::failed(1));
    let row = &all(&mut cloud, &[])[0];
    assert_eq!(
        (&row["Repeats"], &row["InvocationStatus"]),
        (&json!(7), &json!("Scheduled"))
    );
    assert_eq!(row.get("ExitCode"), None);
    let numbers: Vec<i64> = history(&mut cloud, &invoke_id)
        .into_iter()
        .map(|(run, _)| run)
        .collect();
    assert_eq!(numbers, [7, 4, 3, 2, 1]);
    assert_eq!(cloud.truth("a", "cn-hangzhou").total(), 5);
    assert_eq!(
        cloud.truth("a", "cn-hangzhou").open,
        BTreeMap::from([("Scheduled".to_owned(), 1)])
    );

    region(&mut cloud).schedules_keep_codes = true;
    region(&mut cloud).run_once(&invoke_id, 0, Outcome::failed(8));
    assert_eq!(all(&mut cloud, &[])[0]["ExitCode"], 8);
}

#[test]
fn a_schedule_that_ends_adds_nothing_to_what_its_history_tells() {
    let mut cloud = cloud();
    let ran = region(&mut cloud).command("x").on(2).on_every_reboot().run();
    region(&mut cloud).run_once(&ran, 0, Outcome::success());
    region(&mut cloud).begin_run(&ran, 0);
    region(&mut cloud).end_schedule(&ran, InvocationStatus::Cancelled);
    let truth = cloud.truth("a", "cn-hangzhou");
    // Two runs of the first instance; the second never ran, so that its row is the one result it has.
    assert_eq!(
        truth.by_status(),
        BTreeMap::from([
            ("Success".to_owned(), 1),
            ("Terminated".to_owned(), 1),
            ("Cancelled".to_owned(), 1)
        ])
    );
    assert_eq!(all(&mut cloud, &[])[0]["InvokeRecordStatus"], "Stopped");
    assert!(truth.open.is_empty());
}

#[test]
fn a_history_can_be_asked_for_one_instance() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let invoke_id = held.schedule("x", "rate(60s)", ["i-1", "i-2"]);
    for _ in 0..3 {
        held.run_once(&invoke_id, "i-1", Outcome::success());
        held.run_once(&invoke_id, "i-2", Outcome::failed(1));
    }
    let asked = [
        ("InvokeId", invoke_id.as_str()),
        ("IncludeHistory", "True"),
        ("InstanceId", "i-2"),
    ];
    let listed = all(&mut cloud, &asked);
    assert_eq!(listed.len(), 3);
    assert!(
        listed
            .iter()
            .all(|row| row["InstanceId"] == "i-2" && row["ExitCode"] == 1)
    );
    assert_eq!(all(&mut cloud, &asked[..2]).len(), 6);
    assert_eq!(
        all(&mut cloud, &asked[..1]).len(),
        2,
        "without the history one row for each instance"
    );
}

#[test]
fn the_clock_runs_schedules_and_plans() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let schedule = held.schedule("x", "rate(60s)", 2);
    held.run_by_clock(
        &schedule,
        10,
        &[Outcome::success().lasting(5), Outcome::failed(2).lasting(5)],
    );
    let planned = held.run("y", 3);
    held.plan(&planned, 0, 10, Outcome::success().lasting(100));
    held.plan(&planned, 1, 10, Outcome::aborted("DeliveryTimeout"));
    held.plan(&planned, 2, 10, Outcome::success());
    held.settle(&planned, 2, Outcome::failed(99));
    cloud.advance(62);
    let statuses = |cloud: &mut Cloud, id: &str| -> Vec<String> {
        let listed = all(cloud, &[("InvokeId", id)]);
        listed
            .iter()
            .map(|row| row["InvocationStatus"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(statuses(&mut cloud, &planned), ["Running", "Aborted", "Failed"]);
    assert_eq!(statuses(&mut cloud, &schedule), ["Running", "Running"]);
    cloud.advance(60);
    assert_eq!(statuses(&mut cloud, &planned), ["Success", "Aborted", "Failed"]);
    assert_eq!(region(&mut cloud).row(&planned, 0).finished_time, Some(NOW + 110));
    cloud.advance(3_600);
    assert_eq!(
        all(&mut cloud, &[("InvokeId", &schedule), ("IncludeHistory", "true")]).len(),
        20
    );
    let truth = cloud.truth("a", "cn-hangzhou");
    assert_eq!(
        (
            truth.count("Success", "", "0"),
            truth.count("Failed", "ExitCodeNonzero", "2")
        ),
        (11, 10)
    );
}

#[test]
fn invocations_are_listed_with_their_instances() {
    let mut cloud = cloud();
    let held = region(&mut cloud);
    let mixed = held
        .command("mixed")
        .on(["i-1", "i-2"])
        .tag("team", "infra")
        .run();
    held.settle(&mixed, 0, Outcome::success().output(6));
    held.settle(&mixed, 1, Outcome::aborted("ClientNotRunning"));
    let schedule = held.schedule("nightly", "0 0 3 * * ?", ["i-1"]);
    for _ in 0..20 {
        held.run("filler", 1);
    }
    let mut list = |parameters: &[(&str, &str)]| -> Vec<Value> {
        let body = call(&mut cloud, "DescribeInvocations", parameters).unwrap();
        body["Invocations"]["Invocation"].as_array().unwrap().clone()
    };
    assert_eq!(list(&[]).len(), 10);
    assert_eq!(list(&[("MaxResults", "50")]).len(), 22);
    let found = &list(&[
        ("InvokeId", &mixed),
        ("IncludeOutput", "true"),
        ("ContentEncoding", "PlainText"),
    ])[0];
    assert_eq!(
        (&found["InvocationStatus"], &found["InvokeStatus"]),
        (&json!("PartialFailed"), &json!("PartialFailed"))
    );
    let instances = found["InvokeInstances"]["InvokeInstance"].as_array().unwrap();
    assert_eq!(instances[0]["Output"], "output");
    assert_eq!(instances[0]["FinishTime"], utc(NOW));
    assert_eq!(instances[1]["InstanceInvokeStatus"], "Failed");
    assert_eq!(list(&[("InstanceId", "i-2")]).len(), 1);
    assert_eq!(
        list(&[("InstanceId", "i-2")])[0]["InvokeInstances"]["InvokeInstance"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        list(&[("RepeatMode", "Period")])[0]["InvokeId"],
        schedule.as_str()
    );
    assert_eq!(list(&[("Timed", "true")]).len(), 1);
    assert_eq!(list(&[("Timed", "False"), ("MaxResults", "50")]).len(), 21);
    assert_eq!(list(&[("CommandName", "nightly")]).len(), 1);
    assert_eq!(list(&[("CommandType", "RunBatScript")]).len(), 0);
    assert_eq!(list(&[("InvokeStatus", "Scheduled")]).len(), 1);
    assert_eq!(list(&[("InvokeStatus", "PartialFailed")]).len(), 1);
    assert_eq!(list(&[("Tag.1.Key", "team")]).len(), 1);
    let refused = call(&mut cloud, "DescribeInvocations", &[("IncludeOutput", "true")]);
    assert_eq!(refused, Err("MissingParameter.InvokeId".to_owned()));
}

#[test]
fn regions_are_those_in_use_unless_they_are_set() {
    let mut cloud = cloud();
    cloud.region("a", "cn-beijing");
    cloud.region_endpoint = "127.0.0.1:1".to_owned();
    let list = |cloud: &mut Cloud| -> Vec<Value> {
        call(cloud, "DescribeRegions", &[]).unwrap()["Regions"]["Region"]
            .as_array()
            .unwrap()
            .clone()
    };
    let regions = list(&mut cloud);
    assert_eq!(regions.len(), 2);
    assert_eq!(
        regions[0],
        json!({"RegionId": "cn-beijing", "RegionEndpoint": "127.0.0.1:1", "LocalName": "Region cn-beijing", "Status": "available"})
    );
    assert!(results(&mut cloud, &[("RegionId", "cn-shanghai")]).is_ok());
    assert_eq!(
        list(&mut cloud).len(),
        2,
        "asking does not make a region one in use"
    );
    cloud.listed_regions = Some(vec!["xx-new-1".to_owned()]);
    assert_eq!(list(&mut cloud)[0]["RegionId"], "xx-new-1");
    assert!(results(&mut cloud, &[("RegionId", "xx-new-1")]).is_ok());
    assert_eq!(
        call(&mut cloud, "DescribeRegions", &[("AcceptLanguage", "xx")]),
        Err("InvalidParameter.AcceptLanguage".to_owned())
    );
}
