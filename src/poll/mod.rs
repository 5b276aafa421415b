//! When to ask and what.

pub mod cycle;
pub mod follow;
pub mod history;
pub mod poller;
pub mod timetable;

#[cfg(test)]
mod tests;
