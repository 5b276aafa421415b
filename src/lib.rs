//! The library behind the `cloud-assistant-exporter` daemon: how Cloud Assistant commands end, for Prometheus.
//!
//! # Flow
//!
//! ```text
//! config -> aliyun -> poll -> record -> expose -> web
//!                      |        |         ^
//!                      |      state       |
//!                      +------ view ------+
//! ```
//!
//! Each scope (one account in one region) has one task, its [`poll::poller::Poller`]. It asks [`aliyun`] what
//! [`poll::scan`] wants to know, hands the findings to its [`record`], saves what changed in the [`state`], and only
//! then puts its picture on the [`view::Board`]. [`expose`] renders the board when it has changed; [`web`] serves those
//! bytes and the [`pages`].
//!
//! # Map
//!
//! | module | knows | must never know |
//! |---|---|---|
//! | [`cli`], [`run`], [`signals`], `healthcheck`, `version`, [`telemetry`] | the process: flags, signals, exit codes, the log | what is counted |
//! | [`app`] | which pollers there should be; composes everything | how anything is done |
//! | [`config`], `secret` | the file and the environment, read once | the cloud |
//! | `regular_file`, `yaml`, `form`, `duration`, `shown` | opening and reading what others write, and showing it in messages | what is in it |
//! | `file_lock` | one process at a time | what it does |
//! | `token_bucket` | how often something may happen | what |
//! | [`scope`], [`result`](mod@result), [`selection`], `fingerprint`, [`timestamp`], [`clock`] | plain values of the field | JSON, counting |
//! | [`requests`] | what is asked of the API, why it was not had, and how often each | how it is asked |
//! | [`aliyun`] | the wire: signing, credentials, retries, JSON | what a result means |
//! | [`poll`] | when and what to ask | how results add up |
//! | [`events`] | that something has happened, and where | what |
//! | [`record`] | what results add up to, each once | I/O, clocks, async |
//! | [`state`] | keys and bytes, safe against crashes: in a file, or in a database that replicas share | what the bytes mean |
//! | [`lease`] | until when a replica that leads may show what it has | which replicas there are |
//! | [`view`] | the immutable picture of everything | where it comes from |
//! | [`expose`] | the formats of metrics, compression, negotiation | the cloud, HTTP |
//! | [`backfill`] | the past of the counters, as files for a database | the cloud |
//! | [`pages`] | what is answered at each path | the cloud: every page is made from the view |
//! | [`web`] | sockets, TLS, users, limits, deadlines | what is served |
//!
//! # Imports
//!
//! Folders and files of `src` import only those named here, and the modules of a folder import each other in one
//! direction; a folder's own `mod.rs` is its door, known to all its rooms. `tests/it/imports` reads every import.
//!
//! | module | may import |
//! |---|---|
//! | `app` | `backfill`, `cli`, `file_lock`, `regular_file`, `secret`, `telemetry`, `version`, `config`, `clock`, `result`, `scope`, `selection`, `timestamp`, `requests`, `aliyun`, `events`, `poll`, `record`, `state`, `expose`, `lease`, `pages`, `view`, `web` |
//! | `backfill` | `file_lock`, `fingerprint`, `expose`, `record`, `result`, `scope`, `timestamp` |
//! | `cli` | `config`, `duration` |
//! | `telemetry` | `config` |
//! | `healthcheck` | `cli`, `web` |
//! | `run` | `app`, `cli`, `healthcheck`, `signals`, `telemetry`, `version`, `config` |
//! | `signals`, `version`, `duration`, `file_lock`, `form`, `regular_file`, `secret`, `shown`, `token_bucket`, `yaml`, `fingerprint`, `lease`, `scope` | |
//! | `config` | `duration`, `regular_file`, `secret`, `shown`, `yaml`, `result`, `selection` |
//! | `clock` | `result`, `timestamp` |
//! | `result` | `selection` |
//! | `selection` | `fingerprint` |
//! | `timestamp` | `result` |
//! | `requests` | `result`, `scope` |
//! | `aliyun` | `config`, `clock`, `lease`, `regular_file`, `requests`, `secret`, `shown`, `token_bucket`, `fingerprint`, `result`, `scope`, `selection`, `timestamp` |
//! | `events` | `config`, `form`, `secret`, `shown`, `token_bucket`, `requests`, `scope`, `timestamp`, `aliyun`, `poll`, `view`, `web` |
//! | `poll` | `config`, `clock`, `requests`, `result`, `scope`, `shown`, `timestamp`, `aliyun`, `record`, `state`, `view` |
//! | `record` | `clock`, `result`, `selection` |
//! | `state` | `config`, `file_lock`, `lease`, `regular_file`, `secret`, `result`, `scope` |
//! | `expose` | `requests`, `scope`, `record`, `view` |
//! | `pages` | `form`, `version`, `result`, `scope`, `timestamp`, `requests`, `record`, `expose`, `view`, `web` |
//! | `view` | `lease`, `requests`, `result`, `scope`, `record` |
//! | `web` | `duration`, `regular_file`, `secret`, `shown`, `token_bucket`, `yaml` |
//!
//! # Invariants
//!
//! - Signing, planning, counting and encoding are functions of values; `now` is one of them. Only `aliyun`'s client,
//!   the poller, `app` and `run` read a clock.
//! - A record has one writer. Readers get an `Arc` of something that never changes.
//! - Nothing is shown that is not saved. After a failed save the record in memory is dropped and read again.
//! - A scrape waits for nothing: not for the cloud, a poll, the disk, or a lock that is held over any of them.
//! - A task that dies ends the process, with its name.
//!
//! # Absent on purpose
//!
//! Collecting at scrape time (the API is slow, limited and shared), timestamps on samples, labels of instances,
//! invocations or commands on counters, a global metrics registry, mocks: tests run the real thing against
//! `tests/simulator`, a crate that shares no code with this one.

pub mod app;
pub mod cli;
mod healthcheck;
pub mod run;
pub mod signals;
pub mod telemetry;
mod version;

pub mod config;
pub mod duration;
mod file_lock;
mod form;
mod regular_file;
mod secret;
mod shown;
mod token_bucket;
mod yaml;

pub mod clock;
mod fingerprint;
pub mod lease;
pub mod requests;
pub mod result;
pub mod scope;
pub mod selection;
pub mod timestamp;

pub mod aliyun;
pub mod backfill;
pub mod events;
pub mod poll;
pub mod record;
pub mod state;

pub mod expose;
pub mod pages;
pub mod view;
pub mod web;
