//! The library behind the `cloud-assistant-exporter` daemon.

pub mod aliyun;
pub mod cli;
pub mod config;
pub mod secret;
