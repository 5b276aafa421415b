//! The same cases put to programs of the Prometheus project, where they are installed: Debian's node_exporter (its
//! toolkit is 0.8.2, which knows no rate limit) and promtool.

use std::collections::BTreeSet;
use std::path::Path;

use cloud_assistant_exporter::web;
use tokio::process::Command;

use super::checks::{file_rows, tls_rows};
use super::fixtures::{Folder, Pair, basic, users};
use super::program::Program;
use super::site::{Site, get};
use super::tls_client::TlsClient;

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const HEADERS: &str = "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    \
                       Strict-Transport-Security: max-age=1\n";

/// A node_exporter; none where it is not installed.
async fn node_exporter(web_config: &Path) -> Option<Program> {
    let mut command = Command::new("prometheus-node-exporter");
    command
        .args(["--web.listen-address=127.0.0.1:0", "--collector.disable-defaults"])
        .arg(format!("--web.config.file={}", web_config.display()));
    Program::start(command).await
}

/// What of an answer must be the same: status, the fields of errors and of the configuration, and bodies of errors.
fn essence(answer: &str) -> (String, BTreeSet<String>, Option<String>) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let (status, lines) = head.split_once("\r\n").unwrap_or((head, ""));
    let is_error = !status.contains(" 200 ");
    let names = [
        "www-authenticate",
        "x-frame-options",
        "strict-transport-security",
        "allow",
    ];
    let names_of_errors = ["content-type", "x-content-type-options", "content-length"];
    let fields = lines
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| {
            names.contains(&name.as_str()) || is_error && names_of_errors.contains(&name.as_str())
        })
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    (status.to_owned(), fields, is_error.then(|| body.to_owned()))
}

#[tokio::test]
async fn answers_are_those_of_node_exporter() {
    let server = Pair::server();
    let folder = Folder::with_server(&server);
    let good = format!("{HEADERS}{}", users());
    let path = folder.configure(&good);
    let Some(peer) = node_exporter(&path).await else {
        println!("skipped: prometheus-node-exporter is not installed");
        return;
    };
    let site = Site::start(Some(&path)).await.unwrap();
    let lines = [
        String::new(),
        basic("dave", "dave123"),
        basic("carol", "carol123"),
        basic("dave", "bad"),
        basic("nobody", "dave123"),
        basic("", ""),
        "Authorization: Bearer abc\r\n".to_owned(),
        "Authorization: Basic !!\r\n".to_owned(),
        "Authorization: Basic YQ==\r\n".to_owned(),
        basic("dave", "dave123").replace("Basic", "bASIC"),
    ];
    let mut compared = 0;
    for file in [
        good.as_str(),
        "junk\n",
        "basic_auth_users: [\n",
        HEADERS,
        "{}\n",
        &good,
    ] {
        folder.configure(file);
        for line in &lines {
            let (ours, theirs) = (
                site.get("/metrics", line).await,
                get(peer.address, "/metrics", line).await,
            );
            assert_eq!(essence(&ours), essence(&theirs), "{file}{line}");
            compared += 1;
        }
    }
    folder.remove("web.yml");
    let (ours, theirs) = (site.get("/", "").await, get(peer.address, "/", "").await);
    assert_eq!(essence(&ours), essence(&theirs), "no file");

    let secure = Folder::with_server(&server);
    let path = secure.configure(&format!("{TLS}{good}"));
    let (site, peer) = (
        Site::start(Some(&path)).await.unwrap(),
        node_exporter(&path).await.unwrap(),
    );
    // Byte for byte.
    assert_eq!(site.get("/", "").await, get(peer.address, "/", "").await);
    let client = TlsClient::trusting(&[&server]);
    for line in &lines {
        let ours = client.get(site.address, "/metrics", line).await.unwrap().text;
        let theirs = client.get(peer.address, "/metrics", line).await.unwrap().text;
        assert_eq!(essence(&ours), essence(&theirs), "TLS, {line}");
        compared += 1;
    }
    for auth_type in [
        "RequireAnyClientCert",
        "RequireAndVerifyClientCert",
        "VerifyClientCertIfGiven",
    ] {
        secure.configure(&format!("{TLS}  client_auth_type: {auth_type}\n"));
        let stranger = client.clone().identity(&Pair::client(Vec::new()));
        for client in [&client, &stranger] {
            let ours = client
                .get(site.address, "/metrics", "")
                .await
                .map(|answer| essence(&answer.text));
            let theirs = client
                .get(peer.address, "/metrics", "")
                .await
                .map(|answer| essence(&answer.text));
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{auth_type}"),
                (ours, theirs) => {
                    assert_eq!(ours.is_ok(), theirs.is_ok(), "{auth_type}: {ours:?} {theirs:?}")
                }
            }
            compared += 1;
        }
    }
    println!("rows of node_exporter, side by side: {compared} of {compared} pass");
}

#[tokio::test]
async fn checks_agree_with_promtool() {
    let folder = Folder::with_server(&Pair::server());
    let files = tls_rows()
        .into_iter()
        .map(|(row, text, _)| (row, format!("tls_server_config:\n  {text}\n")))
        .chain(file_rows().into_iter().map(|(row, text, _)| (row, text)))
        .chain([
            ("users", users()),
            ("headers", HEADERS.to_owned()),
            ("both", format!("{TLS}{HEADERS}")),
        ]);
    let mut compared = 0;
    for (row, text) in files {
        let path = folder.configure(&text);
        let Ok(output) = Command::new("promtool")
            .args(["check", "web-config"])
            .arg(&path)
            .output()
            .await
        else {
            println!("skipped: promtool is not installed");
            return;
        };
        let ours = web::check(&path);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            ours.is_ok(),
            output.status.success(),
            "{row}: {ours:?}, promtool: {said}"
        );
        compared += 1;
    }
    println!("rows of promtool, side by side: {compared} of {compared} pass");
}
