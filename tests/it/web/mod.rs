//! The web server, from outside.

mod conformance;
mod fixtures;
mod healthcheck;
mod hostile;
mod http2;
mod logs;
mod plain;
mod program;
mod prometheus;
mod site;
mod systemd;
mod tls_client;
mod tls_files;
