//! The configuration: every file is taken or refused with a message, which is bounded and holds no secret.

#![no_main]

use std::fs;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::config::{self, Config, ConfigError};
use cloud_assistant_exporter::duration;
use cloud_assistant_exporter_fuzz::yaml::{self, Kind, SECRET};
use cloud_assistant_exporter_fuzz::{Input, part, parts, temporary_directory};
use libfuzzer_sys::fuzz_target;

/// A screenful or two: what is longer is read by nobody.
const LONGEST_MESSAGE: usize = 16 << 10;

fuzz_target!(|bytes: &[u8]| {
    match Input::read(bytes) {
        Some(Input::Text(text)) => match text.strip_prefix("duration ") {
            Some(text) => durations(text),
            None if text.starts_with("-- ") => {
                let parts = parts(text);
                let _ = load(
                    part(&parts, "config.yml").as_bytes(),
                    &variables(part(&parts, "environment")),
                );
            }
            None => {
                let _ = load(text.as_bytes(), &[]);
            }
        },
        Some(Input::Choices(mut choices)) => {
            let _ = made(&mut choices);
        }
        None => {
            let _ = load(bytes, &[]);
        }
    }
});

fn variables(text: &str) -> Vec<(String, String)> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn load(file: &[u8], environment: &[(String, String)]) -> std::result::Result<Config, ConfigError> {
    let directory = temporary_directory();
    let path = directory.path().join("config.yml");
    fs::write(&path, file).unwrap();
    let loaded = config::load(Some(&path), environment.iter().cloned());
    match &loaded {
        Ok(config) => {
            assert!(!config.accounts.is_empty());
            let again = config::load(Some(&path), environment.iter().cloned());
            assert_eq!(again.as_ref().ok(), Some(config));
        }
        Err(error) => {
            let message = error.to_string();
            assert!(
                !error.problems.is_empty()
                    && error.problems.iter().all(|problem| !problem.message.is_empty())
            );
            assert!(
                message.len() <= LONGEST_MESSAGE,
                "a message of {} bytes",
                message.len()
            );
        }
    }
    loaded
}

fn made(choices: &mut Unstructured<'_>) -> Result<()> {
    let mut text = yaml::document(choices, DOCUMENT)?;
    let is_damaged = choices.ratio(1_u8, 3)?;
    if is_damaged {
        yaml::damage(choices, &mut text)?;
    }
    let mut environment = Vec::new();
    for _ in 0..choices.int_in_range(0..=3)? {
        let name = choices.choose(&VARIABLES)?;
        let value = choices.choose(&[
            "30s",
            "",
            "0",
            "1,5,10",
            "[1]",
            "info",
            "1",
            "a",
            "99999999999999999999",
            "\n",
        ])?;
        environment.push((format!("CLOUD_ASSISTANT_EXPORTER__{name}"), (*value).to_owned()));
    }
    match load(text.as_bytes(), &environment) {
        Ok(config) => {
            if !is_damaged {
                assert!(!format!("{config:?}").contains(SECRET), "{text}\n{config:?}");
            }
        }
        Err(error) => {
            // Damage can turn a secret into the value of another key, which may be shown; what is not YAML may not.
            let of_file = error.problems.iter().all(|problem| problem.key.is_empty());
            if !is_damaged || of_file {
                assert!(!error.to_string().contains(SECRET), "{text}\n{error}");
            }
        }
    }
    Ok(())
}

const VARIABLES: [&str; 14] = [
    "POLL__INTERVAL",
    "POLL__WINDOW",
    "POLL",
    "POLL__TIMEOUT",
    "STATE__PATH",
    "LOG__LEVEL",
    "METRICS__DURATION_BUCKETS",
    "RATE_LIMIT__BURST",
    "ACCOUNTS",
    "ACCOUNTS__0__NAME",
    "POLL__INTERVAL__X",
    "",
    "_",
    "UNKNOWN",
];

const DURATIONS: Kind = Kind::Of(&[
    "30s", "1h30m", "0", "0s", "1d", "100y", "300y", "60", "-1s", "1h 2m", "1.5s", "1ms", "\"\"",
]);
const NUMBERS: Kind = Kind::Of(&[
    "1",
    "0",
    "2",
    "100",
    "10000",
    "10001",
    "4294967296",
    "0.5",
    "abc",
    "007",
    "1_000",
]);
const NAMES: Kind = Kind::Of(&[
    "production",
    "a",
    "\"\"",
    "\"a\\tb\"",
    "\"\\u2028\"",
    "default",
    "é",
    "'x y'",
    "prod|uct.*",
    "\"(\"",
]);
const REGIONS: Kind = Kind::List(&Kind::Of(&[
    "cn-hangzhou",
    "cn-beijing",
    "CN",
    "\"\"",
    "a/b",
    "no",
    "1",
]));
const ARNS: Kind = Kind::Of(&[
    "acs:ram::1:role/a",
    "acs:ram::1:oidc-provider/a",
    "my-role",
    "\"\"",
]);
const SECRETS: Kind = Kind::Secret(&[
    "hunter2",
    "\"hunter2\\n\"",
    "'hunter2'",
    "' hunter2 '",
    ">-\n        hunter2",
    "!x hunter2",
    "&s hunter2",
]);
const ADDRESSES: Kind = Kind::Of(&[
    "https://sts.aliyuncs.com",
    "http://[::1]:80",
    "ftp://x",
    "http://a/b",
    "x",
    "\"\"",
    "https://{region_id}.x",
]);

const CREDENTIALS: Kind = Kind::Keys(&[
    ("type", TYPES),
    ("type", TYPES),
    ("access_key_id", Kind::Of(&["LTAI", "\"\"", "a b"])),
    ("access_key_secret", SECRETS),
    ("security_token", SECRETS),
    ("access_key_secret_file", NAMES),
    ("role_name", NAMES),
    ("role_arn", ARNS),
    ("provider_arn", ARNS),
    ("token_file", NAMES),
    ("session_name", NAMES),
    ("external_id", NAMES),
    ("policy", Kind::Of(&["'{}'", "{}", "x", "\"{\\\"a\\\":1}\""])),
    ("duration", DURATIONS),
    ("source", SOURCE),
    (
        "uri",
        Kind::Secret(&[
            "http://u:hunter2@127.0.0.1/x",
            "hunter2",
            "https://a/?p=hunter2",
            "\"http://hunter2 x\"",
        ]),
    ),
    ("name", NAMES),
    ("file", NAMES),
    ("sts_endpoint", ADDRESSES),
    ("metadata_endpoint", ADDRESSES),
]);
const TYPES: Kind = Kind::Of(&[
    "default",
    "access_key",
    "ecs_ram_role",
    "oidc",
    "assume_role",
    "credentials_uri",
    "profile",
    "none",
]);
const SOURCE: Kind = Kind::Keys(&[
    ("type", TYPES),
    ("access_key_secret", SECRETS),
    ("access_key_id", NAMES),
    ("security_token", SECRETS),
]);

const DOCUMENT: Kind = Kind::Keys(&[
    (
        "accounts",
        Kind::List(&Kind::Keys(&[
            ("name", NAMES),
            ("credentials", CREDENTIALS),
            ("credentials", CREDENTIALS),
            ("regions", REGIONS),
            ("exclude_regions", REGIONS),
            ("network", Kind::Of(&["public", "vpc", "x"])),
            ("home_region", NAMES),
            ("endpoint", ADDRESSES),
            ("resource_group_id", NAMES),
            (
                "tags",
                Kind::Keys(&[("env", NAMES), ("team", NAMES), ("1", NAMES)]),
            ),
        ])),
    ),
    (
        "poll",
        Kind::Keys(&[
            ("interval", DURATIONS),
            ("window", DURATIONS),
            ("sweep_interval", DURATIONS),
            ("discovery_interval", DURATIONS),
            ("request_timeout", DURATIONS),
            ("timeout", DURATIONS),
        ]),
    ),
    (
        "rate_limit",
        Kind::Keys(&[("requests_per_second", NUMBERS), ("burst", NUMBERS)]),
    ),
    ("state", Kind::Keys(&[("path", NAMES)])),
    (
        "log",
        Kind::Keys(&[
            ("level", Kind::Of(&["info", "INFO", "x"])),
            ("format", Kind::Of(&["json", "logfmt", "x"])),
            ("results", Kind::Of(&["none", "failed", "all"])),
        ]),
    ),
    (
        "metrics",
        Kind::Keys(&[
            ("new_series_hold", DURATIONS),
            ("max_error_codes", NUMBERS),
            ("max_exit_codes", NUMBERS),
            ("duration_buckets", Kind::List(&NUMBERS)),
            (
                "commands",
                Kind::List(&Kind::Keys(&[
                    ("name", NAMES),
                    ("id", NAMES),
                    ("tag", Kind::Keys(&[("key", NAMES), ("value", NAMES)])),
                ])),
            ),
            ("max_commands", NUMBERS),
            ("command_durations", Kind::Of(&["true", "false", "yes"])),
            ("native_histograms", Kind::Of(&["true", "false", "yes"])),
        ]),
    ),
    ("x-anchors", NAMES),
]);

/// Durations are read as Prometheus reads them, and written so that they are read again.
fn durations(text: &str) {
    let found = duration::parse(text).ok();
    assert_eq!(found, naive(text), "{text:?}");
    if let Some(found) = found {
        assert_eq!(duration::parse(&duration::write(found)), Ok(found), "{text:?}");
    }
}

/// `model.ParseDuration`: `^(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?$`.
fn naive(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, 0_u128);
    const HOUR: u128 = 3_600_000;
    for (unit, milliseconds) in [
        ("y", 365 * 24 * HOUR),
        ("w", 168 * HOUR),
        ("d", 24 * HOUR),
        ("h", HOUR),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ] {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let Some(next) = after.strip_prefix(unit).filter(|_| digits > 0) else {
            continue;
        };
        // `m` before `ms` is not minutes.
        if unit == "m" && next.starts_with('s') {
            continue;
        }
        let number = number.trim_start_matches('0');
        let number: u128 = if number.is_empty() {
            0
        } else {
            number.parse().ok().filter(|_| number.len() < 30)?
        };
        total += number * milliseconds;
        rest = next;
    }
    let is_whole = rest.is_empty() && !text.is_empty();
    (is_whole && total * 1_000_000 <= i64::MAX as u128).then(|| Duration::from_millis(total as u64))
}
