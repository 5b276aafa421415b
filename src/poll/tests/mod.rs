//! Polls and the record together, against a cloud of a few lines: whatever happens, and in whatever order it is
//! listed, the counters are what a set of identities says. And the poller around them, over the same cloud.

pub(crate) mod api;
mod cloud;
mod day;
pub(crate) mod disk;
pub(super) mod exporter;
mod hints;
mod histories;
mod known;
mod loss;
mod many;
pub(crate) mod property;
mod shell;
