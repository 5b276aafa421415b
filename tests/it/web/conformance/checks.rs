//! Rows Y, E and the rows of X about files that are refused: at the start and by the offline check.

use cloud_assistant_exporter::web::{Options, Server, check};

use super::fixtures::{Folder, Pair};
use super::{Rows, has};

const GOOD: &str = "cert_file: server.crt\n  key_file: server.key\n";

/// Row, what is below `tls_server_config`, and a part of the error; none where there is no error.
pub(super) fn tls_rows() -> Vec<(&'static str, String, Option<&'static str>)> {
    let good = |rest: &str| format!("{GOOD}  {rest}");
    let row = |id, text: &str, error| (id, text.to_owned(), Some(error));
    vec![
        row("Y4", "cert_filse: server.crt", "cert_filse"),
        row(
            "Y5",
            "cert_file: ''\n  key_file: server.key",
            "missing one of cert or cert_file",
        ),
        row(
            "Y6",
            "cert: ''\n  key_file: server.key",
            "missing one of cert or cert_file",
        ),
        row(
            "Y7",
            "cert_file: server.crt\n  key_file: ''",
            "missing one of key or key_file",
        ),
        row(
            "Y8",
            "cert_file: server.crt\n  key: ''",
            "missing one of key or key_file",
        ),
        row(
            "Y9",
            "cert_file: ''\n  key_file: ''\n  client_auth_type: x",
            "missing one of cert or cert_file",
        ),
        row(
            "Y10",
            "cert_file: nothing.crt\n  key_file: server.key",
            "No such file",
        ),
        row(
            "Y11",
            "cert_file: server.crt\n  key_file: nothing.key",
            "No such file",
        ),
        row(
            "Y12",
            "cert_file: nothing.crt\n  key_file: nothing.key",
            "No such file",
        ),
        row(
            "Y13",
            &good("client_ca_file: /dev/null"),
            "client CA's have been configured without a Client Auth Policy",
        ),
        row("Y14", &good("client_ca_file: nothing.crt"), "No such file"),
        row(
            "Y16",
            &good("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048]"),
            "unknown cipher: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048",
        ),
        row(
            "Y17",
            &good("curve_preferences: [CurveP257]"),
            "unknown curve: CurveP257",
        ),
        row("Y18", &good("min_version: TLS111"), "unknown TLS version: TLS111"),
        row("X9", &good("cert_file: server.crt"), "duplicate"),
        row("X10", &good("client_auth_type: x"), "invalid ClientAuth: x"),
        ("E1", String::new(), None),
        (
            "E2",
            "min_version: TLS12\n  prefer_server_cipher_suites: true".to_owned(),
            None,
        ),
        ("E3", GOOD.to_owned(), None),
        row(
            "E5",
            "client_ca_file: server.crt",
            "missing one of cert or cert_file",
        ),
        row(
            "E6",
            "client_auth_type: NoClientCert",
            "missing one of cert or cert_file",
        ),
    ]
}

/// Row, the whole file, and a part of the error.
pub(super) fn file_rows() -> Vec<(&'static str, String, Option<&'static str>)> {
    let headers = |line: &str| format!("http_server_config:\n  headers:\n    {line}\n");
    vec![
        ("Y2", String::new(), None),
        ("Y3", "junk\nmore junk\n".to_owned(), Some("YAML error")),
        (
            "Y15",
            format!("tls_server_config:\n  {GOOD}basic_auth_users:\n  john: doe\n"),
            Some("\"john\" is malformed; expected a bcrypt hash of 60 bytes"),
        ),
        (
            "S18",
            headers("X-Content-Type-Options: sniff"),
            Some("invalid value for X-Content-Type-Options"),
        ),
        (
            "S19",
            headers("X-Frame-Options: foo"),
            Some("invalid value for X-Frame-Options"),
        ),
        (
            "S20",
            headers("Content-Type: foo"),
            Some("HTTP header \"Content-Type\" can not be configured"),
        ),
    ]
}

#[tokio::test]
async fn conformance_of_files() {
    let server = Pair::server();
    let folder = Folder::with_server(&server);
    let mut rows = Rows::of("Y, E, S18-S20, X9, X10");
    let absent = folder.configure("");
    folder.remove("web.yml");
    rows.enter("Y1", is_refused(&absent, Some("No such file")));
    for (row, text, error) in tls_rows() {
        let path = folder.configure(&format!("tls_server_config:\n  {text}\n"));
        rows.enter(row, is_refused(&path, error));
    }
    for (row, text, error) in file_rows() {
        rows.enter(row, is_refused(&folder.configure(&text), error));
    }
    let inline = format!(
        "tls_server_config:\n  cert: {}  key: {}",
        super::fixtures::block(&server.certificate),
        super::fixtures::block(&server.key)
    );
    rows.enter("E4", is_refused(&folder.configure(&inline), None));
    rows.end();
}

/// Whether start and offline check refuse a file for the same reason, or both take it.
fn is_refused(path: &std::path::Path, expected: Option<&str>) -> Result<(), String> {
    let options = Options {
        addresses: vec!["127.0.0.1:0".to_owned()],
        web_config: Some(path.to_owned()),
        ..Options::default()
    };
    let outcomes = [check(path), Server::bind(&options).map(drop)];
    for outcome in outcomes {
        match (outcome, expected) {
            (Ok(()), None) => {}
            (Ok(()), Some(expected)) => return Err(format!("taken, but expected {expected:?}")),
            (Err(error), None) => return Err(format!("refused: {error}")),
            (Err(error), Some(expected)) => {
                has(error.to_string(), expected)?;
                has(error.to_string(), &path.display().to_string())?;
            }
        }
    }
    Ok(())
}

#[test]
fn errors_tell_the_line() {
    let folder = Folder::with_server(&Pair::server());
    let cases = [
        (
            "basic_auth_users:\n  a: x\n  a: y\n",
            "duplicate mapping key: a at line 3, column 3",
        ),
        (
            "tls_server_config:\n  nothing: x\n",
            "unknown field `nothing`, expected one of cert, key,",
        ),
        (
            "http_server_config:\n  http2: perhaps\n",
            "invalid boolean at line 2, column 10",
        ),
        ("{}\n---\n{}\n", "multiple YAML documents detected at line"),
        (
            "rate_limit: {interval: 5}\n",
            "rate_limit.interval: \"5\" is not a duration",
        ),
    ];
    for (text, expected) in cases {
        let error = check(&folder.configure(text)).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\n{error}");
    }
}

#[test]
fn secrets_are_in_no_error() {
    let server = Pair::server();
    let folder = Folder::with_server(&server);
    let key = server.key.lines().nth(1).unwrap();
    let hash = super::fixtures::hash("hunter2");
    let pem = super::fixtures::block(&server.key);
    let cases = [
        format!("basic_auth_users: {hash}\n"),
        format!("basic_auth_users:\n  john: {hash}x\n"),
        format!("basic_auth_users:\n  john: [{hash}]\n"),
        format!("basic_auth_users:\n  john: {hash}\n  john: {hash}\n"),
        format!("basic_auth_users:\n  {hash}: x\n"),
        format!("{hash}: x\n"),
        format!("{hash}\n"),
        format!("basic_auth_users:\n  john: \"{hash}\n"),
        format!("tls_server_config: {}", super::fixtures::block(&server.key)),
        format!("tls_server_config:\n  cert: {pem}  key: {pem}"),
        format!(
            "tls_server_config:\n  cert_file: server.crt\n  key: {}",
            pem.replace("END", "BEGIN")
        ),
        format!(
            "tls_server_config:\n  cert_file: server.crt\n  key: {}",
            pem.replace("-----END", "END")
        ),
        format!(
            "tls_server_config:\n  cert_file: server.crt\n  key:\n{}",
            server.key
        ),
        format!("tls_server_config:\n  cert_file: server.crt\n  key: {key}\n"),
        format!("http_server_config:\n  http2: \"{hash}\"\n"),
        format!("rate_limit:\n  burst: {key}\n"),
    ];
    for text in cases {
        let error = check(&folder.configure(&text)).unwrap_err();
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(
                !shown.contains(&hash[7..]) && !shown.contains(&key[..20]),
                "{text}\n{shown}"
            );
        }
    }
}
