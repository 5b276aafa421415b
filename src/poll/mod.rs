//! When to ask and what.

pub mod cycle;
pub mod follow;
pub mod history;
