//! The configuration as its users meet it. A case of a good or bad file is a file in `tests/data/config`:
//! `NAME.good.yaml` loads, `NAME.bad.yaml` fails with exactly the lines of `NAME.bad.txt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn files(ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(path("tests/data/config"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {ending}");
    files
}

/// Loads a text as if it were in `exporter.yaml`.
fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("exporter.yaml");
    fs::write(&file, text).unwrap();
    load(Some(&file), variables(environment)).map_err(message)
}

/// Loads variables alone.
fn load_variables(environment: &[(&str, &str)]) -> Result<Config, String> {
    load(None, variables(environment)).map_err(message)
}

fn variables(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The error with the name of the file instead of its path.
fn message(mut error: ConfigError) -> String {
    error.file = error.file.map(|file| PathBuf::from(file.file_name().unwrap()));
    error.to_string()
}

/// Every wrong value in the files below that could be a secret; none may be shown.
const MARK: &str = "hunter2";

#[test]
fn bad_files_are_refused_with_the_right_words() {
    for file in files(".bad.yaml") {
        let error = match load(Some(&file), []) {
            Ok(config) => panic!("{} loads: {config:?}", file.display()),
            Err(error) => message(error),
        };
        assert!(!error.contains(MARK), "{error}");
        let expected = fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        assert_eq!(error, expected.trim_end(), "{}", file.display());
    }
}

#[test]
fn good_files_load() {
    for file in files(".good.yaml") {
        if let Err(error) = load(Some(&file), []) {
            panic!("{error}");
        }
    }
}

#[test]
fn without_a_file_everything_is_as_readme_says() {
    let config = load(None, []).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(load_text("\u{feff}log: {}\n", &[]).as_ref(), Ok(&config));
    assert_eq!(config.accounts.len(), 1);
    assert_eq!(config.accounts[0].name, "default");
    assert_eq!(config.accounts[0].credentials.origin, Origin::Chain);
    assert_eq!(config.poll.interval, Duration::from_secs(60));
    assert_eq!(config.state, State::Directory(PathBuf::from("data/state")));
}

#[test]
fn the_minimal_example_loads() {
    let config = load(Some(&path("config/minimal.yaml")), []).unwrap();
    assert_eq!(config.accounts[0].regions, ["cn-hangzhou"]);
    assert_eq!(config.poll, Poll::default());
}

#[test]
fn the_example_of_a_standby_loads() {
    let config = load(Some(&path("config/standby.yaml")), []).unwrap();
    let State::Postgres(postgres) = config.state else {
        panic!("{:?}", config.state);
    };
    assert_eq!(postgres.name, "cloud_assistant_exporter");
    assert_eq!(postgres.lease, Duration::from_secs(15));
    assert!(matches!(postgres.url, Given::File(_)) && postgres.ca_file.is_none());
}

#[test]
fn a_database_can_be_named_by_variables_and_its_url_is_a_secret() {
    let variables = [
        (
            "CLOUD_ASSISTANT_EXPORTER__STATE__POSTGRES__URL",
            "postgres://a:hunter2@db/b?sslmode=verify-full",
        ),
        ("CLOUD_ASSISTANT_EXPORTER__STATE__POSTGRES__LEASE", "1m"),
    ];
    let config = load_text("log: {}\n", &variables).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    let State::Postgres(postgres) = config.state else {
        panic!("{:?}", config.state);
    };
    assert_eq!(postgres.lease, Duration::from_secs(60));
    let Given::Value(url) = &postgres.url else {
        panic!("{postgres:?}");
    };
    let database = database(url).unwrap();
    // What others call so is what is done whenever there is TLS.
    assert_eq!(database.get_ssl_mode(), tokio_postgres::config::SslMode::Require);
}

/// As the image and the chart do it.
#[test]
fn an_empty_directory_takes_back_the_one_that_stands_beside_a_database() {
    const URL: &str = "CLOUD_ASSISTANT_EXPORTER__STATE__POSTGRES__URL";
    const PATH: &str = "CLOUD_ASSISTANT_EXPORTER__STATE__PATH";
    let database = (URL, "postgres://a:b@db/c");
    let config = load_text("log: {}\n", &[database, (PATH, "")]).unwrap();
    assert!(matches!(config.state, State::Postgres(_)), "{:?}", config.state);
    let both = load_text("log: {}\n", &[database, (PATH, "data")]).unwrap_err();
    assert!(both.to_string().contains("keep one of the two"), "{both}");
}

#[test]
fn the_full_example_loads_and_shows_the_defaults() {
    let config = load(Some(&path("config/exporter.yaml")), []).unwrap();
    let defaults = Config {
        accounts: config.accounts.clone(),
        metrics: Metrics {
            commands: config.metrics.commands.clone(),
            ..Metrics::default()
        },
        ..Config::default()
    };
    assert_eq!(config, defaults);
    assert!(!config.metrics.commands.is_empty());
    let chain = &config.accounts[0];
    let expected = Account {
        name: String::from("production"),
        exclude_regions: vec![String::from("me-east-1")],
        ..Account::default()
    };
    assert_eq!(*chain, expected);
}

/// The keys are those that reading asks for, which the message about an unknown key lists.
#[test]
fn the_full_example_has_every_key() {
    let example = fs::read_to_string(path("config/exporter.yaml")).unwrap();
    let mut unknown =
        String::from("unknown: 1\npoll: {unknown: 1}\nrate_limit: {unknown: 1}\nstate: {unknown: 1}\n");
    unknown.push_str("log: {unknown: 1}\nmetrics: {unknown: 1}\naccounts:\n- {unknown: 1, name: a}\n");
    for (kind, _) in credentials::TYPES {
        let required = match kind {
            "access_key" => "access_key_id: a, access_key_secret: b,",
            "oidc" => "role_arn: acs:ram::1:role/a, provider_arn: acs:ram::1:oidc-provider/a, token_file: a,",
            "assume_role" => "role_arn: acs:ram::1:role/a,",
            "credentials_uri" => "uri: http://a,",
            _ => "",
        };
        unknown.push_str(&format!(
            "- {{name: {kind}, credentials: {{type: {kind}, {required} unknown: 1}}}}\n"
        ));
    }
    let error = load_text(&unknown, &[]).unwrap_err();
    assert_eq!(error.lines().count(), 14, "{error}");
    let mut keys = 0;
    for line in error.lines() {
        let (_, known) = line.split_once("unknown key; expected one of: ").expect(line);
        for key in known.split(", ") {
            assert!(
                example.contains(&format!("{key}:")),
                "{key} is not in exporter.yaml"
            );
            keys += 1;
        }
    }
    assert!(keys > 60, "only {keys} keys");
}

#[test]
fn wrong_selectors_of_commands_are_reported_by_key_and_line() {
    let text = "metrics:\n  commands:\n  - name: 'a('\n  - {}\n  - id: ''\n  - tag: {key: team}\n  - nam: x\n  \
                max_commands: 0\n  command_durations: maybe\n";
    let error = load_text(text, &[]).unwrap_err();
    for expected in [
        "commands[0].name",
        "commands[1]",
        "at least one of name, id, tag",
        "commands[2].id",
        "commands[3].tag.value",
        "commands[4].nam",
        "max_commands",
        "true or false",
    ] {
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert!(error.contains(":3:") || error.contains("line 3"), "{error}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = load_text(
        "poll: {interval: 1m, window: 1h}\naccounts:\n- name: a\n  regions: [cn-beijing]\n",
        &[
            ("CLOUD_ASSISTANT_EXPORTER__POLL__INTERVAL", "30s"),
            ("CLOUD_ASSISTANT_EXPORTER__RATE_LIMIT__BURST", "7"),
            ("CLOUD_ASSISTANT_EXPORTER__RATE_LIMIT__REQUESTS_PER_SECOND", "0.5"),
            ("CLOUD_ASSISTANT_EXPORTER__STATE__PATH", ""),
            ("CLOUD_ASSISTANT_EXPORTER__LOG__FORMAT", "json"),
            ("CLOUD_ASSISTANT_EXPORTER__METRICS__DURATION_BUCKETS", "1,2.5, 10"),
            (
                "CLOUD_ASSISTANT_EXPORTER__ACCOUNTS__0__REGIONS",
                "cn-hangzhou,cn-shanghai",
            ),
            ("CLOUD_ASSISTANT_EXPORTER__ACCOUNTS__1__NAME", "0123456789012345"),
            (
                "CLOUD_ASSISTANT_EXPORTER__ACCOUNTS__1__CREDENTIALS__TYPE",
                "access_key",
            ),
            (
                "CLOUD_ASSISTANT_EXPORTER__ACCOUNTS__1__CREDENTIALS__ACCESS_KEY_ID",
                "id",
            ),
            (
                "CLOUD_ASSISTANT_EXPORTER__ACCOUNTS__1__CREDENTIALS__ACCESS_KEY_SECRET",
                "hunter2",
            ),
            // What Kubernetes sets for a service named cloud-assistant-exporter.
            ("CLOUD_ASSISTANT_EXPORTER_PORT", "tcp://10.0.0.1:10069"),
            ("CLOUD_ASSISTANT_EXPORTER_SERVICE_HOST", "10.0.0.1"),
        ],
    )
    .unwrap();
    assert_eq!(config.poll.interval, Duration::from_secs(30));
    assert_eq!(config.poll.window, Duration::from_secs(3600));
    assert_eq!(
        config.rate_limit,
        RateLimit {
            requests_per_second: 0.5,
            burst: 7
        }
    );
    assert_eq!(config.state, State::Memory);
    assert_eq!(config.log.format, Format::Json);
    assert_eq!(config.metrics.duration_buckets, [1.0, 2.5, 10.0]);
    assert_eq!(config.accounts[0].regions, ["cn-hangzhou", "cn-shanghai"]);
    assert_eq!(config.accounts[1].name, "0123456789012345");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    for (name, value, expected) in [
        (
            "POLL__INTERVAL",
            "soon",
            "poll.interval: \"soon\" is not a duration; write one such as 30s, 5m, 1h30m or 1d",
        ),
        (
            "POLL__INTERVALL",
            "1s",
            "poll.intervall: unknown key; expected one of: interval, window, ",
        ),
        (
            "POLLS",
            "1s",
            "polls: unknown key; expected one of: accounts, poll, ",
        ),
        (
            "POLL",
            "1s",
            "poll: expected keys and values, found a single value",
        ),
        (
            "POLL__INTERVAL__SECONDS",
            "1s",
            "poll.interval: expected a single value, found keys and values",
        ),
        ("", "1s", "unknown key; expected one of: "),
        (
            "RATE_LIMIT__BURST",
            "2.7",
            "rate_limit.burst: expected a whole number from 1 to 10000, found \"2.7\"",
        ),
        (
            "RATE_LIMIT__BURST",
            "yes",
            "rate_limit.burst: expected a whole number from 1 to 10000, found \"yes\"",
        ),
        (
            "METRICS__DURATION_BUCKETS",
            "1,x",
            "metrics.duration_buckets: expected a number of seconds above 0, found \"x\"",
        ),
        (
            "METRICS__DURATION_BUCKETS",
            "",
            "metrics.duration_buckets: expected from 1 to 50 numbers of seconds, found 0",
        ),
        (
            "ACCOUNTS__7__NAME",
            "a",
            "accounts.7.name: \"7\" is not a number from 0 to 0 of this list",
        ),
        (
            "ACCOUNTS__0__TAGS__ENV",
            "a",
            "accounts.0.tags.env: tags can only be set in the file",
        ),
    ] {
        let name = format!("CLOUD_ASSISTANT_EXPORTER__{name}");
        // The one list that is there is empty, so that an index beyond its end can be tried.
        let error = if name.contains("__7__") {
            load_text("accounts: []", &[(name.as_str(), value)]).unwrap_err()
        } else {
            load_variables(&[(name.as_str(), value)]).unwrap_err()
        };
        let line = error.lines().find(|line| line.starts_with(&name)).expect(&error);
        let found = line.strip_prefix(&format!("{name}: ")).expect(line);
        assert!(found.trim_start_matches(": ").starts_with(expected), "{found}");
    }
}

#[test]
fn texts_stay_as_they_are_written() {
    let config = load_text(
        "accounts:\n- name: 0123\n  tags: {Env: no, stage: 1.50, Team: 'null', size: 0x10, empty: , aT: ~}\n",
        &[],
    )
    .unwrap();
    assert_eq!(config.accounts[0].name, "0123");
    let tags: BTreeMap<&str, &str> = config.accounts[0]
        .tags
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("Env", "no"),
        ("stage", "1.50"),
        ("Team", "null"),
        ("size", "0x10"),
        ("empty", ""),
        ("aT", ""),
    ];
    assert_eq!(tags, BTreeMap::from(expected));
}

#[test]
fn anchors_are_followed() {
    let config = load_text(
        "accounts:\n- &first {name: a, regions: [cn-hangzhou], tags: {n: 007}}\n- {<<: *first, name: b}\n",
        &[],
    )
    .unwrap();
    assert_eq!(config.accounts[1].name, "b");
    assert_eq!(config.accounts[1].regions, ["cn-hangzhou"]);
    assert_eq!(config.accounts[1].tags["n"], "007");
}

/// Every account by the same anchors: 4 aliases each.
#[test]
fn anchors_are_as_many_as_one_likes() {
    let mut text = String::from(
        "x-regions: &regions [cn-hangzhou, cn-shanghai]\nx-tags: &tags {env: production}\n\
         x-credentials: &credentials {type: ecs_ram_role}\nx-all: &all {network: vpc}\naccounts:\n",
    );
    for number in 0..2_000 {
        text.push_str(&format!(
            "- {{<<: *all, name: a{number}, regions: *regions, tags: *tags, credentials: *credentials}}\n"
        ));
    }
    let config = load_text(&text, &[]).unwrap();
    assert_eq!(config.accounts.len(), 2_000);
    assert_eq!(config.accounts[1_999].regions, ["cn-hangzhou", "cn-shanghai"]);
    assert_eq!(config.accounts[1_999].tags["env"], "production");

    // A list of ten aliases, each of a list of ten aliases, and so on: a thousand million values.
    let mut bomb = String::from("x-0: &x0 [a]\n");
    for level in 1..10 {
        let aliases = vec![format!("*x{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("x-{level}: &x{level} [{aliases}]\n"));
    }
    let error = load_text(&bomb, &[]).unwrap_err();
    let expected = "there is more than a configuration may have: 500000 keys and values, those behind an alias \
                    counted wherever it stands";
    assert_eq!(error.split_once(": ").unwrap().1, expected);
    assert!(error.starts_with("exporter.yaml:"), "{error}");

    let regions = "cn-hangzhou, ".repeat(300_000);
    let error = load_text(
        &format!("accounts:\n- name: a\n  tags:\n    a: [{regions}]\n"),
        &[],
    )
    .unwrap_err();
    assert_eq!(
        error,
        "exporter.yaml:4: accounts[0].tags.a: expected a single value, found a list"
    );
}

#[test]
fn of_many_mistakes_the_first_are_shown() {
    let many: String = (0..100_000).map(|number| format!("wrong{number}: 1\n")).collect();
    let error = load_text(&many, &[]).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 11);
    assert!(lines[9].starts_with("exporter.yaml:10: wrong9: unknown key; expected one of: accounts, "));
    assert_eq!(
        lines[10],
        "exporter.yaml:11: 99990 more unknown keys from here on"
    );

    let many = "accounts:\n".to_owned() + &"- {nam: a}\n".repeat(1000);
    let error = load_text(&many, &[]).unwrap_err();
    assert_eq!(error.lines().count(), 51);
    assert!(error.ends_with("\nand 1949 more problems"), "{error}");

    let long = format!("? {}\n: 1\n", "k".repeat(100_000));
    let error = load_text(&long, &[]).unwrap_err();
    assert!(error.len() < 400, "{}", error.len());
}

/// Foreign values are shown only as far as it takes to recognise them.
#[test]
fn a_message_is_short_whatever_is_wrong() {
    let long = "é".repeat(20_000);
    for text in [
        format!("{long}: 1"),
        format!("poll: {{interval: {long}}}"),
        format!("poll: {{{long}: 1}}"),
        format!("{long}: 1\n{long}: 2"),
        format!("rate_limit: {{requests_per_second: {long}, burst: {long}}}"),
        format!("log: {{level: {long}}}"),
        format!("metrics: {{duration_buckets: [{long}], commands: [{{name: 'a({long}'}}]}}"),
        format!(
            "accounts: [{{network: {long}, home_region: {long}, regions: [{long}], tags: {{{long}: []}}}}]"
        ),
        format!("accounts: [{{credentials: {{type: {long}}}}}]"),
        format!(
            "accounts: [{{credentials: {{type: oidc, role_arn: {long}, provider_arn: {long}, token_file: a, \
             session_name: {long}}}}}]"
        ),
    ] {
        let error = load_text(&text, &[]).unwrap_err();
        assert!(error.len() < 2000, "{} bytes: {}", error.len(), &error[..500]);
    }
    let variable = format!("CLOUD_ASSISTANT_EXPORTER__ACCOUNTS__{}", "A".repeat(20_000));
    let error = load_text("accounts: [{name: a}]", &[(&variable, "x")]).unwrap_err();
    assert!(error.len() < 2000, "{} bytes", error.len());
}

#[test]
fn what_is_a_variable_of_ram_stays_one() {
    let policy = r#"{"Statement":[{"Resource":"acs:oss:*:*:${ram:username}"}]}"#;
    let text = format!(
        "accounts: [{{credentials: {{type: assume_role, role_arn: 'acs:ram::1:role/a', policy: '{policy}'}}, tags: {{a: 'x${{y}}'}}}}]"
    );
    let file = load_text(&text, &[]).unwrap();
    let Origin::AssumeRole { policy: found, .. } = &file.accounts[0].credentials.origin else {
        panic!("{file:?}");
    };
    assert_eq!(found.as_deref(), Some(policy));
    assert_eq!(file.accounts[0].tags["a"], "x${y}");
}

#[test]
fn endpoints_are_inherited_by_the_source() {
    let config = load_text(
        "accounts:\n- credentials:\n    type: assume_role\n    role_arn: acs:ram::1:role/a\n    \
         sts_endpoint: http://sts:1/\n    metadata_endpoint: http://meta\n    \
         source: {type: ecs_ram_role, metadata_endpoint: 'http://other'}\n",
        &[],
    )
    .unwrap();
    let credentials = &config.accounts[0].credentials;
    assert_eq!(credentials.endpoints.sts.as_deref(), Some("http://sts:1"));
    let Origin::AssumeRole { source, duration, .. } = &credentials.origin else {
        panic!("{credentials:?}")
    };
    assert_eq!(*duration, Duration::from_secs(3600));
    assert_eq!(source.endpoints.sts.as_deref(), Some("http://sts:1"));
    assert_eq!(source.endpoints.metadata.as_deref(), Some("http://other"));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let error = load(Some(Path::new("missing.yaml")), []).unwrap_err().to_string();
    assert!(error.starts_with("missing.yaml: cannot be read: "), "{error}");
    assert!(error.ends_with("; check --config.file"), "{error}");

    let config = load_text(
        "accounts:\n- credentials: {type: assume_role, role_arn: 'acs:ram::1:role/a', source: {type: access_key, \
         access_key_id_file: missing-id, access_key_secret: hunter2}}\n",
        &[],
    )
    .unwrap();
    let error = config.check_files().unwrap_err().to_string();
    let expected = "accounts[0].credentials.source.access_key_id_file: missing-id cannot be read: ";
    assert!(error.starts_with(expected), "{error}");
    assert_eq!(Config::default().check_files(), Ok(()));
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("exporter.yaml");
    fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    let error = message(load(Some(&file), []).unwrap_err());
    assert_eq!(error, "exporter.yaml: is not UTF-8 text; save it as UTF-8");
}
