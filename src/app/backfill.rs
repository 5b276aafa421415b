//! `--backfill`: reads everything that is listed once, and writes it as the past of the counters.

mod reading;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use prometheus::Registry;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::account::{Account, Shared};
use super::plan::{Plan, polls};
use super::ways::Ways;
use crate::aliyun::client::Action;
use crate::backfill::{ScopeSeries, Spacing, Sums, TargetLabels, days, until};
use crate::cli;
use crate::config::Config;
use crate::requests::Requests;
use crate::scope::Scope;
use crate::state::StateError;
use reading::{Join, ReadScope, Reading};
pub use report::Report;

/// So many scopes are read at once; each at the pace that `rate_limit` allows.
const AT_ONCE: usize = 64;

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
    std::fs::create_dir_all(&directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    let join = join(flags, &config)?;
    let config = Arc::new(config);
    let requests = Arc::new(Requests::new(&Registry::new())?);
    let shared = super::shared(environment, requests)?;
    let readings = tokio::select! {
        () = stop.cancelled() => bail!("stopped before anything was read"),
        readings = readings(&config, &shared, &join, &directory) => readings?,
    };
    let read = read_all(readings, stop).await?;
    let (buckets, durations) = (
        config.metrics.duration_buckets.clone(),
        config.metrics.command_durations,
    );
    let (stop, to) = (stop.clone(), directory.clone());
    let writing = spawn_blocking(move || {
        let series: Vec<ScopeSeries> = read
            .iter()
            .map(|read| {
                let of = (&read.scope, &read.kept.past, read.until);
                ScopeSeries::of(of, &labels, &buckets, spacing.step, durations)
            })
            .collect();
        write(&to, &read, series, spacing, &stop)
    });
    writing.await.context("the writing has died")?
}

/// A change has so many samples on each side, at least: what is computed over a few is far off.
const STEPS_NEAR: u32 = 10;

fn spacing(flags: &cli::Backfill) -> anyhow::Result<Spacing> {
    let seconds = |duration: std::time::Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    let step = seconds(flags.step).max(1);
    let near = flags.near_changes.map(seconds);
    if near.is_some_and(|near| near < step * STEPS_NEAR) {
        bail!("--backfill.near-changes: expected {STEPS_NEAR} times --backfill.step at least");
    }
    Ok(Spacing { step, near })
}

/// What says where the files end.
fn join(flags: &cli::Backfill, config: &Config) -> anyhow::Result<Join> {
    if let Some(path) = &flags.status {
        let body = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let looks = until::of_status(&body).map_err(|error| {
            anyhow::anyhow!(
                "{} is not what /api/v1/status of an exporter answers: {error}",
                path.display()
            )
        })?;
        return Ok(Join::Looks(Arc::new(looks)));
    }
    if config.state.path.is_none() {
        bail!(
            "state.path is empty, so that the exporter's first look begins anew with each start: start it, save what it \
             answers at /api/v1/status, and give that as --backfill.status=PATH"
        );
    }
    match super::open_store(config) {
        Ok(store) => Ok(Join::State(Arc::new(store))),
        Err(error) if matches!(error.downcast_ref(), Some(StateError::InUse { .. })) => Err(error.context(
            "an exporter runs, which is not to be disturbed: save what it answers at /api/v1/status, and give that as \
             --backfill.status=PATH",
        )),
        Err(error) => Err(error),
    }
}

/// What is to be read: each scope of the configuration.
async fn readings(
    config: &Arc<Config>,
    shared: &Shared,
    join: &Join,
    directory: &Path,
) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    for account in &config.accounts {
        let mut account = Account::new(config, account, shared, None, Vec::new(), Instant::now());
        if let Some(discovery) = &account.discovery {
            let found = discovery.finder.regions().await;
            let found = found.with_context(|| {
                let (name, action) = (&account.config.name, Action::DescribeRegions.as_str());
                format!("the regions of account {name} cannot be had by {action}")
            })?;
            account.discovered(config, Ok(found));
        }
        let poll = polls(config, &account.config);
        for (region_id, host) in account.regions() {
            let scope = Scope::new(&account.config.name, &region_id);
            let plan = Plan::of(config, (&account.config, &poll), &region_id, host.as_deref());
            let cloud = shared.to(&account, config, &scope, &plan);
            readings.push(Reading {
                scope,
                plan: plan.poll,
                cloud,
                join: join.clone(),
                directory: directory.to_owned(),
            });
        }
    }
    Ok(readings)
}

/// Reads all scopes, some at once.
async fn read_all(readings: Vec<Reading>, stop: &CancellationToken) -> anyhow::Result<Vec<ReadScope>> {
    let all = readings.len();
    let mut waiting = readings.into_iter();
    let mut under_way = JoinSet::new();
    let (mut read, mut failed) = (BTreeMap::new(), BTreeMap::new());
    loop {
        while under_way.len() < AT_ONCE
            && let Some(reading) = waiting.next()
        {
            under_way.spawn(async move { (reading.scope.clone(), reading.run().await) });
        }
        let ended = tokio::select! {
            () = stop.cancelled() => bail!(
                "stopped with {} of {all} scopes read; the same command goes on from there", read.len()
            ),
            ended = under_way.join_next() => ended,
        };
        match ended {
            None => break,
            Some(Ok((scope, Ok(found)))) => {
                read.extend(found.map(|found| (scope.clone(), found)));
                let done = read.len() + failed.len();
                tracing::info!(
                    account = &*scope.account,
                    region_id = &*scope.region_id,
                    done,
                    of = all,
                    "scope read"
                );
            }
            Some(Ok((scope, Err(error)))) => {
                tracing::error!(
                    account = &*scope.account,
                    region_id = &*scope.region_id,
                    error = format!("{error:#}"),
                    "the scope cannot be read"
                );
                failed.insert(scope, error);
            }
            Some(Err(error)) => return Err(error).context("a reading has died"),
        }
    }
    if let Some((scope, error)) = failed.pop_first() {
        let count = failed.len() + 1;
        return Err(error.context(format!(
            "{count} of {all} scopes cannot be read, {scope} the first, and nothing is written; the same command goes on \
             from there"
        )));
    }
    Ok(read.into_values().collect())
}

/// Writes the days, and reads them again.
fn write(
    directory: &Path,
    read: &[ReadScope],
    series: Vec<ScopeSeries>,
    spacing: Spacing,
    stop: &CancellationToken,
) -> anyhow::Result<Report> {
    let samples = days::estimate(&series, spacing.step);
    tracing::info!(samples_at_most = samples, "writing");
    let told = |path: &Path| {
        tracing::info!(path = %path.display(), "written");
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
        read,
        &series,
        written,
        &sums,
    ))
}
