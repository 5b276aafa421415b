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
mod backfill;
mod broken;
mod cloud;
mod commands;
mod cost;
mod counting;
mod crash;
mod credentials;
mod documentation;
mod events;
mod exporter;
mod exposition;
mod faults;
mod figures;
mod fleet;
mod hostile;
mod http;
mod imports;
mod keys;
mod logfmt;
mod misbehaving;
mod network;
mod regions;
mod reload;
mod scrape;
mod stage;
mod standby;
mod stuck;
mod web;
