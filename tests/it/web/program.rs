//! Programs of the Prometheus project.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::site::PATIENCE;

/// A program that listens, until it is dropped.
pub(super) struct Program {
    pub(super) address: SocketAddr,
    _process: Child,
}

impl Program {
    /// Starts it, and reads from its log where it listens; none where it is not installed.
    pub(super) async fn start(mut command: Command) -> Option<Self> {
        let mut process = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().ok()?;
        let mut lines = BufReader::new(process.stderr.take()?).lines();
        let address = timeout(PATIENCE, async {
            let mut log = String::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                let (_, rest) = line.split_once("address=").unwrap_or_default();
                let address = rest.split(' ').next().unwrap_or_default().parse::<SocketAddr>();
                if let Some(address) = address.ok().filter(|address| address.port() != 0) {
                    return address;
                }
                log.push_str(&line);
                log.push('\n');
            }
            panic!("it ended: {log}");
        });
        let address = address.await.unwrap();
        // Whatever else it logs must have a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some(Self {
            address,
            _process: process,
        })
    }
}
