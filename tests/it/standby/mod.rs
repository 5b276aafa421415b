//! Two replicas on one record in a real PostgreSQL: one leads, and whatever ends it costs no count.

mod copy;
mod damaged;
mod database;
mod failover;
mod figures;
mod full;
mod lost;
mod many;
mod namespaces;
mod network;
mod observer;
mod pair;
mod proxy;
mod refusals;
mod replication;
mod serving;
mod session;
mod takeover;
mod tls;
mod versions;

pub use pair::Pair;
