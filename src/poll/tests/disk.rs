//! A disk that is full or slow where it is told to be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use crate::poll::records::Records;
use crate::record::{Change, Record, Settings};
use crate::result::Seconds;
use crate::scope::Scope;
use crate::state::StateError;

type Pairs = BTreeMap<(u8, u64), Vec<u8>>;

/// One disk; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    saved: BTreeMap<Scope, Pairs>,
    is_full: bool,
    /// Scopes whose record cannot be read.
    damaged: Vec<Scope>,
    slowness: Duration,
    loads: usize,
    saves: usize,
    /// Saves under way.
    saving: usize,
}

impl Disk {
    pub(crate) fn fill(&self, is_full: bool) {
        self.with(|state| state.is_full = is_full);
    }

    /// Another disk, on which there is what is saved by now.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::default();
        copy.with(|state| state.saved = self.with(|from| from.saved.clone()));
        copy
    }

    pub(crate) fn damage(&self, scopes: &[Scope]) {
        self.with(|state| state.damaged = scopes.to_vec());
    }

    /// From now on each save takes so long.
    pub(crate) fn slow_down(&self, slowness: Duration) {
        self.with(|state| state.slowness = slowness);
    }

    /// How often a record was read, and how often one was saved.
    pub(crate) fn used(&self) -> (usize, usize) {
        self.with(|state| (state.loads, state.saves))
    }

    /// Whether one is saving now.
    pub(crate) fn is_saving(&self) -> bool {
        self.with(|state| state.saving > 0)
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

fn error(doing: &'static str) -> StateError {
    StateError::Disk {
        path: "disk".into(),
        doing,
        what: "no room is left".to_owned(),
    }
}

impl Records for Disk {
    async fn scopes(&self) -> Result<Vec<Scope>, StateError> {
        Ok(self.with(|state| state.saved.keys().cloned().collect()))
    }

    async fn load(
        &self,
        scope: &Scope,
        settings: &Arc<Settings>,
        now: Seconds,
    ) -> Result<Record, StateError> {
        self.with(|state| {
            state.loads += 1;
            if state.damaged.contains(scope) {
                return Err(error("read"));
            }
            let saved = state.saved.get(scope).into_iter().flatten();
            let pairs = saved.map(|(place, value)| (*place, value.as_slice()));
            Ok(Record::from_pairs(settings, pairs, now).unwrap())
        })
    }

    async fn load_all(
        &self,
        scopes: Vec<(Scope, Arc<Settings>)>,
        now: Seconds,
    ) -> Vec<Result<Record, StateError>> {
        let mut loaded = Vec::new();
        for (scope, settings) in scopes {
            loaded.push(self.load(&scope, &settings, now).await);
        }
        loaded
    }

    async fn save(&self, scope: &Scope, changes: Vec<Change>, _: Seconds) -> Result<(), StateError> {
        let slowness = self.with(|state| {
            state.saving += 1;
            state.slowness
        });
        sleep(slowness).await;
        self.with(|state| {
            state.saving -= 1;
            if state.is_full {
                return Err(error("saved"));
            }
            state.saves += 1;
            let pairs = state.saved.entry(scope.clone()).or_default();
            for change in changes {
                match change.value {
                    Some(value) => pairs.insert(change.key.encode(), value),
                    None => pairs.remove(&change.key.encode()),
                };
            }
            Ok(())
        })
    }

    async fn forget_unused(&self, _: Vec<Scope>, _: Seconds) -> Result<Vec<Scope>, StateError> {
        Ok(Vec::new())
    }
}
