//! When to ask and what.

pub mod agenda;
pub mod cloud;
mod conversation;
mod error;
mod held;
pub mod inbox;
mod invocations;
pub mod past;
pub mod plan;
pub mod poller;
pub mod records;
mod result_log;
pub mod scan;
pub mod share;
mod showing;
mod sweep;
pub mod telling;
pub mod timetable;

pub use held::Held;

#[cfg(test)]
pub(crate) mod tests;
