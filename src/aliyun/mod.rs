//! Everything that knows the wire of Alibaba Cloud.

pub mod error;
pub mod invocations;
pub mod limit;
pub mod rows;
pub mod sign;
