//! What is given in place of certificates and keys, made by openssl, as operators make it.

use std::path::Path;
use std::process::Command;

use cloud_assistant_exporter::web;
use tempfile::tempdir;

/// Runs openssl in a directory.
fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn messages_name_the_key_of_the_file_its_path_and_the_reason() {
    let directory = tempdir().unwrap();
    let path = directory.path();
    for command in [
        "req -x509 -newkey rsa:2048 -noenc -subj /CN=localhost -keyout good.key -out good.crt",
        "pkey -in good.key -aes256 -passout pass:hunter2 -out encrypted.key",
        "rsa -in good.key -traditional -aes256 -passout pass:hunter2 -out encrypted-old.key",
        "pkey -in good.key -outform DER -out der.key",
        "x509 -in good.crt -outform DER -out der.crt",
        "req -x509 -newkey rsa:1024 -noenc -subj /CN=localhost -keyout short.key -out short.crt",
        "rsa -in short.key -traditional -out short-old.key",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.key",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.key",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER -out short-der.key",
    ] {
        openssl(path, command);
    }
    let good = std::fs::read_to_string(path.join("good.key")).unwrap();
    std::fs::write(path.join("cut.key"), &good[..good.len() / 2]).unwrap();
    std::fs::write(path.join("empty"), "").unwrap();
    let web = path.join("web.yml");
    let check = |cert: &str, key: &str| {
        std::fs::write(
            &web,
            format!("tls_server_config: {{cert_file: {cert}, key_file: {key}}}"),
        )
        .unwrap();
        web::check(&web).map_err(|error| error.to_string())
    };
    assert_eq!(check("good.crt", "good.key"), Ok(()));
    let decrypt = "is encrypted, and nobody is there to type its passphrase; decrypt it: openssl pkey";
    for (cert, key, is_key, expected) in [
        ("good.crt", "encrypted.key", true, decrypt),
        ("good.crt", "encrypted-old.key", true, decrypt),
        (
            "good.crt",
            "der.key",
            true,
            "is DER, not PEM; convert it: openssl pkey",
        ),
        (
            "good.crt",
            "short-der.key",
            true,
            "is DER, not PEM; convert it: openssl pkey",
        ),
        (
            "good.crt",
            "good.crt",
            true,
            "holds a certificate and no private key",
        ),
        ("good.crt", "empty", true, "holds no private key in PEM"),
        ("good.crt", "cut.key", true, "is not valid PEM"),
        (
            "short.crt",
            "short.key",
            true,
            "is an RSA key of less than 2048 bits",
        ),
        (
            "short.crt",
            "short-old.key",
            true,
            "is an RSA key of less than 2048 bits",
        ),
        (
            "good.crt",
            "p521.key",
            true,
            "of a kind that cannot be used: RSA from 2048 bits",
        ),
        (
            "der.crt",
            "good.key",
            false,
            "is DER, not PEM; convert it: openssl x509",
        ),
        (
            "good.key",
            "good.key",
            false,
            "holds a private key and no certificate",
        ),
        ("empty", "good.key", false, "holds no certificate in PEM"),
        (
            "good.crt",
            "other.key",
            false,
            "the private key does not match the certificate",
        ),
    ] {
        let error = check(cert, key).unwrap_err();
        let place = match is_key {
            true => format!("key_file ({}) ", path.join(key).display()),
            false => format!("cert_file ({}) ", path.join(cert).display()),
        };
        assert!(
            error.contains(&place) && error.contains(expected),
            "{cert} {key}: {error}"
        );
        let secret = good.lines().nth(1).unwrap();
        assert!(!error.contains(secret), "{error}");
    }
}
