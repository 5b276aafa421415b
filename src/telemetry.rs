//! The log: to standard error, as logfmt or JSON, with a level that can change while running.

mod json;
mod logfmt;
mod queue;

use std::io;
use std::os::fd::AsFd;
use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use prometheus::IntCounter;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{Format, Level};
use queue::Queue;

/// The log of the process.
#[derive(Debug, Clone)]
pub struct Log {
    targets: reload::Handle<Targets, Registry>,
    queue: Arc<Queue>,
}

/// Starts the log, and the thread that writes it. From now on a panic is a line of it too.
///
/// # Errors
/// When the process has one already.
pub fn start(level: Level, format: Format) -> anyhow::Result<Log> {
    // A descriptor of its own: the lock of std's would keep others waiting while a write hangs.
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    let stderr = std::fs::File::from(stderr.context("standard error is closed")?);
    let queue = Arc::new(Queue::new(dropped_lines()?));
    let (filter, targets) = reload::Layer::new(targets(level));
    let lines = Arc::clone(&queue);
    let layer = fmt::layer()
        .with_target(false)
        .log_internal_errors(false)
        .with_writer(move || queue::Line::of(&lines));
    let layer = match format {
        Format::Logfmt => layer
            .fmt_fields(logfmt::Fields)
            .event_format(logfmt::Events)
            .boxed(),
        Format::Json => layer.fmt_fields(json::Fields).event_format(json::Events).boxed(),
    };
    Registry::default()
        .with(layer.with_filter(filter))
        .try_init()
        .context("the log cannot be started")?;
    let written = Arc::clone(&queue);
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || written.write_to(stderr))
        .context("the log cannot be started")?;
    // The hook of std writes to standard error itself, and would hang with it.
    panic::set_hook(Box::new(
        |panic| tracing::error!(%panic, "a part of the exporter has panicked"),
    ));
    Ok(Log { targets, queue })
}

/// A line of the JSON log for what ends the process, also where there is no log yet.
pub fn fatal_as_json(message: &str) -> String {
    json::line("ERROR", message)
}

/// The metric of lines that were dropped, at 0.
///
/// # Errors
/// None that a test of this would not show.
pub fn dropped_lines() -> prometheus::Result<IntCounter> {
    IntCounter::new(
        "cloud_assistant_exporter_log_lines_dropped_total",
        "Lines of the log that were dropped, because nobody read standard error or it could not be written.",
    )
}

impl Log {
    /// From now on messages of this level and above are logged.
    pub fn set_level(&self, level: Level) {
        // Fails only when the log is gone, and with it everybody who would read of it.
        let _ = self.targets.reload(targets(level));
    }

    /// Counts the lines that were dropped.
    pub fn dropped(&self) -> IntCounter {
        self.queue.dropped()
    }

    /// Says something that is for a person, not a message of the log, behind what was logged before.
    pub fn say(&self, text: &str) {
        self.queue.push(format!("{text}\n").into_bytes());
    }

    /// Waits until everything is written, but no longer than this.
    pub fn flush(&self, longest: Duration) {
        self.queue.flush(longest);
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
