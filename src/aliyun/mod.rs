//! Everything that knows the wire of Alibaba Cloud.

pub(crate) mod answer;
pub mod client;
pub mod credentials;
pub mod ecs;
pub(crate) mod endpoint;
pub mod error;
mod error_body;
pub mod http;
pub mod in_flight;
pub mod invocations;
pub(crate) mod limit;
pub(crate) mod pause;
pub mod queue;
pub mod regions;
pub mod rows;
mod sign;
mod tags;
