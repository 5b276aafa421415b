//! `--backfill`: reads everything that is listed once, and writes it as the past of the counters.

mod all;
mod reading;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use prometheus::Registry;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::backfill::kept::Kept;
use crate::backfill::{ScopeSeries, Spacing, Sums, TargetLabels, days, until};
use crate::cli;
use crate::config::{Config, State};
use crate::file_lock::LockError;
use crate::regular_file;
use crate::requests::Requests;
use crate::state::StateError;
use all::{AllRead, read_all, readings};
use reading::Join;
pub use report::Report;
use report::UsedState;

/// Reads, writes and checks.
///
/// # Errors
/// What keeps it from being complete, and what to do; nothing that was read is lost by it.
pub async fn run(
    flags: &cli::Backfill,
    config: Config,
    environment: &[(String, String)],
    stop: &CancellationToken,
) -> anyhow::Result<Report> {
    let directory = flags.directory.clone().unwrap_or_default();
    let spacing = spacing(flags)?;
    let labels = TargetLabels::read(&flags.labels).map_err(anyhow::Error::msg)?;
    let _alone = Kept::lock(&directory).map_err(|error| {
        let directory = directory.display();
        match error {
            LockError::InUse(owner) => anyhow::anyhow!(
                "another --backfill uses {directory}: {owner}; wait for its end, or give this one a directory of its own"
            ),
            LockError::Disk(error) => anyhow::Error::new(error).context(format!("{directory} cannot be made")),
        }
    })?;
    let (join, state) = join(flags, &config)?;
    let config = Arc::new(config);
    let requests = Arc::new(Requests::new(&Registry::new())?);
    let shared = super::shared(environment, requests)?;
    let readings = tokio::select! {
        () = stop.cancelled() => bail!("stopped before anything was read"),
        readings = readings(&config, &shared, &join, &directory) => readings?,
    };
    let read = read_all(readings, stop).await?;
    // Writing takes long, and needs no state: the exporter may go on.
    drop(join);
    let (buckets, durations) = (
        config.metrics.duration_buckets.clone(),
        config.metrics.command_durations,
    );
    let (stop, to) = (stop.clone(), directory.clone());
    let writing = spawn_blocking(move || {
        let series: Vec<ScopeSeries> = read
            .scopes
            .iter()
            .map(|read| {
                let of = (&read.scope, &read.kept.past, read.until);
                ScopeSeries::of(of, &labels, &buckets, spacing.step, durations)
            })
            .collect();
        write(&to, (read, state), series, spacing, &stop)
    });
    writing.await.context("the writing has died")?
}

/// A change has so many samples on each side, at least: what is computed over a few is far off.
const STEPS_NEAR: u32 = 10;

/// Of an answer of `/api/v1/status`: many times what thousands of scopes take.
const LONGEST_STATUS: u64 = 64 << 20;

fn spacing(flags: &cli::Backfill) -> anyhow::Result<Spacing> {
    let seconds = |duration: std::time::Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    let step = seconds(flags.step).max(1);
    let near = flags.near_changes.map(seconds);
    if near.is_some_and(|near| near < step * STEPS_NEAR) {
        bail!("--backfill.near-changes: expected {STEPS_NEAR} times --backfill.step at least");
    }
    Ok(Spacing { step, near })
}

/// What says where the files end, and the state where it is that.
fn join(flags: &cli::Backfill, config: &Config) -> anyhow::Result<(Join, Option<UsedState>)> {
    if let Some(path) = &flags.status {
        let body = regular_file::read(path, LONGEST_STATUS)
            .with_context(|| format!("--backfill.status, {}, cannot be read", path.display()))?;
        let looks = until::of_status(&body).map_err(|error| {
            anyhow::anyhow!(
                "{} is not what /api/v1/status of an exporter answers: {error}",
                path.display()
            )
        })?;
        return Ok((Join::Looks(Arc::new(looks)), None));
    }
    let path = match &config.state {
        State::Directory(path) => path,
        State::Memory => bail!(
            "state.path is empty, so that the exporter's first look begins anew with each start: start it, save what it \
             answers at /api/v1/status, and give that as --backfill.status=PATH"
        ),
        State::Postgres(_) => bail!(
            "the state is in a database that replicas share: save what the one that leads answers at /api/v1/status, and \
             give that as --backfill.status=PATH"
        ),
    };
    match super::open_store(config) {
        Ok(store) => {
            let state = UsedState {
                path: std::path::absolute(path).unwrap_or_else(|_| path.clone()),
                is_new: store.scopes()?.is_empty(),
            };
            if state.is_new {
                tracing::warn!(path = %state.path.display(), "nothing is saved here: the first look is taken now");
            }
            Ok((Join::State(Arc::new(store)), Some(state)))
        }
        Err(error) if matches!(error.downcast_ref(), Some(StateError::InUse { .. })) => Err(error.context(
            "an exporter runs, which is not to be disturbed: save what it answers at /api/v1/status, and give that as \
             --backfill.status=PATH (where it is another --backfill, wait for its end)",
        )),
        Err(error) => Err(error),
    }
}

/// Writes the days, and reads them again.
fn write(
    directory: &Path,
    (read, state): (AllRead, Option<UsedState>),
    series: Vec<ScopeSeries>,
    spacing: Spacing,
    stop: &CancellationToken,
) -> anyhow::Result<Report> {
    let samples = days::estimate(&series, spacing.step);
    tracing::info!(samples_at_most = samples, "writing");
    let told = |day: &str| {
        tracing::info!(day, "a day is written");
        !stop.is_cancelled()
    };
    let failed = || format!("the files in {} cannot be written", directory.display());
    let written = days::write(directory, &series, spacing, told).with_context(failed)?;
    let Some(written) = written else {
        bail!("stopped amid the writing; the same command begins that again, and reads nothing again");
    };
    let sums = Sums::read(&written.files).context("the files are not what was written")?;
    let listed = Sums::of_results(&series);
    let differ = sums.differ(&listed);
    if let Some((name, files, listed)) = differ.first() {
        bail!(
            "{} series of the files differ from what was listed, {name} the first: {files:?}, and {listed:?} listed",
            differ.len()
        );
    }
    if sums.samples != written.samples {
        bail!(
            "{} samples were written, and {} are there",
            written.samples,
            sums.samples
        );
    }
    Ok(Report::of(
        PathBuf::from(directory),
        (read, state),
        &series,
        written,
        &sums,
    ))
}
