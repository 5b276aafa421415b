//! What the binary does: the command line's choices, the signals, and the exit code.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::backfill::{self, Report};
use crate::app::{App, Options, check, copy, load_config};
use crate::cli::{self, Cli};
use crate::config::{Config, Format};
use crate::telemetry::{self, Log};
use crate::{healthcheck, signals, version};

/// Polls and scrapes keep few cores busy, and memory must not grow with those of the machine.
const MAX_WORKER_THREADS: usize = 4;

/// Rendering, one save at a time, and looking up hosts: more threads than a few would only cost memory.
const MAX_BLOCKING_THREADS: usize = 16;

/// How long the last lines of the log are waited for.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// Does what the command line says, to its end.
pub fn main(cli: Cli) -> ExitCode {
    if cli.version {
        print(&version::text());
        return ExitCode::SUCCESS;
    }
    // A value that is not text is wrong where it is meant for us, and must not count as absent.
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect();
    // Fails only where a provider is installed already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if cli.config_check || cli.config_check_credentials {
        return check(&cli, &environment);
    }
    let format = cli.log_format;
    let done = if cli.healthcheck {
        is_healthy(&cli)
    } else if cli.backfill.directory.is_some() {
        write_past(&cli, &environment)
    } else if let Some(directory) = &cli.state_copy_to_postgres {
        copy_state(&cli, directory, &environment)
    } else {
        serve(cli, environment)
    };
    done.unwrap_or_else(|error| {
        complain(&said(format, &error));
        ExitCode::FAILURE
    })
}

/// Says a line on standard output. Whoever closed it does not want to read it.
fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Says a line on standard error, where nobody may listen either.
fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn runtime() -> anyhow::Result<Runtime> {
    let cores = available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .enable_all()
        .worker_threads(cores.min(MAX_WORKER_THREADS))
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .build()
        .context("the runtime cannot be started")
}

/// Checks the configuration, the credentials, or both.
fn check(cli: &Cli, environment: &[(String, String)]) -> ExitCode {
    let mut is_right = true;
    if cli.config_check {
        for message in check::configuration(cli, environment) {
            complain(&message);
            is_right = false;
        }
        if is_right && let Ok(config) = load_config(cli, environment) {
            print(&check::summary(&config));
        }
    }
    if cli.config_check_credentials {
        let checked = match load_config(cli, environment) {
            // Has just been said.
            Err(_) if cli.config_check => None,
            Err(error) => Some(Err(error.into())),
            Ok(config) => {
                Some(runtime().and_then(|runtime| runtime.block_on(check::credentials(&config, environment))))
            }
        };
        match checked {
            None => is_right = false,
            Some(Ok(report)) => {
                print(report.to_string().trim_end());
                is_right &= report.problems() == 0;
            }
            Some(Err(error)) => {
                complain(&format!("{error:#}"));
                is_right = false;
            }
        }
    }
    match is_right {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn is_healthy(cli: &Cli) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(healthcheck::ask(cli))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the past, unless it is asked to stop before the end. What it has done is said on standard output.
fn write_past(cli: &Cli, environment: &[(String, String)]) -> anyhow::Result<ExitCode> {
    let config = load_config(cli, environment)?;
    let level = cli.log_level.unwrap_or(config.log.level);
    let format = cli.log_format.unwrap_or(config.log.format);
    let log = telemetry::start(level, format)?;
    let written = past(&cli.backfill, config, environment);
    let code = ended(&log, format, written.as_ref().err());
    if let Ok(report) = written {
        print(report.to_string().trim_end());
    }
    Ok(code)
}

fn past(flags: &cli::Backfill, config: Config, environment: &[(String, String)]) -> anyhow::Result<Report> {
    let asked_to_stop = signals::watch()?;
    let runtime = runtime()?;
    let written = runtime.block_on(backfill::run(flags, config, environment, &asked_to_stop));
    runtime.shutdown_background();
    written
}

/// Copies a record to the database. What it has done is said on standard output.
fn copy_state(cli: &Cli, from: &Path, environment: &[(String, String)]) -> anyhow::Result<ExitCode> {
    let config = load_config(cli, environment)?;
    let level = cli.log_level.unwrap_or(config.log.level);
    let format = cli.log_format.unwrap_or(config.log.format);
    let log = telemetry::start(level, format)?;
    let runtime = runtime()?;
    let copied = runtime.block_on(copy::run(from, &config));
    runtime.shutdown_background();
    let code = ended(&log, format, copied.as_ref().err());
    if let Ok(copied) = copied {
        print(&copied.to_string());
    }
    Ok(code)
}

/// The end, after the start of the log: what went wrong is said by it, and not waited for.
fn ended(log: &Log, format: Format, error: Option<&anyhow::Error>) -> ExitCode {
    if let Some(error) = error {
        log.say(&said(Some(format), error));
    }
    log.flush(FLUSH_WITHIN);
    match error {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    }
}

/// Serves until it is asked to stop.
fn serve(cli: Cli, environment: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let config = load_config(&cli, &environment)?;
    let level = cli.log_level.unwrap_or(config.log.level);
    let format = cli.log_format.unwrap_or(config.log.format);
    let log = telemetry::start(level, format)?;
    tracing::info!(
        version = version::VERSION,
        revision = version::REVISION,
        rust_version = version::RUST_VERSION,
        "Starting cloud-assistant-exporter"
    );
    let options = Options {
        cli,
        environment,
        log: Some(log.clone()),
    };
    let served = run(options, config);
    Ok(ended(&log, format, served.as_ref().err()))
}

fn run(options: Options, config: Config) -> anyhow::Result<()> {
    let asked_to_stop = signals::watch()?;
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let hang_up = signal(SignalKind::hangup()).context("signals cannot be received")?;
        let app = tokio::select! {
            () = asked_to_stop.cancelled() => return Ok(()),
            app = App::build(options, config) => app?,
        };
        drive(app, &asked_to_stop, hang_up).await
    });
    // What the end of the grace left behind must not be waited for.
    runtime.shutdown_background();
    served
}

/// Runs the application: SIGHUP reloads, SIGTERM and SIGINT stop.
async fn drive(app: App, asked_to_stop: &CancellationToken, mut hang_up: Signal) -> anyhow::Result<()> {
    let stop = app.stop_token();
    let reloader = app.reloader();
    let stopping = async {
        asked_to_stop.cancelled().await;
        stop.cancel();
        std::future::pending::<()>().await;
    };
    let reloading = async {
        while hang_up.recv().await.is_some() {
            // The reason is logged; the one in force stays.
            let _ = reloader.reload().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = app.run() => ended,
        () = stopping => Ok(()),
        () = reloading => Ok(()),
    }
}

/// What ends the process, for whoever reads the log: a person, or a program that takes one JSON object a line.
fn said(format: Option<Format>, error: &anyhow::Error) -> String {
    match format {
        Some(Format::Json) => telemetry::fatal_as_json(&failure(error)),
        Some(Format::Logfmt) | None => failure(error),
    }
}

fn failure(error: &anyhow::Error) -> String {
    format!("cloud-assistant-exporter: {error:#}")
}
