//! The command line, with the flags of the official exporters.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser};

use crate::config::{Format, Level};
use crate::duration;

/// Exports the results of Alibaba Cloud ECS Cloud Assistant commands to Prometheus.
///
/// Every setting that is not a flag is a key of the configuration file, and can be set by an environment variable:
/// poll.interval by CLOUD_ASSISTANT_EXPORTER__POLL__INTERVAL.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(
    name = "cloud-assistant-exporter",
    disable_version_flag = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Path of the configuration file; without it every setting has its default
    #[arg(long = "config.file", value_name = "PATH")]
    pub config_file: Option<PathBuf>,

    /// Check the configuration and the web configuration, say what is wrong, and exit with 0 or 1
    #[arg(long = "config.check")]
    pub config_check: bool,

    /// Try the credentials of every account and what its polls need of permissions, say what is missing, and exit with 0 or
    /// 1. Queues of events are not tried: whoever receives takes a message
    #[arg(long = "config.check-credentials")]
    pub config_check_credentials: bool,

    /// Ask the exporter that runs with the same web flags whether it works, and exit with 0 or 1
    #[arg(long = "healthcheck")]
    pub healthcheck: bool,

    /// What is written of the past, if anything.
    #[command(flatten)]
    pub backfill: Backfill,

    /// Copy the record in this directory, a state.path of before, to the database of state.postgres, and exit. Neither
    /// may be in use, and the database must have no record yet
    #[arg(
        id = "copy_to_postgres",
        long = "state.copy-to-postgres",
        value_name = "DIRECTORY"
    )]
    pub state_copy_to_postgres: Option<PathBuf>,

    /// Address to listen on; may be given several times. Port 0 takes any free port
    #[arg(
        long = "web.listen-address",
        value_name = "[HOST]:PORT",
        default_value = ":10069"
    )]
    pub web_listen_address: Vec<String>,

    /// Path under which the metrics are found; with / there is no status page
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        default_value = "/metrics",
        value_parser = telemetry_path
    )]
    pub web_telemetry_path: String,

    /// Path of the web configuration file, which turns on TLS or authentication
    #[arg(long = "web.config.file", value_name = "PATH")]
    pub web_config_file: Option<PathBuf>,

    /// Use the listening sockets that systemd passes, instead of addresses
    #[arg(long = "web.systemd-socket")]
    pub web_systemd_socket: bool,

    /// How many scrapes are answered at once; further ones get 503. 0 sets no limit
    #[arg(long = "web.max-requests", value_name = "NUMBER", default_value_t = 40)]
    pub web_max_requests: usize,

    /// Least severe messages to log; overrides log.level of the configuration, which is info unless set
    #[arg(long = "log.level", value_name = "LEVEL", ignore_case = true)]
    pub log_level: Option<Level>,

    /// Format of log lines: logfmt (ts=… level=… message=…) or json; overrides log.format of the configuration, which is logfmt unless set
    #[arg(long = "log.format", value_name = "FORMAT", ignore_case = true)]
    pub log_format: Option<Format>,

    /// Print the version and exit
    #[arg(short = 'V', long = "version")]
    pub version: bool,
}

/// The flags of `--backfill`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Backfill {
    /// Write what had settled by the first look into this directory, as OpenMetrics files that Prometheus and others
    /// can be filled with, and exit
    #[arg(id = "backfill", long = "backfill", value_name = "DIRECTORY")]
    pub directory: Option<PathBuf>,

    /// A label that Prometheus gives the exporter's series; job and instance are needed. May be given several times
    #[arg(long = "backfill.label", value_name = "NAME=VALUE", requires = "backfill")]
    pub labels: Vec<String>,

    /// Time between samples: the scrape interval
    #[arg(
        long = "backfill.step",
        value_name = "DURATION",
        requires = "backfill",
        default_value = "60s",
        value_parser = step
    )]
    pub step: Duration,

    /// Write only samples so near to a change of their series: less text where hundreds of scopes are mostly idle
    #[arg(
        long = "backfill.near-changes",
        value_name = "DURATION",
        requires = "backfill",
        value_parser = duration::parse
    )]
    pub near_changes: Option<Duration>,

    /// Answer of a running exporter at /api/v1/status, to end where its first looks began; without it the state must be
    /// free, and a first look that is still to come is taken now
    #[arg(long = "backfill.status", value_name = "PATH", requires = "backfill")]
    pub status: Option<PathBuf>,
}

impl Cli {
    /// Reads a command line, the name of the program at its front. An empty value is the flag's absence, as in the
    /// official exporters: units and charts write `--web.config.file=$FILE`, whatever stands in it.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let command = Self::command();
        let takes_value = |flag: &str| {
            let flag = command.get_arguments().find(|known| {
                known
                    .get_long()
                    .is_some_and(|long| Some(long) == flag.strip_prefix("--"))
            });
            flag.is_some_and(|flag| flag.get_action().takes_values())
        };
        let mut kept = Vec::new();
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy();
            if text.strip_suffix('=').is_some_and(takes_value) {
                continue;
            }
            if takes_value(&text) && arguments.next_if(|value| value.is_empty()).is_some() {
                continue;
            }
            kept.push(argument);
        }
        Self::try_parse_from(kept)
    }
}

/// Samples further apart than this are gone before the next one comes: Prometheus looks back for five minutes.
const LONGEST_STEP: Duration = Duration::from_secs(240);

fn step(text: &str) -> Result<Duration, String> {
    let step = duration::parse(text).map_err(|error| error.to_string())?;
    let is_whole = step.subsec_nanos() == 0;
    match is_whole && !step.is_zero() && step <= LONGEST_STEP {
        true => Ok(step),
        false => Err(String::from("expected whole seconds, from 1s to 4m")),
    }
}

/// The path of the metrics must not hide what others rely on: health checks, the API, and what alerts link to.
fn telemetry_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(String::from("the path must begin with /"));
    }
    if ["/-/", "/api/", "/runbooks/"]
        .iter()
        .any(|taken| text.starts_with(taken))
        || text == "/failures"
    {
        return Err(String::from(
            "/-/…, /api/…, /runbooks/… and /failures are taken by the health checks, the API and the pages that alerts link to",
        ));
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%'))
    {
        return Err(String::from(
            "the path must be of plain characters, without ?, # and %",
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, String> {
        let name = ["cloud-assistant-exporter"];
        let arguments = name.iter().chain(arguments).map(OsString::from);
        Cli::read(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn has_the_defaults_of_readme() {
        assert_eq!(
            parse(&[]),
            Ok(Cli {
                config_file: None,
                config_check: false,
                config_check_credentials: false,
                healthcheck: false,
                backfill: Backfill {
                    directory: None,
                    labels: Vec::new(),
                    step: Duration::from_secs(60),
                    near_changes: None,
                    status: None,
                },
                state_copy_to_postgres: None,
                web_listen_address: vec![String::from(":10069")],
                web_telemetry_path: String::from("/metrics"),
                web_config_file: None,
                web_systemd_socket: false,
                web_max_requests: 40,
                log_level: None,
                log_format: None,
                version: false,
            })
        );
    }

    #[test]
    fn takes_values_after_a_space_or_an_equals_sign() {
        let arguments = [
            "--config.file=a.yaml",
            "--config.check",
            "--config.check-credentials",
            "--healthcheck",
            "--backfill=past",
            "--backfill.label=job=a=b",
            "--backfill.label",
            "env=",
            "--backfill.step=15s",
            "--backfill.near-changes",
            "1h",
            "--backfill.status=status.json",
            "--state.copy-to-postgres=data/state",
            "--web.listen-address=:1",
            "--web.listen-address",
            "[::1]:0",
            "--web.telemetry-path",
            "/probe/metrics",
            "--web.config.file",
            "web.yaml",
            "--web.systemd-socket",
            "--web.max-requests=0",
            "--log.level=debug",
            "--log.format",
            "json",
            "--version",
        ];
        assert_eq!(
            parse(&arguments),
            Ok(Cli {
                config_file: Some(PathBuf::from("a.yaml")),
                config_check: true,
                config_check_credentials: true,
                healthcheck: true,
                backfill: Backfill {
                    directory: Some(PathBuf::from("past")),
                    labels: vec![String::from("job=a=b"), String::from("env=")],
                    step: Duration::from_secs(15),
                    near_changes: Some(Duration::from_secs(3600)),
                    status: Some(PathBuf::from("status.json")),
                },
                state_copy_to_postgres: Some(PathBuf::from("data/state")),
                web_listen_address: vec![String::from(":1"), String::from("[::1]:0")],
                web_telemetry_path: String::from("/probe/metrics"),
                web_config_file: Some(PathBuf::from("web.yaml")),
                web_systemd_socket: true,
                web_max_requests: 0,
                log_level: Some(Level::Debug),
                log_format: Some(Format::Json),
                version: true,
            })
        );
    }

    #[test]
    fn an_empty_value_is_the_absence_of_the_flag() {
        let empty = [
            "--config.file=",
            "--web.listen-address=",
            "--web.telemetry-path",
            "",
            "--web.config.file",
            "",
            "--web.max-requests=",
            "--log.level=",
            "--log.format",
            "",
        ];
        assert_eq!(parse(&empty), parse(&[]));
        let cli = parse(&["--web.listen-address=", "--web.listen-address=:1"]).unwrap();
        assert_eq!(cli.web_listen_address, [":1"]);
    }

    #[test]
    fn levels_and_formats_have_any_case_and_metrics_may_be_at_the_root() {
        let cli = parse(&["--log.level=INFO", "--log.format=Json", "--web.telemetry-path=/"]).unwrap();
        assert_eq!(cli.log_level, Some(Level::Info));
        assert_eq!(cli.log_format, Some(Format::Json));
        assert!(parse(&["-V"]).unwrap().version);
        assert_eq!(cli.web_telemetry_path, "/");
    }

    #[test]
    fn says_what_is_wrong() {
        for (arguments, expected) in [
            (&["--log.level=loud"][..], "trace, debug, info, warn, error"),
            (&["--log.format=xml"], "logfmt, json"),
            (&["--web.max-requests=-1"], "--web.max-requests"),
            (&["--web.telemetry-path=metrics"], "must begin with /"),
            (&["--web.telemetry-path=/-/ready"], "are taken by"),
            (&["--web.telemetry-path=/api/v1/status"], "are taken by"),
            (&["--web.telemetry-path=/failures"], "are taken by"),
            (
                &["--web.telemetry-path=/runbooks/CloudAssistantNoLeader.md"],
                "are taken by",
            ),
            (&["--web.telemetry-path=/a?b"], "without ?"),
            (&["--backfill.label=job=a"], "--backfill"),
            (&["--backfill=a", "--backfill.step=5m"], "from 1s to 4m"),
            (&["--backfill=a", "--backfill.step=1500ms"], "whole seconds"),
            (&["--backfill=a", "--backfill.step=60"], "no unit"),
            (&["--config"], "--config"),
            (&["surplus"], "surplus"),
            (&["--unknown="], "--unknown"),
            (&["--healthcheck="], "--healthcheck"),
            (&[""], "unexpected argument"),
        ] {
            let error = parse(arguments).expect_err("the arguments are wrong");
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn explains_every_flag() {
        let help = parse(&["--help"]).expect_err("help is not a command line to run");
        for flag in [
            "--config.file",
            "--config.check",
            "--web.listen-address",
            ":10069",
            "-V, --version",
            "-h, --help",
            "message=",
        ] {
            assert!(help.contains(flag), "{flag} is not in {help}");
        }
        assert!(!help.contains("msg="), "no line has that: {help}");
    }
}
