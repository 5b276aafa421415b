//! The one integration binary.

// All of it is tests, also what is not in a function that is marked as one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations
)]

mod cloud;
mod cost;
mod counting;
mod exporter;
mod exposition;
mod faults;
mod http;
mod scrape;
mod stage;
mod web;
