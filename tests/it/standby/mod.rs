//! Two replicas on one record in a real PostgreSQL: one leads, and whatever ends it costs no count.

mod copy;
mod damaged;
mod database;
mod lost;
mod many;
mod network;
mod pair;
mod proxy;
mod refusals;
mod replication;
mod serving;
mod session;
mod takeover;
mod tls;

pub use pair::Pair;
