//! Two replicas on one record in a real PostgreSQL: one leads, and whatever ends it costs no count.

mod copy;
mod database;
mod lost;
mod pair;
mod refusals;
mod serving;
mod takeover;

pub use pair::Pair;
