//! Everything that knows how Alibaba Cloud is spoken to.

pub mod credentials;
pub mod sign;
