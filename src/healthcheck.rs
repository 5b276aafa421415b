//! `--healthcheck`: asks the exporter that runs with the same flags whether it works.
//!
//! For images that hold nothing but the program, and so nothing else that could ask.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{ClientBuilder, StatusCode};

use crate::cli::Cli;
use crate::web;

/// Within the 5 s that the image gives it.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Asks for `/-/healthy` at the first listen address; 401 is the answer of a working exporter too.
///
/// # Errors
/// Where it asked, and why that is not healthy.
pub(crate) async fn ask(cli: &Cli) -> anyhow::Result<()> {
    if cli.web_systemd_socket {
        bail!("the address is systemd's: give --web.listen-address instead of --web.systemd-socket");
    }
    let address = cli.web_listen_address.first().map_or("", String::as_str);
    let is_tls = match &cli.web_config_file {
        Some(path) => web::config::is_tls(path)?,
        None => false,
    };
    let (host, socket) = target(address);
    let url = format!("{}://{host}/-/healthy", if is_tls { "https" } else { "http" });
    // The certificate is for the names that others use, and nothing secret is sent.
    let client = ClientBuilder::new()
        .tls_danger_accept_invalid_certs(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT);
    let client = match socket {
        Some(path) => client.unix_socket(path),
        None => client,
    };
    let response = client.build()?.get(&url).send().await;
    let response = response.with_context(|| format!("{address}: no answer"))?;
    match response.status() {
        StatusCode::OK | StatusCode::UNAUTHORIZED => Ok(()),
        status => bail!("{address}: /-/healthy answered {status}"),
    }
}

/// Host and port to ask, and the unix socket that leads there. All addresses of the machine include its own.
fn target(listen_address: &str) -> (String, Option<&Path>) {
    if let Some(path) = listen_address.strip_prefix("unix:") {
        return ("localhost".to_owned(), Some(Path::new(path)));
    }
    let host = match listen_address.rsplit_once(':') {
        Some(("" | "0.0.0.0", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => listen_address.to_owned(),
    };
    (host, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_where_the_exporter_listens() {
        for (listens, asked) in [
            (":10069", "127.0.0.1:10069"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("[fe80::1]:80", "[fe80::1]:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("metrics.example:80", "metrics.example:80"),
        ] {
            assert_eq!(target(listens), (asked.to_owned(), None), "{listens}");
        }
        let (_, socket) = target("unix:/run/exporter.sock");
        assert_eq!(socket, Some(Path::new("/run/exporter.sock")));
    }
}
