//! Credentials that are renewed while polls go on.

use super::*;

/// Keys and tokens in files are replaced while the exporter runs: the new ones are used within 15 s, and at once where
/// the old ones are refused.
#[test]
fn files_are_picked_up_without_losing_a_poll() {
    let directory = tempdir().unwrap();
    let simulator = Simulator::start(whole_cloud());
    let url = simulator.url();
    write_files(directory.path(), &url, &NAMES);
    let path = |name: &str| directory.path().join(name);
    let write = |number: u32| {
        for (name, text) in [
            ("id", format!("rotated-{number}\n")),
            ("secret", format!("hunter2-{number}\r\n")),
        ] {
            fs::write(path("new"), text).unwrap();
            fs::rename(path("new"), path(name)).unwrap();
        }
    };
    let key = |number: u32| AccessKey::new(&format!("rotated-{number}"), &format!("hunter2-{number}"));
    for number in 1..=3 {
        simulator.cloud().add_key("key", key(number), None);
    }
    write(1);
    let files = format!(
        "{{type: access_key, access_key_id_file: {}, access_key_secret_file: {}}}",
        path("id").display(),
        path("secret").display()
    );
    let oidc = temporary(directory.path(), &url).remove(2).1;
    let accounts = [
        account("files", &url, &[REGION], &files),
        account("oidc", &url, &[REGION], &with_endpoints(&oidc, &url)),
        account(
            "profile",
            &url,
            &[REGION],
            &format!(
                "{{type: profile, name: cli-key, file: {}}}",
                path("config.json").display()
            ),
        ),
    ];
    let exporter = Exporter::start(directory.path(), &config(directory.path(), &accounts, ""));
    exporter.looked();
    let uses = |id: &str| {
        let mut requests = simulator.requests().into_iter().rev();
        requests.any(|request| request.access_key_id.as_deref() == Some(id) && request.status == 200)
    };
    assert!(uses("rotated-1") && uses("cli-key-key"));

    // All are still good.
    let changed = Instant::now();
    write(2);
    let cli = fs::read_to_string(path("config.json")).unwrap();
    fs::write(
        path("config.json"),
        cli.replace("cli-key-key", "rotated-3")
            .replace("hunter2-cli-key", "hunter2-3"),
    )
    .unwrap();
    simulator
        .cloud()
        .rotate_oidc_token(&arn("oidc"), "hunter2.oidc.next");
    fs::write(path("oidc.token"), "hunter2.oidc.next\n").unwrap();
    eventually("the new keys and token in use", || {
        let exchanged = |request: &simulator::Received| {
            request.action == "AssumeRoleWithOIDC" && request.parameters["OIDCToken"] == "hunter2.oidc.next"
        };
        (uses("rotated-2") && uses("rotated-3") && simulator.requests().iter().any(exchanged)).then_some(())
    });
    assert!(
        changed.elapsed() < Duration::from_secs(15),
        "{:?}",
        changed.elapsed()
    );

    // The old one is gone as soon as the new one is there.
    simulator.cloud().add_key("key", key(4), None);
    simulator.cloud().mark_baseline();
    simulator
        .cloud()
        .region("key", REGION)
        .add_settled(70, Outcome::timeout());
    write(4);
    simulator.cloud().remove_key("rotated-2");
    eventually("the fourth key in use", || uses("rotated-4").then_some(()));
    let scrape = exporter.polled();
    assert_eq!(total(&scrape, POLL_FAILURES), 0.0, "{}", exporter.log());
    let truth = simulator.cloud().truth_since_baseline("key", REGION);
    assert_eq!(scrape.counts(RESULTS, "files", REGION), truth.results);
    assert_no_secrets(&exporter, directory.path());
}

/// Polls may be far apart: renewals have a rhythm of their own, and one that fails is tried again within 5 s.
#[test]
fn credentials_are_renewed_between_polls_too() {
    let directory = tempdir().unwrap();
    // With a third of it left, and looked at every 3.5 s, two tries fit before its end.
    let lifetime = 27;
    let mut cloud = whole_cloud();
    cloud.temporary_key_lifetime = Some(lifetime);
    let simulator = Simulator::start(cloud);
    let url = simulator.url();
    let credentials = with_endpoints(&temporary(directory.path(), &url).remove(0).1, &url);
    let accounts = [account("role", &url, &[REGION], &credentials)];
    let exporter = Exporter::start(
        directory.path(),
        &config(directory.path(), &accounts, "interval: 1h"),
    );
    exporter.looked();
    let sent = |action: &str| {
        let mut sent = simulator.requests();
        sent.retain(|request| request.action == action);
        sent
    };
    let polls = sent("DescribeInvocationResults").len();
    let fault = Fault::once(FaultKind::documented("ServiceUnavailable"));
    simulator.faults().add(fault.on("AssumeRole"));
    let tries = eventually("a failed renewal and a good one", || {
        let tries = sent("AssumeRole");
        (tries.len() >= 3 && tries[2].status == 200).then_some(tries)
    });
    assert_eq!((tries[0].status, tries[1].status), (200, 500));
    let life = tries[2].at.duration_since(tries[0].at).unwrap();
    assert!(life < Duration::from_secs(lifetime.unsigned_abs()), "{life:?}");
    let again = tries[2].at.duration_since(tries[1].at).unwrap();
    assert!(
        again > Duration::from_secs(3) && again < Duration::from_secs(5),
        "{again:?}"
    );
    let other_polls = sent("DescribeInvocationResults").len() - polls;
    assert!(other_polls <= 1, "{other_polls}");
    let line = exporter.log();
    let line = line
        .lines()
        .find(|line| line.contains("could not be renewed"))
        .unwrap()
        .to_owned();
    assert!(
        line.contains("refused with ServiceUnavailable (status 500, request id "),
        "{line}"
    );
}
