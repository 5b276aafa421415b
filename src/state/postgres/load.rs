//! Reading the record.

use std::pin::pin;
use std::sync::Arc;

use futures_util::TryStreamExt;
use tokio_postgres::Row;

use super::schema::number;
use super::{NUMBERS, Numbered, Postgres, Scopes};
use crate::result::Seconds;
use crate::scope::Scope;
use crate::state::{DatabaseError, Pairs, Place};

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
        let replica = &self.replica;
        let number: i32 = replica.column(row, "scopes", 0)?;
        let used: i64 = replica.column(row, "scopes", 3)?;
        let scope = Scope::new(
            replica.column(row, "scopes", 1)?,
            replica.column(row, "scopes", 2)?,
        );
        if !NUMBERS.contains(&number) {
            return Err(self.replica.damaged(format!(
                "table scopes has scope = {number} for {scope}, which is no number of a scope"
            )));
        }
        let used = Seconds::try_from(used).map_err(|_| {
            self.replica.damaged(format!(
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
                match self.pair_in(&row, of) {
                    Ok((place, value)) => pairs.push(place, value),
                    Err(damaged) => return Ok(Err(damaged)),
                }
            }
            Ok(Ok(pairs))
        };
        session.run(reading).await?
    }

    fn pair_in<'r>(&self, row: &'r Row, of: i32) -> Result<(Place, &'r [u8]), DatabaseError> {
        let replica = &self.replica;
        let kind: i16 = replica.column(row, "record", 0)?;
        let kind = u8::try_from(kind).map_err(|_| {
            replica.damaged(format!(
                "table record has kind = {kind} where scope = {of}, and kinds are 0 to 255"
            ))
        })?;
        let number = number(replica.column(row, "record", 1)?);
        Ok(((kind, number), replica.column(row, "record", 2)?))
    }
}
