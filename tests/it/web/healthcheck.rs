//! `--healthcheck`: the program asks the one that runs.

use tempfile::tempdir;

use super::fixtures::{Folder, Pair, hash};
use crate::exporter::{Exporter, command};

/// Its exit code and what it said.
fn healthcheck(arguments: &[String]) -> (Option<i32>, String) {
    let output = command().arg("--healthcheck").args(arguments).output().unwrap();
    assert_eq!(output.stdout, b"");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn it_is_the_answer_of_the_exporter_that_listens_there() {
    let directory = tempdir().unwrap();
    let socket = format!("--web.listen-address=unix:{}/socket", directory.path().display());
    let state = "state: {path: \"\"}\n";
    let exporter = Exporter::start_with(directory.path(), state, &[&socket], &[]);
    let port = exporter.address().port();
    let tcp = format!("--web.listen-address=:{port}");
    let healthy = (Some(0), String::new());
    assert_eq!(healthcheck(std::slice::from_ref(&tcp)), healthy);
    assert_eq!(healthcheck(std::slice::from_ref(&socket)), healthy);
    exporter.kill();
    let (code, said) = healthcheck(&[tcp]);
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!(":{port}: no answer")), "{said}");
    let (code, said) = healthcheck(&["--web.systemd-socket".to_owned()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--web.listen-address"), "{said}");
}

#[test]
fn tls_and_users_do_not_keep_it_out() {
    let directory = tempdir().unwrap();
    let folder = Folder::with_server(&Pair::server());
    let web = format!(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\nbasic_auth_users:\n  somebody: {}\n",
        hash("secret")
    );
    let web = format!("--web.config.file={}", folder.configure(&web).display());
    let exporter = Exporter::start_with(directory.path(), "state: {path: \"\"}\n", &[&web], &[]);
    let address = format!("--web.listen-address={}", exporter.address());
    assert_eq!(healthcheck(&[address.clone(), web]), (Some(0), String::new()));
    let (code, said) = healthcheck(&[address]);
    assert_eq!(
        code,
        Some(1),
        "without the web configuration it cannot know of TLS"
    );
    assert!(said.contains("no answer") || said.contains("answered"), "{said}");
}
