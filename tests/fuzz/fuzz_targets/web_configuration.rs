//! The web configuration with its certificates: every file is taken or refused with a message, which names the file, is
//! bounded, and shows nothing of a hash or a key.

#![no_main]

use std::fs;
use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use cloud_assistant_exporter::web::{self, config};
use cloud_assistant_exporter_fuzz::yaml::{self, Kind, SECRET};
use cloud_assistant_exporter_fuzz::{Input, parts, temporary_directory};
use libfuzzer_sys::fuzz_target;

const LONGEST_MESSAGE: usize = 16 << 10;

/// A certificate and its key, as `server.crt` and `server.key` unless the input has others.
static PAIR: LazyLock<(String, String)> = LazyLock::new(|| {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    (pair.cert.pem(), pair.signing_key.serialize_pem())
});

fuzz_target!(|bytes: &[u8]| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Input::read(bytes) {
        Some(Input::Text(text)) if text.starts_with("-- ") => {
            let parts = parts(text);
            let message = check(&parts);
            let yaml = parts.iter().find(|(name, _)| *name == "web.yml");
            let keys = parts.iter().filter(|(name, _)| name.ends_with(".key"));
            for line in keys
                .flat_map(|(_, key)| key.lines())
                .filter(|line| line.len() >= 24 && !line.contains("-----"))
            {
                if !yaml.is_some_and(|(_, yaml)| yaml.contains(line)) {
                    assert!(!message.contains(line), "{message}");
                }
            }
        }
        Some(Input::Text(text)) => {
            check(&[("web.yml", text)]);
        }
        Some(Input::Choices(mut choices)) => {
            let _ = made(&mut choices);
        }
        None => {
            let directory = temporary_directory();
            let path = directory.path().join("web.yml");
            fs::write(&path, bytes).unwrap();
            let _ = web::check(&path);
        }
    }
});

/// The message, empty where the files are good.
fn check(parts: &[(&str, &str)]) -> String {
    let directory = temporary_directory();
    let good = [
        ("server.crt", &*PAIR.0),
        ("server.key", &*PAIR.1),
        ("web.yml", ""),
    ];
    for (name, content) in good.iter().chain(parts) {
        if good.iter().any(|(known, _)| known == name) || matches!(*name, "ca.crt" | "other.key") {
            fs::write(directory.path().join(name), content).unwrap();
        }
    }
    let path = directory.path().join("web.yml");
    let checked = web::check(&path);
    let is_tls = config::is_tls(&path);
    match checked {
        Ok(()) => {
            is_tls.expect("what was checked can be read");
            String::new()
        }
        Err(error) => {
            let message = error.to_string();
            let reason = message.strip_prefix(&format!("web configuration {}: ", path.display()));
            assert!(
                reason.is_some_and(|reason| !reason.trim().is_empty()),
                "{message}"
            );
            assert!(
                message.len() <= LONGEST_MESSAGE,
                "a message of {} bytes",
                message.len()
            );
            message
        }
    }
}

fn made(choices: &mut Unstructured<'_>) -> Result<()> {
    let mut text = yaml::document(choices, DOCUMENT)?;
    let is_damaged = choices.ratio(1_u8, 3)?;
    if is_damaged {
        yaml::damage(choices, &mut text)?;
    }
    let message = check(&[("web.yml", &text)]);
    if !is_damaged || message.contains("YAML error") {
        assert!(!message.contains(SECRET), "{text}\n{message}");
    }
    Ok(())
}

const TEXTS: Kind = Kind::Of(&[
    "a",
    "\"\"",
    "X25519",
    "TLS13",
    "TLS12",
    "TLS10",
    "é",
    "1",
    "\"a\\nb\"",
    "server.crt",
    "missing",
]);
const TLS: Kind = Kind::Keys(&[
    (
        "cert_file",
        Kind::Of(&["server.crt", "server.key", "missing.crt", ".", "\"\""]),
    ),
    (
        "key_file",
        Kind::Of(&["server.key", "server.crt", "missing.key", "\"\""]),
    ),
    (
        "cert",
        Kind::Of(&[
            "x",
            "|\n    -----BEGIN CERTIFICATE-----\n    AAAA\n    -----END CERTIFICATE-----",
        ]),
    ),
    (
        "key",
        Kind::Secret(&[
            "|\n    -----BEGIN PRIVATE KEY-----\n    hunter2\n    -----END PRIVATE KEY-----",
            "|\n    -----BEGIN EC PRIVATE KEY-----\n    hunter2+hunter2=\n    -----END EC PRIVATE KEY-----",
            "hunter2",
        ]),
    ),
    ("client_ca_file", Kind::Of(&["server.crt", "missing.crt", "\"\""])),
    ("client_ca", TEXTS),
    (
        "client_auth_type",
        Kind::Of(&[
            "NoClientCert",
            "RequestClientCert",
            "RequireAnyClientCert",
            "RequireAndVerifyClientCert",
            "x",
        ]),
    ),
    (
        "client_allowed_sans",
        Kind::List(&Kind::Of(&["a", "*.b", "\"\"", "127.0.0.1"])),
    ),
    ("min_version", TEXTS),
    ("max_version", TEXTS),
    (
        "cipher_suites",
        Kind::List(&Kind::Of(&[
            "TLS_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_RSA_WITH_RC4_128_SHA",
            "x",
        ])),
    ),
    ("prefer_server_cipher_suites", Kind::Of(&["true", "false", "x"])),
    (
        "curve_preferences",
        Kind::List(&Kind::Of(&["X25519", "CurveP256", "CurveP521", "x"])),
    ),
]);
const HASHES: Kind = Kind::Secret(&[
    "$2y$10$hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunt",
    "$2b$10$hunter2",
    "\"$2a$31$hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunt\"",
    "hunter2",
]);
const DOCUMENT: Kind = Kind::Keys(&[
    ("tls_server_config", TLS),
    ("tls_server_config", TLS),
    (
        "http_server_config",
        Kind::Keys(&[
            ("http2", Kind::Of(&["true", "false", "x"])),
            (
                "headers",
                Kind::Keys(&[
                    ("Strict-Transport-Security", TEXTS),
                    ("X-Frame-Options", Kind::Of(&["deny", "sameorigin", "x"])),
                    ("X-Content-Type-Options", Kind::Of(&["nosniff", "x"])),
                    ("X-XSS-Protection", TEXTS),
                    ("Content-Security-Policy", TEXTS),
                    ("Server", TEXTS),
                ]),
            ),
        ]),
    ),
    (
        "basic_auth_users",
        Kind::Keys(&[
            ("alice", HASHES),
            ("bob", HASHES),
            ("\"\"", HASHES),
            ("é", HASHES),
        ]),
    ),
    (
        "basic_auth_users",
        Kind::Keys(&[("alice", HASHES), ("bob", HASHES)]),
    ),
    (
        "rate_limit",
        Kind::Keys(&[
            ("interval", Kind::Of(&["100ms", "1s", "0", "-1s", "x", "1h"])),
            ("burst", Kind::Of(&["1", "0", "-1", "x"])),
        ]),
    ),
]);
