//! The log: to standard error, as logfmt or JSON, with a level that can change while running.

use anyhow::Context;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Format, Level};

/// Changes the level of the log.
#[derive(Debug, Clone)]
pub struct LogLevel {
    targets: reload::Handle<Targets, Registry>,
}

/// Starts the log.
///
/// # Errors
/// When the process has one already.
pub fn start(level: Level, format: Format) -> anyhow::Result<LogLevel> {
    let (filter, targets) = reload::Layer::new(targets(level));
    let layer = match format {
        Format::Logfmt => tracing_logfmt::builder()
            .with_target(false)
            .layer()
            .with_writer(std::io::stderr)
            .boxed(),
        Format::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_target(false)
            .with_writer(std::io::stderr)
            .boxed(),
    };
    Registry::default()
        .with(layer.with_filter(filter))
        .try_init()
        .context("the log cannot be started")?;
    Ok(LogLevel { targets })
}

impl LogLevel {
    /// From now on messages of this level and above are logged.
    pub fn set(&self, level: Level) {
        // Fails only when the log is gone, and with it everybody who would read of it.
        let _ = self.targets.reload(targets(level));
    }
}

/// The exporter's own messages; of libraries only what is wrong.
fn targets(level: Level) -> Targets {
    let level = match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level)
}
