//! What the binary does: the command line's choices, the signals, and the exit code.

use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, Options, check, load_config};
use crate::cli::Cli;
use crate::{healthcheck, telemetry, version};

/// Polls and scrapes keep few cores busy, and memory must not grow with those of the machine.
const MAX_WORKER_THREADS: usize = 4;

/// Rendering, one save at a time, and looking up hosts: more threads than a few would only cost memory.
const MAX_BLOCKING_THREADS: usize = 16;

/// Does what the command line says, to its end.
#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the answers of a command line"
)]
pub fn main(cli: Cli) -> ExitCode {
    if cli.version {
        println!("{}", version::text());
        return ExitCode::SUCCESS;
    }
    // A value that is not text is wrong where it is meant for us, and must not count as absent.
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect();
    // Fails only where a provider is installed already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if cli.config_check {
        let wrong = check::configuration(&cli, &environment);
        for message in &wrong {
            eprintln!("{message}");
        }
        return if wrong.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    if cli.config_check_credentials {
        return match check_credentials(&cli, &environment) {
            Ok(report) => {
                print!("{report}");
                match report.problems() {
                    0 => ExitCode::SUCCESS,
                    _ => ExitCode::FAILURE,
                }
            }
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let done = if cli.healthcheck {
        is_healthy(&cli)
    } else {
        serve(cli, environment)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cloud-assistant-exporter: {error:#}");
            ExitCode::FAILURE
        }
    }
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

fn check_credentials(cli: &Cli, environment: &[(String, String)]) -> anyhow::Result<check::Report> {
    let config = load_config(cli, environment)?;
    runtime()?.block_on(check::credentials(&config, environment))
}

fn is_healthy(cli: &Cli) -> anyhow::Result<()> {
    runtime()?.block_on(healthcheck::ask(cli))
}

fn serve(cli: Cli, environment: Vec<(String, String)>) -> anyhow::Result<()> {
    let config = load_config(&cli, &environment)?;
    let level = cli.log_level.unwrap_or(config.log.level);
    let format = cli.log_format.unwrap_or(config.log.format);
    let log_level = telemetry::start(level, format)?;
    tracing::info!(
        version = version::VERSION,
        revision = version::REVISION,
        rust_version = version::RUST_VERSION,
        "Starting cloud-assistant-exporter"
    );
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let signals = Signals::new()?;
        let app = App::build(
            Options {
                cli,
                environment,
                log_level: Some(log_level),
            },
            config,
        )
        .await?;
        signals.drive(app).await
    });
    // What a second signal or the end of the grace left behind must not be waited for.
    runtime.shutdown_background();
    served
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let of = |kind| signal(kind).context("signals cannot be received");
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hang_up: of(SignalKind::hangup())?,
        })
    }

    /// Runs the application: SIGHUP reloads, the first SIGTERM or SIGINT stops, the second ends at once.
    async fn drive(mut self, app: App) -> anyhow::Result<()> {
        let stop = app.stop_token();
        let reloader = app.reloader();
        let mut running = std::pin::pin!(app.run());
        loop {
            tokio::select! {
                ended = &mut running => return ended,
                _ = self.hang_up.recv() => {
                    // The reason is logged; the one in force stays.
                    let reloading = reloader.reload();
                    tokio::select! {
                        ended = &mut running => return ended,
                        _ = reloading => {}
                    }
                }
                _ = self.terminate.recv() => if stop.is_cancelled() { return Ok(()) } else { stop.cancel() },
                _ = self.interrupt.recv() => if stop.is_cancelled() { return Ok(()) } else { stop.cancel() },
            }
        }
    }
}
