//! Reading the record.

use std::pin::pin;
use std::sync::Arc;

use futures_util::TryStreamExt;

use super::schema::number;
use super::{Numbered, Postgres, Scopes};
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
        let scopes: Scopes = rows
            .iter()
            .map(|row| {
                let numbered = Numbered {
                    number: row.get(0),
                    used: Seconds::try_from(row.get::<_, i64>(3)).unwrap_or_default(),
                };
                (Scope::new(row.get(1), row.get(2)), numbered)
            })
            .collect();
        let scopes = Arc::new(scopes);
        *self.known_scopes() = Some(Arc::clone(&scopes));
        Ok(scopes)
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
                let place = (kind.to_le_bytes()[0], number(row.try_get(1)?));
                pairs.push(place, row.try_get(2)?);
            }
            Ok(pairs)
        };
        session.run(reading).await
    }
}
