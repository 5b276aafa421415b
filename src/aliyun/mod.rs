//! Everything that knows the wire of Alibaba Cloud.

pub mod action;
pub mod answer;
pub mod client;
pub mod credentials;
pub mod ecs;
pub mod endpoint;
pub mod error;
pub mod http;
pub mod invocations;
pub mod last_hour;
pub mod limit;
pub mod pause;
pub mod regions;
pub mod requests;
pub mod rows;
pub mod sign;
mod tags;
