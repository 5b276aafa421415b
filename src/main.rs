//! The daemon `cloud-assistant-exporter`.

fn main() {}
