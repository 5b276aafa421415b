//! Configurations that cannot work, each with the exact message that an operator gets: `tests/data/broken-credentials.md`.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use simulator::{AccessKey, Clock, Cloud, Outcome, Role, Simulator, unix_now};
use tempfile::tempdir;

use crate::exporter::Exporter;
use crate::fleet::{account, account_with, assert_no_secrets, check, config};

const REGION: &str = "cn-hangzhou";
const PROVIDER: &str = "acs:ram::1000000000000001:oidc-provider/ack-rrsa";
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/broken-credentials.md");

/// What stands for a key that is good.
const GOOD: &str = "type: access_key, access_key_id: good-key, access_key_secret: hunter2-good";

fn arn(name: &str) -> String {
    format!("acs:ram::1000000000000001:role/{name}")
}

fn cloud() -> Cloud {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account("good", AccessKey::new("good-key", "hunter2-good"));
    cloud.add_account("other", AccessKey::new("other-key", "hunter2-other"));
    cloud.region("good", REGION).add_settled(1, Outcome::success());
    cloud.region("good", "cn-beijing");
    cloud.add_key("good", AccessKey::new("disabled-key", "hunter2-disabled"), None);
    cloud.set_key_active("disabled-key", false);
    cloud.add_key(
        "good",
        AccessKey::with_token("STS.expired", "hunter2-expired", "hunter2-expired-token"),
        Some(1),
    );
    for (name, action, region) in [
        ("denied", "DescribeInvocationResults", Some("cn-beijing")),
        ("half", "DescribeInvocations", None),
        ("nowhere", "DescribeRegions", None),
    ] {
        cloud.add_account(
            name,
            AccessKey::new(&format!("{name}-key"), &format!("hunter2-{name}")),
        );
        cloud.region(name, REGION);
        cloud.region(name, "cn-beijing");
        cloud.deny(name, action, region);
    }
    cloud.unsupported_region("me-east-1");
    cloud.add_role(Role::new(&arn("exporter"), "good").with_oidc(PROVIDER, "hunter2.good"));
    cloud.rotate_oidc_token(&arn("exporter"), "hunter2.next");
    cloud.add_role(Role::new(&arn("strict"), "good"));
    cloud.role_mut(&arn("strict")).trusted_accounts = vec!["other".to_owned()];
    cloud.add_role(Role::new(&arn("external"), "good"));
    cloud.role_mut(&arn("external")).external_id = Some("the-right-one".to_owned());
    cloud.serve_credentials("/credentials/expired", "good").lifetime = -60;
    cloud
}

/// A port at which nobody answers.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Files whose names the accounts below have.
fn write_files(directory: &Path) {
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).unwrap();
    write("empty", "\n");
    write("two-lines", "hunter2-one\nhunter2-two\n");
    write("good-secret", "hunter2-good\n");
    write(
        "cut.json",
        "{\"current\": \"default\", \"profiles\": [{\"access_key_secret\": \"hunter2",
    );
    write(
        "cli.json",
        r#"{"current":"sso","profiles":[{"name":"sso","mode":"CloudSSO","access_token":"hunter2"},
        {"name":"half","mode":"AK","access_key_id":"good-key"},
        {"name":"one","mode":"ChainableRamRoleArn","ram_role_arn":"acs:ram::1:role/a","source_profile":"two"},
        {"name":"two","mode":"ChainableRamRoleArn","ram_role_arn":"acs:ram::1:role/b","source_profile":"one"},
        {"name":"orphan","mode":"ChainableRamRoleArn","ram_role_arn":"acs:ram::1:role/b","source_profile":"gone"}]}"#,
    );
    write(
        "pairs.ini",
        "[default]\ntype = rsa_key_pair\npublic_key_id = x\nprivate_key_file = hunter2\n",
    );
    write("torn.ini", "[default]\ntype = access_key\nhunter2\n");
    write("token-empty", "");
    write("token-old", "hunter2.good\n");
    write("token-next", "hunter2.next\n");
    write("token-other", "hunter2.other\n");
    fs::create_dir(directory.join("a-directory")).unwrap();
}

/// Accounts that are wrong, each by its name, with its credentials, regions and other keys.
fn accounts(directory: &Path, url: &str, closed: &str) -> Vec<(&'static str, String)> {
    let file = |name: &str| directory.join(name).display().to_string();
    let at =
        |credentials: String| format!("{{{credentials}, sts_endpoint: '{url}', metadata_endpoint: '{url}'}}");
    let plain =
        |name: &'static str, credentials: String| (name, account(name, url, &[REGION], &at(credentials)));
    let secret_file = |file_name: &str| {
        format!(
            "type: access_key, access_key_id: good-key, access_key_secret_file: {}",
            file(file_name)
        )
    };
    let profile =
        |name: &str, file_name: &str| format!("type: profile, name: {name}, file: {}", file(file_name));
    let role = |name: &str, more: &str| {
        format!(
            "type: assume_role, role_arn: '{}'{more}, source: {{{GOOD}}}",
            arn(name)
        )
    };
    let oidc = |role: &str, provider: &str, token: &str| {
        format!(
            "type: oidc, role_arn: '{}', provider_arn: '{provider}', token_file: {}",
            arn(role),
            file(token)
        )
    };
    let key = |id: &str, secret: &str| {
        format!("type: access_key, access_key_id: {id}, access_key_secret: {secret}")
    };
    vec![
        plain("key file missing", secret_file("missing")),
        plain("key file empty", secret_file("empty")),
        plain("key file of two lines", secret_file("two-lines")),
        plain("key file is a directory", secret_file("a-directory")),
        plain("key id unknown", key("nobody-key", "hunter2-good")),
        plain("key secret wrong", key("good-key", "hunter2-wrong")),
        plain("key disabled", key("disabled-key", "hunter2-disabled")),
        plain(
            "token expired",
            key("STS.expired", "hunter2-expired") + ", security_token: hunter2-expired-token",
        ),
        plain(
            "token of another key",
            key("good-key", "hunter2-good") + ", security_token: hunter2-expired-token",
        ),
        plain("profile file missing", profile("default", "missing")),
        plain("profile file cut off", profile("default", "cut.json")),
        plain("profile missing", profile("nobody", "cli.json")),
        plain("profile mode unknown", profile("sso", "cli.json")),
        plain("profile without secret", profile("half", "cli.json")),
        plain("profiles in a circle", profile("one", "cli.json")),
        plain("profile without source", profile("orphan", "cli.json")),
        plain("INI type unknown", profile("default", "pairs.ini")),
        plain("INI line torn", profile("default", "torn.ini")),
        plain("OIDC token file missing", oidc("exporter", PROVIDER, "missing")),
        plain("OIDC token empty", oidc("exporter", PROVIDER, "token-empty")),
        plain("OIDC token expired", oidc("exporter", PROVIDER, "token-old")),
        plain(
            "OIDC token of another issuer",
            oidc("exporter", PROVIDER, "token-other"),
        ),
        plain(
            "OIDC provider wrong",
            oidc("exporter", &PROVIDER.replace("ack", "kca"), "token-next"),
        ),
        plain("role unknown", role("nobody", "")),
        plain("role does not trust", role("strict", "")),
        plain(
            "role wants another external id",
            role("external", ", external_id: wrong-one"),
        ),
        plain("role session too long", role("exporter", ", duration: 12h")),
        (
            "STS not reachable",
            account(
                "STS not reachable",
                url,
                &[REGION],
                &format!("{{{}, sts_endpoint: '{closed}'}}", role("exporter", "")),
            ),
        ),
        (
            "metadata service off",
            account(
                "metadata service off",
                url,
                &[REGION],
                &format!("{{type: ecs_ram_role, metadata_endpoint: '{closed}'}}"),
            ),
        ),
        plain("instance without role", "type: ecs_ram_role".to_owned()),
        plain(
            "instance with another role",
            "type: ecs_ram_role, role_name: nobody".to_owned(),
        ),
        plain(
            "credentials URI unknown",
            format!("type: credentials_uri, uri: '{url}/nothing?password=hunter2'"),
        ),
        plain(
            "credentials URI gives expired ones",
            format!("type: credentials_uri, uri: '{url}/credentials/expired'"),
        ),
        (
            "no permission in one region",
            account(
                "no permission in one region",
                url,
                &[REGION, "cn-beijing"],
                &at(key("denied-key", "hunter2-denied")),
            ),
        ),
        plain("no permission for schedules", key("half-key", "hunter2-half")),
        (
            "no permission to list regions",
            account(
                "no permission to list regions",
                url,
                &[],
                &at(key("nowhere-key", "hunter2-nowhere")),
            ),
        ),
        (
            "region unknown",
            account("region unknown", url, &["cn-nowhere"], &at(GOOD.to_owned())),
        ),
        (
            "region without Cloud Assistant",
            account(
                "region without Cloud Assistant",
                url,
                &["me-east-1"],
                &at(GOOD.to_owned()),
            ),
        ),
        (
            "endpoint not reachable",
            account_with(
                "endpoint not reachable",
                closed,
                &[REGION],
                &at(GOOD.to_owned()),
                "",
            ),
        ),
    ]
}

/// Environments of the default chain that are wrong.
fn environments(directory: &Path) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let file = |name: &str| directory.join(name).display().to_string();
    let oidc = |token: &str| {
        vec![
            ("ALIBABA_CLOUD_ROLE_ARN", arn("exporter")),
            ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", PROVIDER.to_owned()),
            ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file(token)),
        ]
    };
    vec![
        (
            "chain: half a key",
            vec![("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hunter2-good".to_owned())],
        ),
        ("chain: RRSA token missing", oidc("missing")),
        ("chain: RRSA token expired", oidc("token-old")),
        (
            "chain: CLI file cut off",
            vec![("ALIBABA_CLOUD_CONFIG_FILE", file("cut.json"))],
        ),
        (
            "chain: CLI file is a directory",
            vec![("ALIBABA_CLOUD_CONFIG_FILE", file("a-directory"))],
        ),
        (
            "chain: CLI mode unknown",
            vec![("ALIBABA_CLOUD_CONFIG_FILE", file("cli.json"))],
        ),
        (
            "chain: INI line torn",
            vec![("ALIBABA_CLOUD_CREDENTIALS_FILE", file("torn.ini"))],
        ),
        (
            "chain: version 1 turned off",
            vec![("ALIBABA_CLOUD_IMDSV1_DISABLED", "true".to_owned())],
        ),
        (
            "chain: credentials URI is no address",
            vec![
                ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true".to_owned()),
                ("ALIBABA_CLOUD_CREDENTIALS_URI", "hunter2".to_owned()),
            ],
        ),
        (
            "chain: nothing set up",
            vec![("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true".to_owned())],
        ),
    ]
}

/// The problems of each account in what the check says, without what differs from run to run.
fn problems(said: &str, directory: &Path, replaced: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut account = String::new();
    let mut found = Vec::new();
    for line in said.lines() {
        if let Some(rest) = line.strip_prefix("account ") {
            account = rest.rsplit_once(": ").unwrap().0.to_owned();
        } else if let Some((subject, problem)) = line.trim_start().split_once(": problem: ") {
            let mut text = format!("{subject}: {problem}").replace(&directory.display().to_string(), "~");
            for (from, to) in replaced {
                text = text.replace(from, to);
            }
            while let Some(at) = text.find("51EA0000-") {
                text.replace_range(at..at + 36, "R");
            }
            found.push((account.clone(), text));
        }
    }
    found
}

#[test]
fn each_broken_configuration_has_its_message() {
    let directory = tempdir().unwrap();
    write_files(directory.path());
    let simulator = Simulator::start(cloud());
    let url = simulator.url();
    let closed = closed();
    let cases = accounts(directory.path(), &url, &closed);
    let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    let mut all: Vec<String> = cases.into_iter().map(|(_, text)| text).collect();
    all.push(account(
        "good",
        &url,
        &[REGION],
        &format!("{{{GOOD}, sts_endpoint: '{url}'}}"),
    ));
    let whole = config(directory.path(), &all, "");

    let replaced = [
        (url.as_str(), "SIMULATOR"),
        (closed.trim_start_matches("http://"), "CLOSED"),
    ];
    let (content, said) = check(directory.path(), &whole, &[]);
    assert!(!content && said.contains("account good: ok\n"), "{said}");
    let mut found = problems(&said, directory.path(), &replaced);
    for name in &names {
        assert!(
            found.iter().any(|(account, _)| account == name),
            "{name} is content:\n{said}"
        );
    }
    let closed_metadata = format!("{{type: default, sts_endpoint: '{url}', metadata_endpoint: '{url}'}}");
    simulator.cloud().metadata.v2 = false;
    for (name, variables) in environments(directory.path()) {
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let chain = config(
            directory.path(),
            &[account(name, &url, &[REGION], &closed_metadata)]
                .map(|text| text.replace(name, &format!("'{name}'"))),
            "",
        );
        let (content, said) = check(directory.path(), &chain, &variables);
        assert!(!content, "{name}: {said}");
        found.extend(problems(&said, directory.path(), &replaced));
    }
    for (name, skew) in [
        ("clock 20 minutes slow", 20 * 60),
        ("clock 20 minutes fast", -20 * 60),
    ] {
        simulator.set_clock_skew(skew);
        let of = account(
            name,
            &url,
            &[REGION],
            &format!("{{{GOOD}, sts_endpoint: '{url}'}}"),
        );
        let (_, said) = check(directory.path(), &config(directory.path(), &[of], ""), &[]);
        found.extend(problems(&said, directory.path(), &replaced));
        // Where STS cannot be asked, the API itself tells.
        let of = account(
            name,
            &url,
            &[REGION],
            &format!("{{{GOOD}, sts_endpoint: '{closed}'}}"),
        );
        let (_, said) = check(directory.path(), &config(directory.path(), &[of], ""), &[]);
        found.extend(problems(&said, directory.path(), &replaced).into_iter().skip(1));
    }
    simulator.set_clock_skew(0);

    let mut table = "# Broken configurations, and what the exporter says of them\n\n\
        Each row is tested. `~` stands for a directory, SIMULATOR and CLOSED for addresses, R for a request id. Several rows of \
        one name are several problems of one account.\n\n| configuration | message |\n|---|---|\n"
        .to_owned();
    for (name, message) in &found {
        writeln!(table, "| {name} | {} |", message.replace('|', "\\|")).unwrap();
    }
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(TABLE, &table).unwrap();
    }
    let expected = fs::read_to_string(TABLE).unwrap();
    for (number, (found, expected)) in table.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {TABLE}", number + 1);
    }
    assert_eq!(table.lines().count(), expected.lines().count(), "{table}");

    // In the daemon each fails alone, with the same words, and the good one goes on.
    let exporter = Exporter::start_with(directory.path(), &whole, &["--log.level=trace"], &[]);
    simulator.cloud().mark_baseline();
    let first = exporter.scrape_until("a poll of every scope", |scrape| {
        let polls = scrape.by_scope("cloud_assistant_exporter_polls_total");
        polls.len() >= names.len() && polls.values().all(|polls| *polls >= 1.0)
    });
    for name in &names {
        let up: Vec<f64> = first
            .all("cloud_assistant_up")
            .filter(|(labels, _)| labels["account"] == *name)
            .map(|(_, up)| up)
            .collect();
        let permitted = ["no permission for schedules", "no permission to list regions"].contains(name);
        assert!(permitted || up.contains(&0.0), "{name}: {up:?}");
    }
    assert_eq!(first.value("cloud_assistant_up", &[("account", "good")]), 1.0);
    simulator
        .cloud()
        .region("good", REGION)
        .add_settled(60, Outcome::failed(1));
    let scrape = exporter.scrape_until("the counts of the good account", |scrape| {
        scrape.sum("cloud_assistant_results_total", &[("account", "good")]) == Some(60.0)
    });
    assert_eq!(
        scrape.value(
            "cloud_assistant_exporter_poll_failures_total",
            &[("account", "good")]
        ),
        0.0
    );
    let (log, page) = (exporter.log(), exporter.get("/").text());
    for (name, what) in [
        (
            "no permission in one region",
            "grant the RAM action ecs:DescribeInvocationResults in cn-beijing",
        ),
        (
            "no permission for schedules",
            "grant the RAM action ecs:DescribeInvocations in cn-hangzhou",
        ),
        (
            "no permission to list regions",
            "grant the RAM action ecs:DescribeRegions",
        ),
        (
            "role does not trust",
            "grant the RAM action sts:AssumeRole on acs:ram::1000000000000001:role/strict",
        ),
        (
            "key secret wrong",
            "the access key secret does not belong to the access key id",
        ),
        ("metadata service off", "no instance metadata service answers"),
    ] {
        let line = log
            .lines()
            .find(|line| line.contains(name) && line.contains(what));
        assert!(line.is_some(), "{name}: {what}\n{log}");
        let row = page
            .lines()
            .find(|line| line.contains(name) && line.contains(what));
        assert!(
            row.is_some() || name == "no permission for schedules",
            "{name}: {what}\n{page}"
        );
    }
    assert_eq!(
        exporter.get("/-/ready").status,
        200,
        "{}",
        exporter.get("/-/ready").text()
    );
    assert_no_secrets(&exporter, directory.path());
}
