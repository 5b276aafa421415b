//! The library behind the `cloud-assistant-exporter` daemon.

pub mod aliyun;
pub mod cli;
pub mod config;
pub mod expose;
pub mod poll;
pub mod record;
pub mod result;
pub mod scope;
pub mod secret;
pub mod state;
pub mod timestamp;
pub mod view;
pub mod web;
