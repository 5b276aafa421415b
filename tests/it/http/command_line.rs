//! Flags, the environment, and what `--config.check` says.

use super::*;

const BAD: &str = "accounts:
  - name: a
    regions: [cn-hangzhou]
    credentials: {type: access_key, access_key_id: k, access_key_secret: very-secret, acces_key: x}
  - name: a
  - name: b
    credentials: {type: wrong}
poll:
  interval: 5 parsecs
  windw: 1h
rate_limit: fast
metrics: {max_exit_codes: many}
";

/// Line, key, and a word of what was expected.
const WRONG: [(u32, &str, &str); 7] = [
    (4, "accounts[0].credentials.acces_key", "access_key_secret_file"),
    (5, "accounts[1].name", "accounts[0]"),
    (7, "accounts[2].credentials.type", "ecs_ram_role"),
    (9, "poll.interval", "1h30m"),
    (10, "poll.windw", "window"),
    (11, "rate_limit", "keys and values"),
    (12, "metrics.max_exit_codes", "whole number"),
];

fn assert_tells_what_is_wrong(said: &str, path: &Path) {
    for (line, key, expected) in WRONG {
        let start = format!("{}:{line}: {key}:", path.display());
        let message = said.lines().find(|message| message.contains(&start));
        let message = message.unwrap_or_else(|| panic!("{start} is not in\n{said}"));
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(said.trim().lines().count(), WRONG.len(), "{said}");
    assert!(!said.contains("very-secret"), "{said}");
}

#[test]
fn the_check_of_the_configuration_says_all_that_is_wrong() {
    let directory = tempdir().unwrap();
    let path = config_path(directory.path());
    let file = format!("--config.file={}", path.display());
    fs::write(&path, BAD).unwrap();
    let (code, stdout, said) = run(&["--config.check", &file], &[]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_tells_what_is_wrong(&said, &path);
    // A start is refused with the same words, before any port opens.
    let (status, log) = Exporter::try_start(directory.path(), BAD, &[], &[])
        .err()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    assert_tells_what_is_wrong(&log, &path);
    assert!(!log.contains("Listening on"));

    let simulator = cloud(&[REGION]);
    fs::write(&path, config(&simulator, directory.path(), &[REGION], "")).unwrap();
    let valid = |scopes: &str| {
        let said = format!("The configuration is valid: 1 account, {scopes}.\n");
        (Some(0), said, String::new())
    };
    assert_eq!(run(&["--config.check", &file], &[]), valid("1 scope"));
    assert_eq!(
        run(&["--config.check"], &[]),
        valid("the regions of 1 to be discovered")
    );
    // What ends the process follows the format of the log.
    fs::write(&path, BAD).unwrap();
    let (code, _, said) = run(&[&file, "--log.format=json"], &[]);
    let line: serde_json::Value = serde_json::from_str(said.trim_end()).expect(&said);
    assert_eq!((code, &line["level"]), (Some(1), &"ERROR".into()));
    assert_tells_what_is_wrong(line["message"].as_str().unwrap(), &path);
    fs::write(&path, config(&simulator, directory.path(), &[REGION], "")).unwrap();
    let web = directory.path().join("web.yml");
    fs::write(&web, "basic_auth_users: {a: no-hash}\nnope: 1\n").unwrap();
    let web = format!("--web.config.file={}", web.display());
    let (code, _, said) = run(&["--config.check", &file, &web], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("web.yml") && said.contains("nope"), "{said}");
    let (code, _, said) = run(&["--config.check", "--config.file=/no/such/file"], &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("/no/such/file") && said.contains("--config.file"),
        "{said}"
    );
    let wrong = [("CLOUD_ASSISTANT_EXPORTER__POLL__WINDOW", "long")];
    let (code, _, said) = run(&["--config.check", &file], &wrong);
    assert_eq!(code, Some(1));
    assert!(
        said.contains(wrong[0].0) && said.contains("poll.window"),
        "{said}"
    );
    assert_eq!(simulator.requests().len(), 0, "a check asks nobody");
}

#[test]
fn the_check_refuses_the_addresses_that_the_start_refuses() {
    // Somebody listens there, as the exporter that runs does while its next configuration is checked.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, expected) in [
        ("9100", Some("expected host:port")),
        ("localhost:70000", Some("is not a port")),
        ("::1:80", Some("must be in brackets")),
        (
            "192.0.2.1:80",
            Some("no interface of this machine has that address"),
        ),
        ("unix:/no/such/directory/socket", Some("cannot listen on unix:")),
        ("unix:", Some("unix: needs a path")),
        (taken.as_str(), None),
        (":0", None),
        ("", None),
    ] {
        let flag = format!("--web.listen-address={address}");
        let (code, stdout, said) = run(&["--config.check", &flag], &[]);
        assert_eq!(
            stdout.starts_with("The configuration is valid: "),
            expected.is_none()
        );
        match expected {
            None => assert_eq!((code, said.as_str()), (Some(0), ""), "{address}"),
            Some(expected) => {
                assert_eq!(code, Some(1), "{address}");
                assert!(said.contains(expected), "{said}");
                let (code, _, refused) = run(&[&flag], &[("CLOUD_ASSISTANT_EXPORTER__STATE__PATH", "")]);
                assert_eq!(code, Some(1), "{address}");
                assert!(refused.contains(said.trim()), "{refused}\n{said}");
            }
        }
    }
}

#[test]
fn both_checks_together_do_both() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let path = config_path(directory.path());
    fs::write(&path, config(&simulator, directory.path(), &[REGION], "")).unwrap();
    let file = format!("--config.file={}", path.display());
    let flags = ["--config.check", "--config.check-credentials", &file];
    let (code, stdout, said) = run(&flags, &[]);
    assert_eq!(said, "");
    assert!(stdout.contains(&format!("account {ACCOUNT}: ")), "{stdout}");
    assert_eq!(
        code,
        Some(i32::from(!stdout.contains(&format!("account {ACCOUNT}: ok")))),
        "{stdout}"
    );
    let (code, stdout, said) = run(&[&flags[..], &["--web.listen-address=9100"]].concat(), &[]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("9100") && stdout.contains(ACCOUNT),
        "{said}{stdout}"
    );
    let (code, stdout, said) = run(
        &[
            "--config.check",
            "--config.check-credentials",
            "--config.file=/no/file",
        ],
        &[],
    );
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(said.matches("/no/file").count(), 1, "said once: {said}");
}

#[test]
fn metrics_at_the_root_take_the_place_of_the_page() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let config = config(&simulator, directory.path(), &[REGION], "");
    let flags = [
        "--web.telemetry-path=/",
        "--log.level=DEBUG",
        "--web.config.file=",
    ];
    let exporter = Exporter::start_with(directory.path(), &config, &flags, &[]);
    let answer = exporter.get("/");
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(answer.text().contains("cloud_assistant_exporter_build_info"));
    assert_eq!(exporter.get("/metrics").status, 404);
    assert_eq!(exporter.get("/api/v1/status").status, 200);
}

/// Whoever closes the pipe has read enough: no panic, and the exit code says what it would have said.
#[test]
fn closed_pipes_are_no_failure() {
    for (arguments, expected) in [
        (&["--version"][..], 0),
        (&["--help"], 0),
        (&["--config.check"], 0),
        (&["--config.check", "--web.listen-address=9100"], 1),
        (&["--config.check-credentials", "--config.file=/no/file"], 1),
        (&["--web.listen-address=9100"], 1),
        (&["--unknown"], 2),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = command()
            .args(arguments)
            .current_dir(tempdir().unwrap().path())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(expected), "{arguments:?}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(1, Outcome::success());
    let more = "log: {level: error}\nmetrics: {duration_buckets: [1, 2]}\n\
                poll: {interval: 1h, sweep_interval: 0, window: 1s}\n";
    let exporter = Exporter::start_with(
        directory.path(),
        &config(&simulator, directory.path(), &[REGION], more),
        &[],
        &[
            ("CLOUD_ASSISTANT_EXPORTER__POLL__INTERVAL", "100ms"),
            ("CLOUD_ASSISTANT_EXPORTER__POLL__WINDOW", "2d"),
            ("CLOUD_ASSISTANT_EXPORTER__LOG__LEVEL", "warn"),
            (
                "CLOUD_ASSISTANT_EXPORTER_POLL_INTERVAL",
                "one underscore is not ours",
            ),
        ],
    );
    let scrape = exporter.polled();
    assert_eq!(
        scrape.value(RECENT, &class("Success", "", "0")),
        1.0,
        "the window is that of the environment"
    );
    simulator
        .cloud()
        .region(ACCOUNT, REGION)
        .add_settled(1, Outcome::success().lasting(2));
    let scrape = exporter.polled();
    let bucket = "cloud_assistant_result_duration_seconds_bucket";
    let status = ("invocation_status", "Success");
    assert_eq!(
        scrape.sum(bucket, &[status, ("le", "2.0")]),
        Some(1.0),
        "the file's buckets stay"
    );
    assert_eq!(scrape.sum(bucket, &[status, ("le", "5.0")]), None);
    assert!(
        exporter.log().contains("level=debug"),
        "the flag, which every test gives, wins"
    );
}

#[test]
fn a_record_in_memory_is_warned_about() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let more = "state: {path: ''}\n";
    let exporter = Exporter::start(
        directory.path(),
        &config(&simulator, directory.path(), &[REGION], more),
    );
    exporter.looked();
    let line = exporter.logged("state.path");
    assert!(line.contains("level=warn"), "{line}");
    assert!(!directory.path().join("state").exists());
}

#[test]
fn the_command_line_explains_itself() {
    let (code, stdout, stderr) = run(&["--version"], &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let name = format!(
        "cloud-assistant-exporter, version {} (",
        env!("CARGO_PKG_VERSION")
    );
    assert!(
        stdout.starts_with(&name) && stdout.contains("revision: "),
        "{stdout}"
    );
    let (code, stdout, _) = run(&["--help"], &[]);
    assert_eq!(code, Some(0));
    for flag in [
        "--config.file",
        "--config.check",
        "--healthcheck",
        "--web.listen-address",
        "--web.telemetry-path",
        "--web.config.file",
        "--web.systemd-socket",
        "--web.max-requests",
        "--log.level",
        "--log.format",
        "--version",
        "--help",
    ] {
        assert!(stdout.contains(flag), "{flag}");
    }
    let (code, stdout, stderr) = run(&["--no-such-flag"], &[]);
    assert!(
        code != Some(0) && stdout.is_empty() && stderr.contains("--no-such-flag"),
        "{stderr}"
    );
}

#[test]
fn logs_are_json_where_asked_for() {
    let directory = tempdir().unwrap();
    let simulator = cloud(&[REGION]);
    let path = config_path(directory.path());
    fs::write(&path, config(&simulator, directory.path(), &[REGION], "")).unwrap();
    let mut child = command()
        .arg(format!("--config.file={}", path.display()))
        .args(["--web.listen-address=127.0.0.1:0", "--log.format=json"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut messages = Vec::new();
    for line in lines.map_while(Result::ok) {
        let line: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        messages.push(line["message"].as_str().unwrap().to_owned());
        if messages.last().unwrap().contains("first look done") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        messages.iter().any(|message| message == "Listening on"),
        "{messages:?}"
    );
}
