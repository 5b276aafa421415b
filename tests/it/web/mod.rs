//! The web server, from outside.

mod plain;
mod site;
