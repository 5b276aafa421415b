//! The daemon `cloud-assistant-exporter`.

use std::process::ExitCode;

use clap::Parser;
use cloud_assistant_exporter::cli::Cli;
use cloud_assistant_exporter::run;

fn main() -> ExitCode {
    run::main(Cli::parse())
}
