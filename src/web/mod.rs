//! The HTTP server: what Prometheus's exporter-toolkit is for the official exporters.
//!
//! [`Server::bind`] does all that can fail, [`Server::run`] only serves. What is answered is the caller's
//! ([`Routes`]); everything around it is here. A request passes, in reading order:
//!
//! - `listener`: the sockets, by address or from systemd;
//! - `accept`: the loop on each of them, `limit`: how many connections there may be;
//! - `secure`: the handshake, with what `tls` makes of the web configuration;
//! - `connection`: HTTP/1 or HTTP/2 with the deadlines of `progress`, seen through `watched`;
//! - `site`: the order of work around each answer: `config` (read again when `files` sees a change), a
//!   token bucket, `auth`;
//! - `routes`: paths, methods, `--web.max-requests`; `upload`: the bodies of the few requests that have one; `unread`:
//!   those that nobody reads; `body`: answers that share their bytes.
//!
//! Absent on purpose: the pages themselves, reload of the main configuration, compression (the pages are made
//! compressed).

mod server;

mod accept;
mod limit;
mod listener;

mod secure;
mod tls;

mod connection;
mod progress;
mod watched;

mod auth;
mod check;
pub mod config;
mod files;
mod site;

mod body;
mod error;
mod routes;
mod unread;
mod upload;

pub mod notify;

pub use body::Body;
pub use check::check;
pub use error::WebError;
pub(crate) use files::Live;
pub use listener::{Address, check_address};
pub use routes::{Routes, error};
pub use server::{Options, Server};
pub use upload::Upload;
