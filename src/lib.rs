//! The library behind the `cloud-assistant-exporter` daemon.

pub mod app;
pub mod cli;
pub mod run;
pub mod telemetry;
pub mod version;

pub mod config;
pub mod secret;

pub mod result;
pub mod scope;
pub mod timestamp;

pub mod aliyun;
pub mod poll;
pub mod record;
pub mod state;

pub mod expose;
pub mod pages;
pub mod view;
pub mod web;
