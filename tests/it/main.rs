//! The one integration binary.

// All of it is tests, also what is not in a function that is marked as one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations
)]

mod accounts;
mod broken;
mod cloud;
mod counting;
mod crash;
mod credentials;
mod exporter;
mod figures;
mod fleet;
mod network;
mod regions;
mod reload;
mod scrape;
mod web;
