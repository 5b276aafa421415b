//! `--config.check` and `--config.check-credentials`.

use crate::cli::Cli;
use crate::web;

/// Everything that is wrong with the configuration and the web configuration, one message each; nothing when all is
/// well.
pub fn configuration(cli: &Cli, environment: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    match super::load_config(cli, environment) {
        Ok(config) => wrong.extend(config.check_files().err().map(|error| error.to_string())),
        Err(error) => wrong.push(error.to_string()),
    }
    if let Some(path) = &cli.web_config_file {
        wrong.extend(web::config::check(path).err().map(|error| error.to_string()));
    }
    wrong
}
