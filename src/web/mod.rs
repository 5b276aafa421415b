//! The HTTP server: what Prometheus's exporter-toolkit is for the official exporters.
//!
//! [`Server::bind`] does all that can fail, [`Server::run`] only serves. What is answered is the caller's
//! ([`Routes`]); everything around it is here. A request passes, in reading order:
//!
//! - `listener`: the sockets, by address or from systemd;
//! - `accept`: the loop on each of them, `limit`: how many connections there may be;
//! - `connection`: HTTP/1 or HTTP/2 with the deadlines of `progress`, seen through `watched`;
//! - `site`: the order of work around each answer;
//! - `routes`: paths, methods, `--web.max-requests`; `body`: answers that share their bytes.
//!
//! Absent on purpose: the pages themselves, reload of the main configuration, compression (the pages are made
//! compressed), bodies of requests (nothing takes one).

mod accept;
mod body;
mod connection;
mod error;
mod limit;
mod listener;
mod progress;
mod routes;
mod server;
mod site;
mod watched;

pub use body::Body;
pub use error::WebError;
pub use listener::Address;
pub use routes::{Routes, error};
pub use server::{Options, Server};
