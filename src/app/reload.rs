//! Reading the configuration again while running.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::{Gauge, IntGauge, Registry};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::fleet;
use crate::cli::Cli;
use crate::config::{Config, Level};
use crate::expose::Exposition;
use crate::pages::ReloadFn;
use crate::telemetry::Log;
use crate::timestamp;
use crate::view::{Board, RefusedReload};
use crate::web::notify;

/// A configuration that takes longer to read lies on a file system that does not answer.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Takes a new configuration as a whole, or leaves the old one in force.
#[derive(Debug, Clone)]
pub struct Reloader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    cli: Cli,
    environment: Vec<(String, String)>,
    /// The configuration in force; one reload at a time.
    config: Arc<Mutex<Config>>,
    fleet: mpsc::Sender<fleet::Reload>,
    log: Option<Log>,
    successful: IntGauge,
    success_timestamp: Gauge,
    board: Board,
    exposition: Arc<Exposition>,
}

impl Reloader {
    /// For the configuration that is in force; registers the metrics of reloads.
    pub(super) fn new(
        registry: &Registry,
        cli: &Cli,
        environment: Vec<(String, String)>,
        config: Config,
        fleet: mpsc::Sender<fleet::Reload>,
        log: Option<Log>,
        (board, exposition): (Board, Arc<Exposition>),
    ) -> prometheus::Result<Self> {
        let successful = IntGauge::new(
            "cloud_assistant_exporter_config_last_reload_successful",
            "1 when the last reading of the configuration succeeded, else 0.",
        )?;
        let success_timestamp = Gauge::new(
            "cloud_assistant_exporter_config_last_reload_success_timestamp_seconds",
            "When the configuration was last read with success, in Unix time.",
        )?;
        registry.register(Box::new(successful.clone()))?;
        registry.register(Box::new(success_timestamp.clone()))?;
        let inner = Inner {
            cli: cli.clone(),
            environment,
            config: Arc::new(Mutex::new(config)),
            fleet,
            log,
            successful,
            success_timestamp,
            board,
            exposition,
        };
        inner.note(true);
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Reads the configuration and puts it in force.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub async fn reload(&self) -> Result<(), String> {
        notify::reloading().await;
        let done = self.inner.reload().await;
        self.inner.note(done.is_ok());
        self.inner
            .board
            .publish_reload(done.as_ref().err().map(|reason| RefusedReload {
                at: timestamp::seconds(SystemTime::now()),
                reason: reason.clone(),
            }));
        // Whoever is told of the end finds it on /metrics.
        let inner = Arc::clone(&self.inner);
        let _ = spawn_blocking(move || inner.exposition.render(&inner.board)).await;
        match &done {
            Ok(changes) => tracing::info!(%changes, "configuration reloaded"),
            Err(reason) => {
                tracing::error!(reason, "the configuration was not reloaded; the one before stays")
            }
        }
        notify::ready(self.inner.board.leadership().doing()).await;
        done.map(|_| ())
    }

    pub(super) fn as_function(&self) -> Arc<ReloadFn> {
        let reloader = self.clone();
        Arc::new(move || {
            let reloader = reloader.clone();
            Box::pin(async move { reloader.reload().await })
        })
    }
}

/// What a reload has changed, in words.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes(Vec<String>);

impl Changes {
    fn between(before: &Config, after: &Config) -> Self {
        // Taken apart, so that no section can be forgotten.
        let Config {
            accounts,
            poll,
            rate_limit,
            state: _, // It cannot change.
            log,
            metrics,
            events,
        } = before;
        let mut changes = Vec::new();
        for account in accounts {
            let name = &account.name;
            match after.accounts.iter().find(|other| other.name == *name) {
                None => changes.push(format!("account {name} removed")),
                Some(other) if other != account => changes.push(format!("account {name} changed")),
                Some(_) => {}
            }
        }
        let is_new = |name: &str| accounts.iter().all(|other| other.name != name);
        let new = after.accounts.iter().filter(|account| is_new(&account.name));
        changes.extend(new.map(|account| format!("account {} added", account.name)));
        let sections = [
            ("poll", *poll != after.poll),
            ("rate_limit", *rate_limit != after.rate_limit),
            ("log", *log != after.log),
            ("metrics", *metrics != after.metrics),
            ("events", *events != after.events),
        ];
        let changed = sections.into_iter().filter(|(_, has_changed)| *has_changed);
        changes.extend(changed.map(|(name, _)| format!("{name} changed")));
        Self(changes)
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => formatter.write_str("none"),
            changes => formatter.write_str(&changes.join(", ")),
        }
    }
}

impl Inner {
    async fn reload(self: &Arc<Self>) -> Result<Changes, String> {
        let in_force = timeout(READ_WITHIN, Arc::clone(&self.config).lock_owned()).await;
        let in_force = in_force.map_err(|_| "an earlier reload has not ended yet".to_owned())?;
        let inner = Arc::clone(self);
        // The file may be one that does not answer. Then this reading keeps the lock, so that there is one at most.
        let reading = spawn_blocking(move || (super::load_config(&inner.cli, &inner.environment), in_force));
        let (config, mut in_force) = timeout(READ_WITHIN, reading)
            .await
            .map_err(|_| format!("the configuration could not be read within {READ_WITHIN:?}"))?
            .map_err(|error| error.to_string())?;
        let config = config.map_err(|error| error.to_string())?;
        if config.state != in_force.state {
            return Err(
                "state.path and state.postgres cannot change while the exporter runs; restart it".to_owned(),
            );
        }
        let (done, taken) = oneshot::channel();
        let reload = fleet::Reload {
            config: config.clone(),
            done,
        };
        let gone = |_| "the exporter is stopping".to_owned();
        self.fleet.send(reload).await.map_err(|_| gone(()))?;
        taken
            .await
            .map_err(|_| gone(()))?
            .map_err(|error| error.to_string())?;
        if let Some(log) = &self.log {
            let level: Level = self.cli.log_level.unwrap_or(config.log.level);
            log.set_level(level);
        }
        let changes = Changes::between(&in_force, &config);
        *in_force = config;
        Ok(changes)
    }

    fn note(&self, successful: bool) {
        self.successful.set(i64::from(successful));
        if successful {
            let now = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default();
            self.success_timestamp.set(now.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Account;

    #[test]
    fn every_section_that_has_changed_is_named() {
        let before = Config::default();
        assert_eq!(Changes::between(&before, &before).to_string(), "none");
        let mut after = before.clone();
        after.accounts = vec![Account {
            name: "other".to_owned(),
            ..Account::default()
        }];
        after.poll.interval *= 2;
        after.rate_limit.burst += 1;
        after.log.level = Level::Debug;
        after.metrics.max_commands += 1;
        after.events.http = true;
        assert_eq!(
            Changes::between(&before, &after).to_string(),
            "account default removed, account other added, poll changed, rate_limit changed, log changed, \
             metrics changed, events changed"
        );
    }
}
