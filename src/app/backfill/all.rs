//! All scopes: which there are to read, and their readings side by side.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reading::{Join, ReadScope, Reading};
use crate::aliyun::client::Action;
use crate::app::account::{Account, Shared};
use crate::app::plan::{Plan, polls};
use crate::app::ways::Ways;
use crate::config::Config;
use crate::scope::Scope;

/// So many scopes are read at once; each at the pace that `rate_limit` allows.
const AT_ONCE: usize = 64;

/// What is to be read: each scope of the configuration.
pub(super) async fn readings(
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

/// What was read.
#[derive(Debug)]
pub(super) struct AllRead {
    pub(super) scopes: Vec<ReadScope>,
    /// Found regions whose API does not know Cloud Assistant.
    pub(super) not_supported: Vec<Scope>,
}

/// Reads all scopes, some at once.
pub(super) async fn read_all(readings: Vec<Reading>, stop: &CancellationToken) -> anyhow::Result<AllRead> {
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
                read.insert(scope.clone(), found);
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
    let (mut scopes, mut not_supported) = (Vec::new(), Vec::new());
    for (scope, found) in read {
        match found {
            Some(found) => scopes.push(found),
            None => not_supported.push(scope),
        }
    }
    Ok(AllRead {
        scopes,
        not_supported,
    })
}
