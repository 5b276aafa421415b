//! The daemon `cloud-assistant-exporter`.

use std::process::ExitCode;

use cloud_assistant_exporter::cli::Cli;
use cloud_assistant_exporter::run;

fn main() -> ExitCode {
    run::main(Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit()))
}
