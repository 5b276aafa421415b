//! The composition root: build what can fail, then run.

mod account;
pub mod backfill;
pub mod check;
pub mod copy;
mod events;
mod fleet;
mod lead;
mod plan;
mod reload;
mod ways;

#[cfg(test)]
mod fleet_tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use prometheus::{IntGaugeVec, Opts, Registry};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::aliyun::credentials::{Environment, Services, metadata_client};
use crate::aliyun::http::Http;
use crate::aliyun::in_flight::Places;
use crate::aliyun::pause::Pauses;
use crate::cli::Cli;
use crate::config::{self, Config, ConfigError, Proxies, State};
use crate::expose::{Exposition, Process};
use crate::pages::{self, Site};
use crate::record::pairs_from_version_1;
use crate::requests::Requests;
use crate::state::{FromVersion1, Replica, Store};
use crate::telemetry::{self, Log};
use crate::version;
use crate::view::Board;
use crate::web::{self, Server, notify};
use account::Shared;
use events::Events;
use fleet::Fleet;
use lead::Replicated;
use reload::Reloader;

/// After a stop: pollers and connections that have not ended by then are left behind, which loses no count.
const GRACE: Duration = Duration::from_secs(8);

/// What is needed to start.
#[derive(Debug)]
pub struct Options {
    /// The command line.
    pub cli: Cli,
    /// The variables of the environment.
    pub environment: Vec<(String, String)>,
    /// For a level that changes with a reload, and for the lines that were dropped.
    pub log: Option<Log>,
}

/// Who polls.
#[derive(Debug)]
enum Polling {
    /// This process, with a record of its own.
    Alone(Box<Fleet<Shared, Arc<Store>>>),
    /// Whichever replica leads.
    Replicated(Box<Replicated>),
}

/// An application whose sockets are bound and whose state is open.
#[derive(Debug)]
pub struct App {
    server: Server,
    site: Site,
    exposition: Arc<Exposition>,
    board: Board,
    events: Events,
    polling: Polling,
    reloader: Reloader,
    reloads: mpsc::Receiver<fleet::Reload>,
    stop: CancellationToken,
}

impl App {
    /// Does all that can fail: opens the state, binds the addresses, starts the pollers.
    ///
    /// # Errors
    /// The first thing that is wrong, for a person.
    pub async fn build(options: Options, config: Config) -> anyhow::Result<Self> {
        let started = SystemTime::now();
        let Options {
            cli,
            environment,
            log,
        } = options;
        let record = Record::open(&config).await?;
        let server = Server::bind(&web::Options {
            addresses: cli.web_listen_address.clone(),
            systemd_socket: cli.web_systemd_socket,
            web_config: cli.web_config_file.clone(),
        })?;
        let registry = Registry::new();
        register_build_info(&registry)?;
        let dropped_lines = match &log {
            Some(log) => log.dropped(),
            None => telemetry::dropped_lines()?,
        };
        registry.register(Box::new(dropped_lines))?;
        let requests = Arc::new(Requests::new(&registry)?);
        let board = record.board();
        let shared = shared(&environment, Arc::clone(&requests))?;
        let events = Events::new(board.clone());
        let exposition = Exposition::new(registry.clone(), Process::new(started), Arc::clone(&requests));
        let exposition = Arc::new(exposition.of_replica(board.leadership().clone()));
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let polling = match record {
            Record::Alone(store) => {
                let seen = (board.clone(), events.clone());
                let fleet = Fleet::start(config.clone(), shared, Arc::new(store), seen, false).await?;
                let accounts = config.accounts.len();
                // Regions that are discovered come later.
                tracing::info!(accounts, scopes = board.view().scopes.len(), "polling begins");
                Polling::Alone(Box::new(fleet))
            }
            Record::Shared(postgres, first) => {
                let seen = (board.clone(), events.clone(), Arc::clone(&exposition));
                let name = replica_name(&host, &server);
                let replicated = Replicated::new((config.clone(), postgres), shared, seen, name, first);
                Polling::Replicated(Box::new(replicated))
            }
        };
        let (sender, reloads) = mpsc::channel(1);
        let shown = (board.clone(), Arc::clone(&exposition));
        let reloader = Reloader::new(&registry, &cli, environment, config, sender, log, shown)?;
        // Before the first scrape: what was saved must not seem to be gone.
        exposition.render(&board);
        let stop = CancellationToken::new();
        let site = Site {
            board: board.clone(),
            exposition: Arc::clone(&exposition),
            requests,
            started,
            telemetry_path: cli.web_telemetry_path.clone(),
            host,
            max_requests: cli.web_max_requests,
            stopping: stop.clone(),
            reload: reloader.as_function(),
        };
        Ok(Self {
            server,
            site,
            exposition,
            board,
            events,
            polling,
            reloader,
            reloads,
            stop,
        })
    }

    /// What is seen of it, as it changes.
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// Reads the configuration again, as a signal asks for.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Stops it when cancelled.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Serves and polls until stopped.
    ///
    /// # Errors
    /// When a part of it dies; the error names it.
    pub async fn run(self) -> anyhow::Result<()> {
        let stop = self.stop;
        let mut parts = JoinSet::new();
        let board = self.board.clone();
        let leadership = board.leadership().clone();
        parts.spawn(named("rendering", {
            let following = self.exposition.follow(self.board, stop.clone());
            async move {
                following.await;
                Ok(())
            }
        }));
        parts.spawn(named("polling", {
            let (stop, mut reloads) = (stop.clone(), self.reloads);
            async move {
                match self.polling {
                    Polling::Alone(fleet) => fleet.run(stop, &mut reloads).await.map(|_| ()),
                    Polling::Replicated(replicated) => replicated.run(stop, reloads).await,
                }
            }
        }));
        let Events {
            endpoint, receivers, ..
        } = self.events;
        parts.spawn(named("taking events", {
            let receiving = receivers.run(stop.clone());
            async move {
                receiving.await;
                Ok(())
            }
        }));
        let routes = endpoint.on(pages::routes(self.site));
        let server = self.server.run(routes, stop.clone());
        parts.spawn(named("the web server", async move { Ok(server.await?) }));
        parts.spawn(named("the systemd watchdog", {
            let watchdog = notify::watchdog(polls_move(board), stop.clone());
            async move {
                watchdog.await;
                Ok(())
            }
        }));
        notify::ready(leadership.doing()).await;
        let first = tokio::select! {
            () = stop.cancelled() => None,
            ended = parts.join_next() => ended,
        };
        let is_asked = stop.is_cancelled();
        stop.cancel();
        tracing::info!("stopping");
        notify::stopping().await;
        let rest = async {
            while let Some(ended) = parts.join_next().await {
                outcome(ended, true)?;
            }
            anyhow::Ok(())
        };
        let rest = tokio::time::timeout(GRACE, rest).await;
        if let Some(ended) = first {
            outcome(ended, is_asked)?;
        }
        match rest {
            Ok(done) => done?,
            Err(_) => tracing::warn!("what had not ended in time was left behind; no count is lost"),
        }
        tracing::info!("stopped");
        Ok(())
    }
}

type Ended = Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>;

async fn named(
    name: &'static str,
    part: impl Future<Output = anyhow::Result<()>>,
) -> (&'static str, anyhow::Result<()>) {
    (name, part.await)
}

/// A part that ends although nobody asked it to is an error, whatever it says.
fn outcome(ended: Ended, is_asked: bool) -> anyhow::Result<()> {
    match ended {
        Ok((name, Err(error))) => Err(error.context(format!("{name} has failed"))),
        Ok((name, Ok(()))) if !is_asked => bail!("{name} has ended although it should go on"),
        Ok((_, Ok(()))) => Ok(()),
        Err(error) => Err(error).context("a part of the exporter has died"),
    }
}

/// For the watchdog: whether polls go on, or none is due. Not so where every next one is late by an hour.
fn polls_move(board: Board) -> impl Fn() -> bool + Send {
    move || {
        let now = crate::timestamp::seconds(SystemTime::now());
        const STUCK: u32 = 3600;
        let view = board.view();
        view.scopes.is_empty()
            || view.scopes.values().any(|scope| {
                scope.progress.is_some()
                    || scope
                        .next_poll
                        .is_none_or(|next| next.saturating_add(STUCK) > now)
            })
    }
}

/// Where the record is.
#[derive(Debug)]
enum Record {
    Alone(Store),
    /// In a database that replicas share; with the first connection to it, where it answers.
    Shared(Box<config::Postgres>, Option<Arc<Replica>>),
}

impl Record {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        match &config.state {
            State::Postgres(postgres) => Ok(Self::Shared(postgres.clone(), lead::connect(postgres).await?)),
            State::Directory(_) | State::Memory => Ok(Self::Alone(open_store(config)?)),
        }
    }

    fn board(&self) -> Board {
        match self {
            Self::Alone(_) => Board::new(),
            Self::Shared(..) => Board::of_replica(),
        }
    }
}

/// What a replica is called: where its pages are.
fn replica_name(host: &str, server: &Server) -> String {
    let addresses = server.addresses();
    match addresses.iter().find_map(web::Address::socket) {
        Some(socket) => format!("{host}:{}", socket.port()),
        None => host.to_owned(),
    }
}

/// Opens the record of this process alone.
fn open_store(config: &Config) -> anyhow::Result<Store> {
    match &config.state {
        State::Directory(path) => {
            tracing::info!(path = %path.display(), "opening the state");
            Ok(Store::open(path, from_version_1(config))?)
        }
        State::Memory => {
            tracing::warn!(
                "state.path is empty: the record is kept in memory only, and counters start over with the process"
            );
            Ok(Store::in_memory()?)
        }
        State::Postgres(_) => bail!("the record is in a database, and opened by whichever replica leads"),
    }
}

/// How a record of format version 1 is brought up to date.
fn from_version_1(config: &Config) -> FromVersion1 {
    let hold = u32::try_from(config.metrics.new_series_hold.as_secs()).unwrap_or(u32::MAX);
    FromVersion1::new(move |pairs| pairs_from_version_1(pairs.iter(), hold))
}

/// What all accounts share.
fn shared(environment: &[(String, String)], requests: Arc<Requests>) -> anyhow::Result<Shared> {
    let proxies = Proxies::read(environment).map_err(|problems| ConfigError { file: None, problems })?;
    let http = Http::new(proxies).context("the HTTP client cannot be set up")?;
    Ok(Shared {
        services: Services {
            http: http.clone(),
            metadata: metadata_client().context("the HTTP client cannot be set up")?,
            environment: environment.iter().cloned().collect::<Environment>(),
        },
        http,
        places: Places::default(),
        requests,
        pauses: Pauses::default(),
        credentials_changed: Arc::default(),
    })
}

fn register_build_info(registry: &Registry) -> anyhow::Result<()> {
    let options = Opts::new(
        "cloud_assistant_exporter_build_info",
        "What the exporter was built from; always 1.",
    );
    let build_info = IntGaugeVec::new(options, &["version", "revision", "rust_version"])?;
    build_info
        .with_label_values(&[version::VERSION, version::REVISION, version::RUST_VERSION])
        .set(1);
    Ok(registry.register(Box::new(build_info))?)
}

/// Reads the configuration as the command line and the environment say.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_config(cli: &Cli, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    config::load(cli.config_file.as_deref(), environment.iter().cloned())
}
