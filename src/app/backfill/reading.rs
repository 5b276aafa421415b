//! The reading of one scope, once: kept beside the files, and where it is the first look, in the state.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use tokio::time::Instant;

use crate::aliyun::ecs::Ecs;
use crate::aliyun::error::CallError;
use crate::backfill::Until;
use crate::backfill::kept::Kept;
use crate::backfill::until::Looks;
use crate::clock::Clock;
use crate::poll::past::{self, Come};
use crate::poll::plan::PollPlan;
use crate::poll::records::Records;
use crate::record::Record;
use crate::result::Seconds;
use crate::scope::Scope;
use crate::state::Store;
use crate::timestamp;

/// A scope is tried so often.
const TRIES: u32 = 3;

/// How often progress is logged.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// The API keeps so many days.
const DAYS: u32 = 28;

/// What the API answers in a region where there is no Cloud Assistant.
const NOT_SUPPORTED: &str = "RegionId.ApiNotSupported";

/// What says where the files end.
#[derive(Debug, Clone)]
pub(super) enum Join {
    /// The state, which no exporter uses meanwhile.
    State(Arc<Store>),
    /// A running exporter has said when its first looks began.
    Looks(Arc<Looks>),
}

/// What is to be read of a scope.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) scope: Scope,
    pub(super) plan: Arc<PollPlan>,
    pub(super) cloud: Ecs,
    pub(super) join: Join,
    pub(super) directory: PathBuf,
}

/// What was read of it.
#[derive(Debug)]
pub(super) struct ReadScope {
    pub(super) scope: Scope,
    pub(super) kept: Kept,
    pub(super) until: Until,
}

impl Reading {
    /// Reads it; none where the region's API does not know Cloud Assistant.
    pub(super) async fn run(self) -> anyhow::Result<Option<ReadScope>> {
        let look = match &self.join {
            Join::Looks(looks) => match looks.began.get(&self.scope) {
                Some(look) => Some(*look),
                None if looks.set_aside.contains(&self.scope) => return Ok(None),
                None => bail!(
                    "the status does not have its first look: it was not polled, or not to the end, or its state was \
                     begun by an earlier version"
                ),
            },
            Join::State(store) => {
                let record = self.load(store).await?;
                match record.needs_baseline() {
                    true => None,
                    false => Some(record.first_look_began().context(
                        "its state was begun by an earlier version, which has not saved when its first look was: see \
                         docs/upgrading.md",
                    )?),
                }
            }
        };
        let settings = self.plan.settings.telling_apart();
        let kept = Kept::load(&self.directory, &self.scope, &settings);
        let known = kept.zip(look).and_then(|(kept, look)| {
            let until = match kept.is_own_look {
                true if kept.began == look => Until::OwnLook(kept.ended),
                false if kept.ended >= look => Until::Time(look),
                _ => return None,
            };
            Some((kept, until))
        });
        let (kept, until) = match (known, look) {
            (Some(known), _) => known,
            (None, look) => {
                let Some(kept) = self.read(settings, look).await? else {
                    return Ok(None);
                };
                let until = look.map_or(Until::OwnLook(kept.ended), Until::Time);
                (kept, until)
            }
        };
        let scope = self.scope;
        Ok(Some(ReadScope { scope, kept, until }))
    }

    async fn load(&self, store: &Arc<Store>) -> anyhow::Result<Record> {
        let now = timestamp::seconds(SystemTime::now());
        Ok(store.load(&self.scope, &self.plan.settings, now).await?)
    }

    /// Asks the API. Without a `look` this is the first one, and it is saved as such.
    async fn read(&self, settings: String, look: Option<Seconds>) -> anyhow::Result<Option<Kept>> {
        let mut last: Option<CallError> = None;
        for number in 1..=TRIES {
            let store = match (&self.join, look) {
                (Join::State(store), None) => Some(store),
                _ => None,
            };
            let mut record = match store {
                Some(store) => self.load(store).await?,
                None => Record::new(Arc::clone(&self.plan.settings)),
            };
            let budget = (self.plan.history_budget, number == TRIES);
            match past::read(&self.cloud, &mut record, Clock::new(), budget, self.progress()).await {
                Ok(read) => {
                    let kept = Kept {
                        is_own_look: look.is_none(),
                        began: read.began,
                        ended: read.ended,
                        rows: read.come.rows as u64,
                        runs: read.come.runs as u64,
                        open: read.open as u64,
                        skipped: read.skipped,
                        refused_histories: read.refused_histories as u64,
                        is_cut_off: read.is_cut_off,
                        lacks_schedules: read.lacks_schedules,
                        past: read.past,
                        ..Kept::new(settings, look.is_none())
                    };
                    // Before the state: without that, this is read again; the other way round it would be lost.
                    kept.save(&self.directory, &self.scope)
                        .with_context(|| format!("{} cannot be written", self.directory.display()))?;
                    if let Some(store) = store {
                        let (changes, used) = (record.take_changes(), record.recorded_at());
                        Records::save(store, &self.scope, changes, used).await?;
                    }
                    return Ok(Some(kept));
                }
                // Where there was a look once, the region knows Cloud Assistant, and this is a failure like others.
                Err(error)
                    if self.plan.discovered
                        && look.is_none()
                        && error.code.as_deref() == Some(NOT_SUPPORTED) =>
                {
                    return Ok(None);
                }
                Err(error) => {
                    tracing::warn!(
                        account = &*self.scope.account,
                        region_id = &*self.scope.region_id,
                        tries = number,
                        error = error.what,
                        "the reading has failed"
                    );
                    last = Some(error);
                }
            }
        }
        match last {
            Some(error) => Err(error.into()),
            None => Ok(None),
        }
    }

    /// Says now and then how far the reading has come.
    fn progress(&self) -> impl FnMut(Come) + Send + use<> {
        let scope = self.scope.clone();
        let now = timestamp::seconds(SystemTime::now());
        let mut said = Instant::now();
        move |come| {
            if said.elapsed() >= PROGRESS_EVERY {
                said = Instant::now();
                let days = come.back_to.map(|time| now.saturating_sub(time) / 86_400);
                tracing::info!(
                    account = &*scope.account,
                    region_id = &*scope.region_id,
                    rows = come.rows,
                    runs = come.runs,
                    days,
                    of_days = DAYS,
                    "reading everything that the API lists"
                );
            }
        }
    }
}
