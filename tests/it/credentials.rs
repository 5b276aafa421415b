//! Every source of credentials, through the real binary.

mod renewal;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use simulator::{AccessKey, Clock, Cloud, Fault, FaultKind, Outcome, Role, Simulator, unix_now};
use tempfile::tempdir;

use crate::exporter::{Exporter, eventually, pause};
use crate::fleet::{account, assert_hidden, assert_no_secrets, check, config, total};
use crate::scrape::Scrape;

const REGION: &str = "cn-hangzhou";
const PROVIDER: &str = "acs:ram::1000000000000001:oidc-provider/ack-rrsa";
const EXPIRY: &str = "cloud_assistant_exporter_credentials_expiry_timestamp_seconds";
const REFRESH_FAILURES: &str = "cloud_assistant_exporter_credentials_refresh_failures_total";
const POLL_FAILURES: &str = "cloud_assistant_exporter_poll_failures_total";
const RESULTS: &str = "cloud_assistant_results_total";

/// So long every temporary key lives: a renewal comes after two thirds of it.
const LIFETIME: i64 = 15;

fn arn(name: &str) -> String {
    format!("acs:ram::1000000000000001:role/{name}")
}

/// A cloud with an account of each name, which has one region and a role of its own, and `base`, whose key may
/// assume them all.
fn cloud(names: &[&str]) -> Cloud {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    cloud.add_account("base", AccessKey::new("base-key", "hunter2-base"));
    for name in names {
        cloud.add_account(
            name,
            AccessKey::new(&format!("{name}-key"), &format!("hunter2-{name}")),
        );
        cloud.region(name, REGION).add_settled(3, Outcome::success());
        let token = format!("hunter2.oidc.{name}");
        cloud.add_role(Role::new(&arn(name), name).with_oidc(PROVIDER, &token));
    }
    cloud
}

/// The files of a test: the CLI's, the INI file, and an OIDC token for each name.
fn write_files(directory: &Path, url: &str, names: &[&str]) {
    for name in names {
        fs::write(
            directory.join(format!("{name}.token")),
            format!("hunter2.oidc.{name}\n"),
        )
        .unwrap();
    }
    let token = directory.join("cli-oidc.token");
    let cli = serde_json::json!({"current": "cli-role", "profiles": [
        {"name": "cli-key", "mode": "AK", "access_key_id": "cli-key-key", "access_key_secret": "hunter2-cli-key"},
        {"name": "base", "mode": "AK", "access_key_id": "base-key", "access_key_secret": "hunter2-base"},
        {"name": "cli-role", "mode": "RamRoleArn", "access_key_id": "base-key", "access_key_secret": "hunter2-base",
         "ram_role_arn": arn("cli-role"), "ram_session_name": "it"},
        {"name": "cli-chain", "mode": "ChainableRamRoleArn", "source_profile": "base", "ram_role_arn": arn("cli-chain")},
        {"name": "cli-instance", "mode": "EcsRamRole", "ram_role_name": "node"},
        {"name": "cli-oidc", "mode": "OIDC", "ram_role_arn": arn("cli-oidc"), "oidc_provider_arn": PROVIDER,
         "oidc_token_file": token},
        {"name": "cli-token", "mode": "StsToken", "access_key_id": "STS.fixed", "access_key_secret": "hunter2-fixed",
         "sts_token": "hunter2-token"},
    ]});
    fs::write(directory.join("config.json"), cli.to_string()).unwrap();
    let token = directory.join("ini-oidc.token");
    let ini = format!(
        "[default]\nenable = true\ntype = access_key\naccess_key_id = ini-key-key\naccess_key_secret = hunter2-ini-key\n\
         [ini-role]\ntype = ram_role_arn\naccess_key_id = base-key\naccess_key_secret = hunter2-base\nrole_arn = {}\n\
         role_session_name = it\n[ini-oidc]\ntype = oidc_role_arn\nrole_arn = {}\noidc_provider_arn = {PROVIDER}\n\
         oidc_token_file_path = {}\nrole_session_name = it\n[ini-instance]\ntype = ecs_ram_role\nrole_name = node\n",
        arn("ini-role"),
        arn("ini-oidc"),
        token.display()
    );
    fs::write(directory.join("credentials"), ini).unwrap();
    fs::write(directory.join("uri"), format!("{url}/credentials/uri")).unwrap();
}

const BASE: &str = "type: access_key, access_key_id: base-key, access_key_secret: hunter2-base";

/// Every source of temporary credentials by the account whose results it sees.
fn temporary(directory: &Path, url: &str) -> Vec<(&'static str, String)> {
    let file = |name: &str| directory.join(name).display().to_string();
    let profile = |name: &str, in_file: &str| format!("type: profile, name: {name}, file: {}", file(in_file));
    vec![
        (
            "role",
            format!(
                "type: assume_role, role_arn: '{}', session_name: it, external_id: ext-1, duration: 15m, \
                 policy: '{{\"Version\":\"1\"}}', source: {{{BASE}}}",
                arn("role")
            ),
        ),
        (
            "chain",
            format!(
                "type: assume_role, role_arn: '{}', source: {{type: assume_role, role_arn: '{}', source: {{{BASE}}}}}",
                arn("chain"),
                arn("role").replace("role/role", "role/middle")
            ),
        ),
        (
            "oidc",
            format!(
                "type: oidc, role_arn: '{}', provider_arn: '{PROVIDER}', token_file: {}",
                arn("oidc"),
                file("oidc.token")
            ),
        ),
        (
            "uri",
            format!("type: credentials_uri, uri: {url}/credentials/uri"),
        ),
        ("instance", "type: ecs_ram_role".to_owned()),
        ("cli-role", profile("cli-role", "config.json")),
        ("cli-chain", profile("cli-chain", "config.json")),
        ("cli-oidc", profile("cli-oidc", "config.json")),
        ("ini-role", profile("ini-role", "credentials")),
        ("ini-oidc", profile("ini-oidc", "credentials")),
    ]
}

const NAMES: [&str; 14] = [
    "role",
    "middle",
    "chain",
    "oidc",
    "uri",
    "instance",
    "cli-role",
    "cli-chain",
    "cli-oidc",
    "ini-role",
    "ini-oidc",
    "cli-key",
    "ini-key",
    "key",
];

fn whole_cloud() -> Cloud {
    let mut cloud = cloud(&NAMES);
    cloud.role_mut(&arn("role")).external_id = Some("ext-1".to_owned());
    cloud.metadata.role = Some(("node".to_owned(), "instance".to_owned()));
    cloud.serve_credentials("/credentials/uri", "uri");
    cloud.add_key(
        "key",
        AccessKey::with_token("STS.fixed", "hunter2-fixed", "hunter2-token"),
        None,
    );
    cloud
}

fn with_endpoints(credentials: &str, url: &str) -> String {
    format!("{{{credentials}, sts_endpoint: '{url}', metadata_endpoint: '{url}'}}")
}

fn by_account(scrape: &Scrape, name: &str, accounts: &[&str]) -> Vec<f64> {
    let of = |account: &&str| scrape.sum(name, &[("account", account)]).unwrap_or(0.0);
    accounts.iter().map(of).collect()
}

fn all_above(now: &[f64], before: &[f64]) -> bool {
    now.iter().zip(before).all(|(now, before)| now > before)
}

/// First credentials, a renewal before their end, renewals that fail and then succeed, and keys revoked in the middle
/// of a scan: no poll is lost, and every result is counted once.
#[test]
fn no_source_loses_a_poll_or_a_count() {
    let directory = tempdir().unwrap();
    let mut cloud = whole_cloud();
    cloud.temporary_key_lifetime = Some(LIFETIME);
    let simulator = Simulator::start(cloud);
    let url = simulator.url();
    write_files(directory.path(), &url, &NAMES);
    let sources = temporary(directory.path(), &url);
    let mut accounts: Vec<String> = sources
        .iter()
        .map(|(name, credentials)| account(name, &url, &[REGION], &with_endpoints(credentials, &url)))
        .collect();
    accounts.push(account(
        "key",
        &url,
        &[REGION],
        "{type: access_key, access_key_id: STS.fixed, access_key_secret: hunter2-fixed, security_token: hunter2-token}",
    ));
    let names: Vec<&str> = sources.iter().map(|(name, _)| *name).collect();
    let exporter = Exporter::start_with(
        directory.path(),
        &config(directory.path(), &accounts, ""),
        &["--log.level=trace"],
        &[],
    );
    let first = exporter.looked();
    assert_eq!(total(&first, RESULTS), 0.0);
    simulator.cloud().mark_baseline();
    let add = |count: usize| {
        let mut cloud = simulator.cloud();
        for name in names.iter().chain([&"key"]) {
            cloud.region(name, REGION).add_settled(count, Outcome::failed(7));
        }
    };
    add(1);

    let begun = by_account(&first, EXPIRY, &names);
    assert!(begun.iter().all(|expiry| *expiry > 0.0), "{begun:?}");
    let renewed = exporter.scrape_until("a renewal of each", |scrape| {
        all_above(&by_account(scrape, EXPIRY, &names), &begun)
    });
    assert_eq!(total(&renewed, REFRESH_FAILURES), 0.0);
    add(1);

    for action in [
        "AssumeRole",
        "AssumeRoleWithOIDC",
        "CredentialsUri",
        "MetadataCredentials",
    ] {
        let fault = Fault::forever(FaultKind::documented("ServiceUnavailable"));
        simulator.faults().add(fault.on(action));
    }
    let nothing = vec![0.0; names.len()];
    let failing = exporter.scrape_until("a failed renewal of each", |scrape| {
        all_above(&by_account(scrape, REFRESH_FAILURES, &names), &nothing)
    });
    simulator.faults().clear();
    let old = by_account(&failing, EXPIRY, &names);
    exporter.scrape_until("a renewal of each after its failure", |scrape| {
        all_above(&by_account(scrape, EXPIRY, &names), &old)
    });
    add(1);

    // Eleven pages each. The keys of the instance are not revoked, for its service does not know and gives them again.
    simulator.set_latency(Duration::from_millis(50));
    let fault = Fault::once(FaultKind::documented("InvalidSecurityToken.Expired")).of("instance");
    simulator
        .faults()
        .add(fault.on("DescribeInvocationResults").after(2));
    simulator.forget_requests();
    add(500);
    let mut left: Vec<&str> = names.iter().copied().filter(|name| *name != "instance").collect();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !left.is_empty() {
        let requests = simulator.requests();
        let in_the_middle = |name: &&str| {
            let mut of = requests
                .iter()
                .filter(|request| request.account.as_deref() == Some(*name));
            of.any(|request| request.page_token)
        };
        let revoked: Vec<&str> = left.iter().copied().filter(|name| in_the_middle(name)).collect();
        for name in &revoked {
            simulator.cloud().revoke_issued_keys(name);
        }
        left.retain(|name| !revoked.contains(name));
        assert!(Instant::now() < deadline, "no second page of {left:?}");
        pause();
    }
    simulator.set_latency(Duration::ZERO);
    let last = exporter.scrape_until("all counts", |scrape| {
        let counts = by_account(scrape, RESULTS, &names);
        counts.iter().all(|count| *count >= 503.0)
    });
    for name in names.iter().chain([&"key"]) {
        let truth = simulator.cloud().truth_since_baseline(name, REGION);
        assert_eq!(truth.total(), 503);
        assert_eq!(last.counts(RESULTS, name, REGION), truth.results, "{name}");
    }
    assert_eq!(simulator.faults().left(), 0);
    let refused = simulator
        .requests()
        .iter()
        .filter(|request| request.code.as_deref() == Some("InvalidSecurityToken.Expired"))
        .count();
    assert!(refused >= names.len(), "{refused} of {}", names.len());
    assert_eq!(total(&last, POLL_FAILURES), 0.0, "{}", exporter.log());
    assert!(last.all("cloud_assistant_up").all(|(_, up)| up == 1.0));
    // The token of OIDC never stands in an address, and a session says what was configured.
    for request in simulator.requests() {
        if request.action == "AssumeRole" && request.parameters["RoleArn"] == arn("role") {
            assert_eq!(request.parameters["RoleSessionName"], "it");
            assert_eq!(request.parameters["ExternalId"], "ext-1");
            assert_eq!(request.parameters["DurationSeconds"], "900");
        }
    }
    assert_no_secrets(&exporter, directory.path());
    let (status, log) = exporter.terminate();
    assert!(status.success(), "{log}");
    assert_hidden("the log to its end", &log);
}

/// The default chain takes the first that is set up, in the official order, in the check and in the daemon.
#[test]
fn the_default_chain_in_its_order() {
    let home = tempdir().unwrap();
    let mut cloud = whole_cloud();
    cloud.metadata.v1 = false;
    let simulator = Simulator::start(cloud);
    let url = simulator.url();
    write_files(home.path(), &url, &NAMES);
    fs::create_dir(home.path().join(".aliyun")).unwrap();
    fs::create_dir(home.path().join(".alibabacloud")).unwrap();
    let (cli, go, ini) = (
        home.path().join(".aliyun/config.json"),
        home.path().join(".alibabacloud/credentials"),
        home.path().join(".alibabacloud/credentials.ini"),
    );
    fs::copy(home.path().join("config.json"), &cli).unwrap();
    fs::copy(home.path().join("credentials"), &go).unwrap();
    fs::copy(home.path().join("credentials"), &ini).unwrap();
    let token = home.path().join("oidc.token").display().to_string();
    let uri = format!("{url}/credentials/uri");
    let role = arn("oidc");
    let accounts = [account(
        "default",
        &url,
        &[REGION],
        &with_endpoints("type: default", &url),
    )];
    let config = config(home.path(), &accounts, "");
    let shown = home.path().display().to_string();
    let source = |variables: &[(&str, &str)]| {
        let (content, said) = check(home.path(), &config, variables);
        assert!(content, "{said}");
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix("  credentials: "))
            .unwrap();
        line.replace(&shown, "~")
    };
    let mut variables = vec![
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "STS.fixed"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hunter2-fixed"),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", "hunter2-token"),
        ("ALIBABA_CLOUD_ROLE_ARN", role.as_str()),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", PROVIDER),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", token.as_str()),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", uri.as_str()),
    ];
    assert_eq!(source(&variables), "environment variables");
    variables.drain(..3);
    assert_eq!(source(&variables), format!("{} by OIDC", arn("oidc")));
    variables.remove(1);
    assert_eq!(
        source(&variables),
        format!(
            "profile \"cli-role\" of ~/.aliyun/config.json: {} assumed by access key of the configuration",
            arn("cli-role")
        )
    );
    for (profile, expected) in [
        (
            "cli-key",
            "profile \"cli-key\" of ~/.aliyun/config.json: access key of the configuration",
        ),
        (
            "cli-instance",
            "profile \"cli-instance\" of ~/.aliyun/config.json: RAM role node of the instance",
        ),
        (
            "cli-token",
            "profile \"cli-token\" of ~/.aliyun/config.json: access key of the configuration",
        ),
        // Not in the CLI's file.
        (
            "ini-instance",
            "profile \"ini-instance\" of ~/.alibabacloud/credentials: RAM role node of the instance",
        ),
        // In neither.
        ("nobody", "RAM role node of the instance"),
    ] {
        variables.push(("ALIBABA_CLOUD_PROFILE", profile));
        assert_eq!(source(&variables), expected);
        variables.pop();
    }
    let missing = home.path().join("missing").display().to_string();
    variables.push(("ALIBABA_CLOUD_CONFIG_FILE", &missing));
    let of_ini = "profile \"default\" of ~/.alibabacloud/credentials: access key of the configuration";
    assert_eq!(source(&variables), of_ini);
    variables.pop();
    variables.push(("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true"));
    assert_eq!(source(&variables), of_ini);
    fs::remove_file(&go).unwrap();
    assert_eq!(
        source(&variables),
        of_ini.replace("credentials:", "credentials.ini:")
    );
    variables.push(("ALIBABA_CLOUD_CREDENTIALS_FILE", &missing));
    assert_eq!(source(&variables), "RAM role node of the instance");
    variables.push(("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"));
    assert_eq!(source(&variables), "credentials URI");
    variables.pop();
    simulator.cloud().metadata.v1 = true;
    simulator.cloud().metadata.v2 = false;
    assert_eq!(
        source(&variables),
        "RAM role node of the instance",
        "by version 1"
    );
    variables.push(("ALIBABA_CLOUD_IMDSV1_DISABLED", "true"));
    assert_eq!(source(&variables), "credentials URI");
    // The same by the daemon.
    variables.push(("HOME", &shown));
    let exporter = Exporter::start_with(home.path(), &config, &[], &variables);
    exporter.looked();
    let asked = simulator.requests();
    let last = asked
        .iter()
        .rev()
        .find(|request| request.action == "DescribeInvocationResults")
        .unwrap();
    assert_eq!(last.account.as_deref(), Some("uri"));
    assert_no_secrets(&exporter, home.path());
}
