//! Turning the pages of one list, which may have no end.

use std::collections::HashSet;

use crate::aliyun::error::{CallError, Reason};

/// No list is longer; the API keeps 100,000 results at most, and gives 50 a page.
pub(super) const MAX_PAGES: usize = 5_000;
/// The same in rows.
pub(super) const MAX_ROWS: usize = 200_000;

/// The list that is being read.
#[derive(Debug, Default)]
pub(in crate::poll) struct Pages {
    /// How many have been read.
    pub read: usize,
    rows: usize,
    /// NextToken of the last one.
    pub token: Option<String>,
    /// Those that it has had.
    tokens: HashSet<String>,
}

impl Pages {
    /// A page has come, with so many rows.
    ///
    /// # Errors
    /// When the list goes round in a circle, or has no end.
    pub(in crate::poll) fn turn(&mut self, rows: usize, next_token: Option<String>) -> Result<(), CallError> {
        self.read += 1;
        if self.read > MAX_PAGES {
            let what = format!("a list of more than {MAX_PAGES} pages");
            return Err(CallError::new(Reason::Malformed, what).lasting());
        }
        self.rows += rows;
        if self.rows > MAX_ROWS {
            let what = format!("a list of more than {MAX_ROWS} rows");
            return Err(CallError::new(Reason::Malformed, what).lasting());
        }
        if let Some(token) = &next_token
            && !self.is_new(token)
        {
            let what = "a NextToken that the same list has had before: it goes round in a circle";
            return Err(CallError::new(Reason::Malformed, what).lasting());
        }
        self.token = next_token;
        Ok(())
    }

    /// Whether the list has not had this NextToken before.
    pub(super) fn is_new(&mut self, token: &str) -> bool {
        self.tokens.insert(token.to_owned())
    }
}
