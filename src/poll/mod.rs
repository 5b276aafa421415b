//! When to ask and what.

pub mod cycle;
pub mod follow;
pub mod history;
pub mod names;
pub mod poller;
mod result_log;
pub mod timetable;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod endless;
