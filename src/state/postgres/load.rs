//! Reading the record.

use std::pin::pin;
use std::sync::Arc;

use futures_util::TryStreamExt;
use tokio_postgres::Row;

use super::schema::number;
use super::{NUMBERS, Numbered, Postgres, Scopes};
use crate::result::Seconds;
use crate::scope::Scope;
use crate::state::{DatabaseError, Pairs};

impl Postgres {
    /// The scopes that have something saved.
    pub(super) async fn read_scopes(&self) -> Result<Arc<Scopes>, DatabaseError> {
        if let Some(scopes) = &*self.known_scopes() {
            return Ok(Arc::clone(scopes));
        }
        let session = self.replica.session();
        let rows = session
            .run(session.client.query(&self.statements.scopes, &[]))
            .await?;
        let scopes = rows.iter().map(|row| self.scope_in(row));
        let scopes = Arc::new(scopes.collect::<Result<Scopes, _>>()?);
        *self.known_scopes() = Some(Arc::clone(&scopes));
        Ok(scopes)
    }

    fn scope_in(&self, row: &Row) -> Result<(Scope, Numbered), DatabaseError> {
        let (number, used): (i32, i64) = (row.get(0), row.get(3));
        let scope = Scope::new(row.get(1), row.get(2));
        if !NUMBERS.contains(&number) {
            return Err(self.damaged_by(format!(
                "table scopes has scope = {number} for {scope}, which is no number of a scope"
            )));
        }
        let used = Seconds::try_from(used).map_err(|_| {
            self.damaged_by(format!(
                "table scopes has last_used = {used} for {scope}, which is no time in Unix seconds"
            ))
        })?;
        Ok((scope, Numbered { number, used }))
    }

    /// The pairs of a scope, row by row: there may be a million.
    pub(super) async fn read(&self, scope: &Scope) -> Result<Pairs, DatabaseError> {
        let Some(Numbered { number: of, .. }) = self.read_scopes().await?.get(scope).copied() else {
            return Ok(Pairs::default());
        };
        let session = self.replica.session();
        let reading = async {
            let rows = session.client.query_raw(&self.statements.load, [of]).await?;
            let mut rows = pin!(rows);
            let mut pairs = Pairs::default();
            while let Some(row) = rows.try_next().await? {
                let kind = row.try_get::<_, i16>(0)?;
                match u8::try_from(kind) {
                    Ok(kind) => pairs.push((kind, number(row.try_get(1)?)), row.try_get(2)?),
                    Err(_) => return Ok(Err(kind)),
                }
            }
            Ok(Ok(pairs))
        };
        session.run(reading).await?.map_err(|kind| {
            self.damaged_by(format!(
                "table record has kind = {kind} where scope = {of}, and kinds are 0 to 255"
            ))
        })
    }
}
