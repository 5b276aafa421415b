//! Saving: one transaction for the saves that are committed together, fenced by the epoch.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_postgres::types::ToSql;

use super::failure::ANOTHER_LEADS;
use super::schema::stored;
use super::{NUMBERS, Numbered, Postgres, Scopes};
use crate::result::Seconds;
use crate::scope::Scope;
use crate::state::{Change, DatabaseError, Save, last_use};

/// So many changes are sent with one statement: within its time limit, and far below the largest message.
const AT_ONCE: usize = 20_000;

impl Postgres {
    /// Saves all of it or nothing.
    pub(super) async fn write(&self, saves: &[Save]) -> Result<(), DatabaseError> {
        let mut scopes = self.read_scopes().await?;
        let used = numbered(&scopes, saves).ok_or_else(|| {
            self.replica
                .damaged("table scopes has no number left for a new scope".to_owned())
        })?;
        if !used.is_empty() {
            Arc::make_mut(&mut scopes).extend(used.iter().cloned());
        }
        let transaction = async {
            let revision = self.begin().await?;
            self.set_scopes(&used).await?;
            let mut batch = Batch::default();
            for save in saves {
                let Some(Numbered { number, .. }) = scopes.get(&save.scope) else {
                    continue;
                };
                // Each place at most once: what is saved twice is saved in its order.
                if batch.has(*number) {
                    self.change(std::mem::take(&mut batch)).await?;
                }
                for change in &save.changes {
                    if batch.len() == AT_ONCE {
                        self.change(std::mem::take(&mut batch)).await?;
                    }
                    batch.push(*number, change);
                }
            }
            self.change(batch).await?;
            Ok(revision)
        };
        let revision = self.committed(transaction.await).await?;
        self.saved(revision, scopes);
        Ok(())
    }

    /// Forgets what has not been configured for long.
    pub(super) async fn forget(&self, in_use: &[Scope], now: Seconds) -> Result<Vec<Scope>, DatabaseError> {
        let mut scopes = self.read_scopes().await?;
        let in_use: HashSet<&Scope> = in_use.iter().collect();
        let (mut used, mut gone) = (Vec::new(), Vec::new());
        for (scope, numbered) in &*scopes {
            if in_use.contains(scope) {
                if last_use::is_to_be_noted(numbered.used, now) {
                    used.push((
                        scope.clone(),
                        Numbered {
                            used: now,
                            ..*numbered
                        },
                    ));
                }
            } else if last_use::is_over(numbered.used, now) {
                gone.push((scope.clone(), numbered.number));
            }
        }
        if used.is_empty() && gone.is_empty() {
            return Ok(Vec::new());
        }
        let known = Arc::make_mut(&mut scopes);
        known.extend(used.iter().cloned());
        for (scope, _) in &gone {
            known.remove(scope);
        }
        let numbers: Vec<i32> = gone.iter().map(|(_, number)| *number).collect();
        let transaction = async {
            let revision = self.begin().await?;
            self.set_scopes(&used).await?;
            let session = self.replica.session();
            for statement in [&self.statements.forget_records, &self.statements.forget_scopes] {
                session.execute(statement, &[&numbers]).await?;
            }
            Ok(revision)
        };
        let revision = self.committed(transaction.await).await?;
        self.saved(revision, scopes);
        Ok(gone.into_iter().map(|(scope, _)| scope).collect())
    }

    /// Begins a transaction, and numbers the save. Where this replica does not lead, there is no row.
    async fn begin(&self) -> Result<u64, DatabaseError> {
        let session = self.replica.session();
        session.batch("begin").await?;
        let is_complete = self.is_complete.load(Ordering::Acquire);
        let numbered = session
            .row(&self.statements.next_revision, &[&self.epoch, &is_complete])
            .await?;
        match numbered {
            Some(row) => {
                let number = self.replica.column::<i64>(&row, "leadership", 0)?;
                Ok(number.cast_unsigned())
            }
            None => Err(DatabaseError::Gone(session.end(ANOTHER_LEADS.to_owned()))),
        }
    }

    /// Commits what was done, or takes it back.
    async fn committed(&self, done: Result<u64, DatabaseError>) -> Result<u64, DatabaseError> {
        let session = self.replica.session();
        let outcome = match done {
            Ok(revision) => session.commit().await.map(|()| revision),
            Err(error) => {
                let _ = session.batch("rollback").await;
                Err(error)
            }
        };
        if outcome.is_err() {
            *self.known_scopes() = None;
        }
        outcome
    }

    async fn set_scopes(&self, used: &[(Scope, Numbered)]) -> Result<(), DatabaseError> {
        if used.is_empty() {
            return Ok(());
        }
        let numbers: Vec<i32> = used.iter().map(|(_, numbered)| numbered.number).collect();
        let accounts: Vec<&str> = used.iter().map(|(scope, _)| &*scope.account).collect();
        let regions: Vec<&str> = used.iter().map(|(scope, _)| &*scope.region_id).collect();
        let times: Vec<i64> = used.iter().map(|(_, numbered)| numbered.used.into()).collect();
        let columns: [&(dyn ToSql + Sync); 4] = [&numbers, &accounts, &regions, &times];
        self.replica
            .session()
            .execute(&self.statements.set_scopes, &columns)
            .await
    }

    async fn change(&self, batch: Batch<'_>) -> Result<(), DatabaseError> {
        let session = self.replica.session();
        let Batch {
            set, values, removed, ..
        } = &batch;
        if !values.is_empty() {
            session
                .execute(
                    &self.statements.set,
                    &[&set.scopes, &set.kinds, &set.numbers, values],
                )
                .await?;
        }
        if !removed.scopes.is_empty() {
            session
                .execute(
                    &self.statements.remove,
                    &[&removed.scopes, &removed.kinds, &removed.numbers],
                )
                .await?;
        }
        Ok(())
    }
}

/// Changes that are sent together, of however many scopes; each place at most once.
#[derive(Debug, Default)]
struct Batch<'a> {
    of: HashSet<i32>,
    set: Columns,
    values: Vec<&'a [u8]>,
    removed: Columns,
}

impl<'a> Batch<'a> {
    fn has(&self, scope: i32) -> bool {
        self.of.contains(&scope)
    }

    fn len(&self) -> usize {
        self.values.len() + self.removed.scopes.len()
    }

    fn push(&mut self, scope: i32, (place, value): &'a Change) {
        self.of.insert(scope);
        match value {
            Some(value) => {
                self.set.push(scope, *place);
                self.values.push(value);
            }
            None => self.removed.push(scope, *place),
        }
    }
}

/// Places, as the database has them.
#[derive(Debug, Default)]
struct Columns {
    scopes: Vec<i32>,
    kinds: Vec<i16>,
    numbers: Vec<i64>,
}

impl Columns {
    fn push(&mut self, scope: i32, (kind, number): (u8, u64)) {
        self.scopes.push(scope);
        self.kinds.push(kind.into());
        self.numbers.push(stored(number));
    }
}

/// Gives new scopes their numbers; says which scopes are to be written. None where there is no number left.
fn numbered(scopes: &Scopes, saves: &[Save]) -> Option<Vec<(Scope, Numbered)>> {
    let highest = scopes.values().map(|numbered| numbered.number).max();
    let mut free = highest.map_or(NUMBERS.start, |highest| highest.saturating_add(1))..NUMBERS.end;
    let mut written = Scopes::new();
    for Save { scope, now, .. } in saves {
        let known = written.get(scope).or_else(|| scopes.get(scope)).copied();
        let number = match known {
            Some(Numbered { used, .. }) if !last_use::is_to_be_noted(used, *now) => continue,
            Some(Numbered { number, .. }) => number,
            None => free.next()?,
        };
        written.insert(scope.clone(), Numbered { number, used: *now });
    }
    Some(written.into_iter().collect())
}
