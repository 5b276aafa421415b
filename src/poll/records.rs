//! Who keeps records: the state, or one in tests whose disk fills up.

use std::fmt::Debug;
use std::future::pending;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::record::{Change, Record, Settings};
use crate::result::Seconds;
use crate::scope::Scope;
use crate::state::{StateError, Store};

/// Where the records of all scopes are kept.
pub trait Records: Debug + Clone + Send + Sync + 'static {
    /// Every scope that has something saved.
    ///
    /// # Errors
    /// When the disk refuses.
    fn scopes(&self) -> impl Future<Output = Result<Vec<Scope>, StateError>> + Send;

    /// Reads the record of a scope; an empty one where there is none.
    ///
    /// # Errors
    /// When the disk refuses, or what is saved is damaged.
    fn load(
        &self,
        scope: &Scope,
        settings: &Arc<Settings>,
        now: Seconds,
    ) -> impl Future<Output = Result<Record, StateError>> + Send;

    /// Reads those of several scopes, in their order. All before the first of their pollers begins: hundreds that save
    /// at once would keep each further one waiting for the disk.
    fn load_all(
        &self,
        scopes: Vec<(Scope, Arc<Settings>)>,
        now: Seconds,
    ) -> impl Future<Output = Vec<Result<Record, StateError>>> + Send;

    /// Saves what a poll changed, all of it or nothing. When this returns, it outlives a crash. Whoever drops the
    /// future does not know whether it was saved.
    ///
    /// # Errors
    /// When the disk refuses. Whether the changes were written is then unknown: the record must be loaded again.
    fn save(
        &self,
        scope: &Scope,
        changes: Vec<Change>,
        used: Seconds,
    ) -> impl Future<Output = Result<(), StateError>> + Send;

    /// Forgets the scopes that are not in use and have not been for long; returns them.
    ///
    /// # Errors
    /// When the disk refuses.
    fn forget_unused(
        &self,
        in_use: Vec<Scope>,
        now: Seconds,
    ) -> impl Future<Output = Result<Vec<Scope>, StateError>> + Send;
}

impl Records for Arc<Store> {
    async fn scopes(&self) -> Result<Vec<Scope>, StateError> {
        blocking(self, Store::scopes).await
    }

    async fn load(
        &self,
        scope: &Scope,
        settings: &Arc<Settings>,
        now: Seconds,
    ) -> Result<Record, StateError> {
        let (scope, settings) = (scope.clone(), Arc::clone(settings));
        blocking(self, move |store| {
            store.load(&scope, |pairs| Record::from_pairs(&settings, pairs.iter(), now))
        })
        .await
    }

    async fn load_all(
        &self,
        scopes: Vec<(Scope, Arc<Settings>)>,
        now: Seconds,
    ) -> Vec<Result<Record, StateError>> {
        if scopes.is_empty() {
            return Vec::new();
        }
        blocking(self, move |store| {
            let loaded = store.load_all(scopes, |settings, pairs| {
                Record::from_pairs(settings, pairs.iter(), now)
            });
            loaded.into_iter().map(|(_, _, record)| record).collect()
        })
        .await
    }

    async fn save(&self, scope: &Scope, changes: Vec<Change>, used: Seconds) -> Result<(), StateError> {
        Store::save(self, scope, changes, used).await
    }

    async fn forget_unused(&self, in_use: Vec<Scope>, now: Seconds) -> Result<Vec<Scope>, StateError> {
        blocking(self, move |store| store.forget_unused(&in_use, now)).await
    }
}

/// Works on the disk, where that keeps no task waiting.
async fn blocking<T: Send + 'static>(
    store: &Arc<Store>,
    work: impl FnOnce(&Store) -> T + Send + 'static,
) -> T {
    let store = Arc::clone(store);
    match spawn_blocking(move || work(&store)).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            // It takes this task with it, and so the process: nothing dies unseen.
            Ok(panic) => std::panic::resume_unwind(panic),
            // Never begun: the process ends.
            Err(_) => pending().await,
        },
    }
}
