//! Saves of many pollers: those that wait for the disk meanwhile are saved together by the next of them. Hundreds of
//! scopes that begin at once would else wait for hundreds of commits.
//!
//! They wait without a thread of their own: each thread that has ever saved keeps memory.

use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::Mutex as AsyncMutex;
use tokio::task::spawn_blocking;

use super::{StateError, Store, lock, write_changes};
use crate::record::Change;
use crate::result::Seconds;
use crate::scope::Scope;

/// Saves under way.
#[derive(Debug, Default)]
pub(super) struct Saves {
    /// Those that nobody has begun yet.
    pub(super) waiting: Mutex<Vec<Save>>,
    /// Held by the one that saves those that wait.
    pub(super) turn: AsyncMutex<()>,
}

/// What a poll changed, and what came of saving it.
#[derive(Debug)]
pub(super) struct Save {
    pub(super) scope: Scope,
    pub(super) changes: Vec<Change>,
    pub(super) now: Seconds,
    outcome: Arc<OnceLock<Outcome>>,
}

/// What came of a save, until whoever asked for it takes it.
type Outcome = Mutex<Option<Result<(), StateError>>>;

impl Store {
    /// Saves what a poll changed, all of it or nothing. When this returns, it outlives a crash.
    ///
    /// # Errors
    /// When the disk refuses. Whether the changes were written is then unknown: the record must be loaded again.
    pub async fn save(
        self: &Arc<Self>,
        scope: &Scope,
        changes: Vec<Change>,
        now: Seconds,
    ) -> Result<(), StateError> {
        let outcome = Arc::new(OnceLock::new());
        lock(&self.saves.waiting).push(Save {
            scope: scope.clone(),
            changes,
            now,
            outcome: Arc::clone(&outcome),
        });
        let turn = self.saves.turn.lock().await;
        // Whoever had the turn before may have saved this as well.
        if outcome.get().is_none() {
            let store = Arc::clone(self);
            let _ = spawn_blocking(move || store.save_waiting()).await;
        }
        drop(turn);
        match outcome.get().and_then(|outcome| lock(outcome).take()) {
            Some(outcome) => outcome,
            // Whoever takes a save from those that wait sets its outcome, unless it panics.
            None => Err(StateError::Damaged {
                path: self.path.clone(),
                what: "a save was lost".to_owned(),
            }),
        }
    }

    fn save_waiting(&self) {
        let saves = std::mem::take(&mut *lock(&self.saves.waiting));
        let together = self.write(|transaction| {
            let mut saves = saves.iter();
            saves.try_for_each(|save| write_changes(transaction, save))
        });
        let alone = saves.len() == 1;
        let mut together = Some(together);
        for save in saves {
            let outcome = match together.take_if(|together| together.is_err() && alone) {
                Some(error) => error,
                None if matches!(together, Some(Ok(()))) => Ok(()),
                // What fails together is tried one by one: one that is too large for the disk fails no other.
                None => self.write(|transaction| write_changes(transaction, &save)),
            };
            let _ = save.outcome.set(Mutex::new(Some(outcome)));
        }
    }
}
