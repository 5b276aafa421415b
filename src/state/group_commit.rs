//! Saves of many pollers: those that wait for the disk meanwhile are committed together by the next of them. Hundreds
//! of scopes that begin at once would else wait for hundreds of commits.
//!
//! They wait without a thread of their own: each thread that has ever saved keeps memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::spawn_blocking;

use super::{Backend, Change, Pairs, Save, StateError, Store};
use crate::result::Seconds;
use crate::scope::Scope;

/// Saves under way.
#[derive(Debug, Default)]
pub(super) struct GroupCommit {
    /// Those that nobody has begun yet.
    waiting: Mutex<Vec<Waiting>>,
    /// Held by the one that commits those that wait, and by whoever must not wait for commits.
    pub(super) turn: AsyncMutex<()>,
}

/// A save, and whom to tell what came of it. Who is gone when told is not missed: the save is on the disk, or not.
#[derive(Debug)]
pub(super) struct Waiting {
    save: Save,
    done: oneshot::Sender<Result<(), StateError>>,
}

impl Store {
    /// Saves what a poll changed, all of it or nothing. When this returns, it outlives a crash.
    ///
    /// Whoever stops waiting for it does not stop it: the next save commits it.
    ///
    /// # Errors
    /// When the disk refuses. Whether the changes were written is then unknown: the record must be loaded again.
    pub async fn save(
        &self,
        scope: &Scope,
        changes: impl IntoIterator<Item = impl Into<Change>>,
        now: Seconds,
    ) -> Result<(), StateError> {
        let save = Save {
            scope: scope.clone(),
            changes: changes.into_iter().map(Into::into).collect(),
            now,
        };
        let (done, mut outcome) = oneshot::channel();
        self.group_commit.waiting().push(Waiting { save, done });
        let turn = self.group_commit.turn.lock().await;
        // Whoever had the turn before may have committed this as well.
        if let Ok(outcome) = outcome.try_recv() {
            return outcome;
        }
        let backend = Arc::clone(&self.backend);
        let waiting = std::mem::take(&mut *self.group_commit.waiting());
        let committed = spawn_blocking(move || commit(&*backend, waiting)).await;
        drop(turn);
        // Whoever takes a save from those that wait tells what came of it, unless it panics.
        outcome.try_recv().unwrap_or_else(|_| {
            let what = committed.map_or_else(|panic| panic.to_string(), |()| "a save was lost".to_owned());
            Err(self.backend.damaged(what))
        })
    }

    /// Reads several scopes, none of them waiting for the saves of others in between; each is restored, with what came
    /// with it, before the next is read. Blocks, and holds saves up.
    pub fn load_all<K, T, E: ToString>(
        &self,
        scopes: Vec<(Scope, K)>,
        restore: impl Fn(&K, &Pairs) -> Result<T, E>,
    ) -> Vec<(Scope, K, Result<T, StateError>)> {
        let _turn = self.group_commit.turn.blocking_lock();
        let load = |(scope, with): (Scope, K)| {
            let loaded = self.load(&scope, |pairs| restore(&with, pairs));
            (scope, with, loaded)
        };
        scopes.into_iter().map(load).collect()
    }
}

impl GroupCommit {
    /// What is behind the lock is whole between any two statements.
    pub(super) fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn commit(backend: &dyn Backend, waiting: Vec<Waiting>) {
    let (saves, done): (Vec<Save>, Vec<_>) = waiting.into_iter().map(|one| (one.save, one.done)).unzip();
    let outcomes = match backend.commit(&saves) {
        Ok(()) => saves.iter().map(|_| Ok(())).collect(),
        Err(error) if saves.len() == 1 => vec![Err(error)],
        // What fails together is tried one by one: one that is too large for the disk fails no other.
        Err(_) => saves.chunks(1).map(|save| backend.commit(save)).collect(),
    };
    for (done, outcome) in done.into_iter().zip::<Vec<_>>(outcomes) {
        let _ = done.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::state::Redb;

    /// Memory that has no room for the scope `large`, whatever it is committed with.
    #[derive(Debug)]
    struct Small {
        memory: Redb,
        commits: Mutex<Vec<usize>>,
    }

    impl Backend for Small {
        fn scopes(&self) -> Result<Vec<Scope>, StateError> {
            self.memory.scopes()
        }

        fn load(&self, scope: &Scope) -> Result<Pairs, StateError> {
            self.memory.load(scope)
        }

        fn commit(&self, saves: &[Save]) -> Result<(), StateError> {
            self.commits.lock().unwrap().push(saves.len());
            match saves.iter().any(|save| &*save.scope.region_id == "large") {
                true => Err(self.damaged("no room".to_owned())),
                false => self.memory.commit(saves),
            }
        }

        fn forget_unused(&self, in_use: &[Scope], now: Seconds) -> Result<Vec<Scope>, StateError> {
            self.memory.forget_unused(in_use, now)
        }

        fn damaged(&self, what: String) -> StateError {
            self.memory.damaged(what)
        }
    }

    fn small() -> (Arc<Small>, Store) {
        let backend = Arc::new(Small {
            memory: Redb::in_memory().unwrap(),
            commits: Mutex::default(),
        });
        let store = Store {
            backend: Arc::<Small>::clone(&backend),
            group_commit: GroupCommit::default(),
        };
        (backend, store)
    }

    fn change(value: u8) -> [Change; 1] {
        [((0, 0), Some(vec![value]))]
    }

    fn saved(store: &Store, scope: &Scope) -> Vec<u8> {
        let bytes =
            |pairs: &Pairs| Ok::<_, String>(pairs.iter().flat_map(|(_, value)| value.to_vec()).collect());
        store.load(scope, bytes).unwrap()
    }

    #[tokio::test]
    async fn one_that_cannot_be_saved_fails_no_other() {
        let (backend, store) = small();
        let scopes = ["a", "large", "b"].map(|region_id| Scope::new("production", region_id));
        let turn = store.group_commit.turn.lock().await;
        let [a, large, b] = scopes.each_ref().map(|scope| store.save(scope, change(7), 0));
        // All of them wait when the turn comes.
        let (a, large, b, ()) = tokio::join!(a, large, b, async { drop(turn) });
        assert!(a.is_ok() && b.is_ok());
        assert!(large.unwrap_err().to_string().contains("no room"));
        assert_eq!(*backend.commits.lock().unwrap(), [3, 1, 1, 1]);
        assert_eq!(
            scopes.map(|scope| saved(&store, &scope)),
            [vec![7], vec![], vec![7]]
        );
    }

    #[tokio::test]
    async fn a_save_that_nobody_waits_for_any_more_is_committed_with_the_next() {
        let (backend, store) = small();
        let scopes = ["a", "b"].map(|region_id| Scope::new("production", region_id));
        let turn = store.group_commit.turn.lock().await;
        {
            let mut left = pin!(store.save(&scopes[0], change(1), 0));
            let polled = left.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        drop(turn);
        store.save(&scopes[1], change(2), 0).await.unwrap();
        assert_eq!(*backend.commits.lock().unwrap(), [2]);
        assert_eq!(scopes.map(|scope| saved(&store, &scope)), [[1], [2]]);
    }
}
