//! One account in one region.

use std::fmt;
use std::sync::Arc;

/// What is polled, rate-limited and reported on its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The configured name of the account.
    pub account: Arc<str>,
    /// RegionId.
    pub region_id: Arc<str>,
}

impl Scope {
    /// The scope of an account in a region.
    pub fn new(account: &str, region_id: &str) -> Self {
        Self {
            account: account.into(),
            region_id: region_id.into(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.account, self.region_id)
    }
}
