//! The way to the database is encrypted, and to nobody else.

use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, SanType};
use tempfile::tempdir;

use super::database::Database;
use crate::exporter::{Exporter, eventually};

/// A server with a certificate for its address alone; gives the certificate.
fn encrypted() -> (Database, String) {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress("127.0.0.1".parse().unwrap())];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let mut database = Database::start();
    database.end("INT");
    database.write("server.crt", &certificate);
    database.write("server.key", &key.serialize_pem());
    database.write("postgresql.conf", "ssl = on\n");
    database.run();
    (database, certificate)
}

fn start(directory: &Path, url: &str, more: &str) -> Exporter {
    let config = format!(
        "accounts: [{{name: a, regions: [r], endpoint: 'http://127.0.0.1:1'}}]\n\
         state: {{postgres: {{url: '{url}'{more}}}}}\n"
    );
    Exporter::start(directory, &config)
}

#[test]
fn a_certificate_is_verified_with_its_name() {
    let (database, certificate) = encrypted();
    let directory = tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    fs::write(&ca_file, certificate).unwrap();
    let ours = format!(", ca_file: {}", ca_file.display());
    // What others call so is what is done whenever there is TLS.
    let url = database.url().replace("disable", "verify-full");

    // Of an authority that nobody knows, and for another name.
    let stranger = start(directory.path(), &url, "");
    stranger.logged("invalid peer certificate");
    let elsewhere = start(directory.path(), &url.replace("127.0.0.1", "localhost"), &ours);
    elsewhere.logged("not valid for name");
    assert_eq!(elsewhere.get("/-/ready").status, 503);

    // Who names an authority is not content with plain text.
    let plain = Database::start();
    let undecided = plain.url().replace("?sslmode=disable", "");
    let unencrypted = start(directory.path(), &undecided, &ours);
    unencrypted.logged("does not support TLS");
    assert_eq!(unencrypted.get("/-/leader").status, 503);

    let exporter = start(directory.path(), &url, &ours);
    eventually("it leads", || {
        (exporter.get("/-/leader").status == 200).then_some(())
    });
    let encrypted = database
        .sql("select ssl from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'exporter'");
    assert_eq!(encrypted, "t");
}
