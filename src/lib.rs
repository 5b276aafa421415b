//! The library behind the `cloud-assistant-exporter` daemon.

pub mod secret;
pub mod web;
