//! The web server, from outside.

mod conformance;
mod fixtures;
mod plain;
mod site;
mod tls_client;
