//! R1, and the rows of X about files that change while the server runs, and about listeners.

use cloud_assistant_exporter::web::{Options, Server};
use tokio_util::sync::CancellationToken;

use super::fixtures::{Folder, Pair, basic, hash, users};
use super::site::{Site, routes};
use super::tls_client::TlsClient;
use super::users::is_500;
use super::{Rows, has, is_ok};

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

fn is_err<T: std::fmt::Debug>(result: Result<T, String>) -> Result<(), String> {
    result.err().map(drop).ok_or_else(|| "it was answered".to_owned())
}

#[tokio::test]
async fn conformance_of_changes_without_tls() {
    let folder = Folder::with_server(&Pair::server());
    let mut rows = Rows::of("X1, X3, X15");
    for (row, good) in [("X1", "{}\n".to_owned()), ("X1", users())] {
        let site = Site::start(Some(&folder.configure(&good))).await.unwrap();
        let dave = basic("dave", "dave123");
        rows.enter(row, is_ok(site.get("/", &dave).await));
        for bad in [
            "junk\n",
            "basic_auth_users: [",
            "basic_auth_users: {dave: x}\n",
            "",
            "# all gone\n",
        ] {
            folder.configure(bad);
            rows.enter(
                row,
                is_500(&site.get("/", &dave).await).map_err(|error| format!("{bad:?}: {error}")),
            );
            rows.enter(row, is_500(&site.get("/metrics", "").await));
        }
        folder.remove("web.yml");
        rows.enter(row, is_500(&site.get("/", &dave).await));
        folder.configure(&good);
        rows.enter(row, is_ok(site.get("/", &dave).await));
        // Written in place, in the same instant and with the same length.
        let path = folder.configure(&good);
        rows.enter(row, is_ok(site.get("/", &dave).await));
        std::fs::write(&path, "x".repeat(good.len())).unwrap();
        rows.enter(row, is_500(&site.get("/", &dave).await));
    }

    let site = Site::start(Some(&folder.configure(&users()))).await.unwrap();
    let alice = basic("alice", "alice123");
    rows.enter("X3", is_ok(site.get("/", &alice).await));
    folder.configure(&format!("basic_auth_users:\n  alice: {}\n", hash("other")));
    rows.enter("X3 (hash)", has(site.get("/", &alice).await, " 401 "));
    folder.configure(&format!("basic_auth_users:\n  bob: {}\n", hash("alice123")));
    rows.enter("X3 (user)", has(site.get("/", &alice).await, " 401 "));
    folder.configure(&users());
    rows.enter("X3 (back)", is_ok(site.get("/", &alice).await));

    rows.enter("X15", is_ok(site.get("/", &alice).await));
    rows.enter("X15", has(site.get("/nope", &alice).await, " 404 "));
    rows.end();
}

#[tokio::test]
async fn conformance_of_changes_with_tls() {
    let (server, next) = (Pair::server(), Pair::server());
    let folder = Folder::with_server(&server);
    let client = TlsClient::trusting(&[&server, &next]);
    let mut rows = Rows::of("R1, X2, X4, X7");

    let strict = format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n");
    let lenient = format!("{TLS}  client_auth_type: VerifyClientCertIfGiven\n");
    let site = Site::start(Some(&folder.configure(&strict))).await.unwrap();
    let get = || client.get(site.address, "/", "");
    rows.enter("R1 (before)", is_err(get().await));
    folder.configure(&lenient);
    rows.enter("R1 (after)", get().await.and_then(|answer| is_ok(answer.text)));
    // The paths in the file are relative, and tests do not run in its directory.
    rows.enter("X7", get().await.and_then(|answer| is_ok(answer.text)));

    for bad in [
        "junk\n",
        "",
        "{}\n",
        "tls_server_config:\n  cert_file: nothing\n  key_file: server.key\n",
    ] {
        folder.configure(bad);
        rows.enter("X2", is_err(get().await));
    }
    folder.remove("web.yml");
    rows.enter("X2", is_err(get().await));
    folder.configure(TLS);
    rows.enter("X2 (repaired)", get().await.and_then(|answer| is_ok(answer.text)));
    folder.write("server.key", &next.key);
    rows.enter("X2 (key of another)", is_err(get().await));

    folder.write("server.crt", &next.certificate);
    let shown = get().await.map(|answer| answer.certificate);
    rows.enter(
        "X4",
        (shown == Ok(next.der.clone()))
            .then_some(())
            .ok_or_else(|| format!("{shown:?}")),
    );
    rows.end();
}

/// Certificate and key cannot be replaced at the same instant. A handshake in between waits for the second.
#[tokio::test]
async fn a_handshake_between_certificate_and_key_waits() {
    let (server, next) = (Pair::server(), Pair::server());
    let folder = Folder::with_server(&server);
    let site = Site::start(Some(&folder.configure(TLS))).await.unwrap();
    let client = TlsClient::trusting(&[&server, &next]);
    client.get(site.address, "/", "").await.unwrap();
    folder.write("server.crt", &next.certificate);
    let handshake = client.get(site.address, "/", "");
    let rest = async {
        // Long enough for the handshake to have met the pair that does not match, on this thread.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        folder.write("server.key", &next.key);
    };
    let (answer, ()) = tokio::join!(handshake, rest);
    assert_eq!(answer.unwrap().certificate, next.der);
}

#[tokio::test]
async fn conformance_of_listeners() {
    let mut rows = Rows::of("X13, X14");
    let systemd = Options {
        systemd_socket: true,
        ..Options::default()
    };
    let error = Server::bind(&systemd).map(drop).unwrap_err().to_string();
    rows.enter("X13", has(error, "no socket activation file descriptors found"));

    let both = Options {
        addresses: vec!["127.0.0.1:0".to_owned(), "[::1]:0".to_owned()],
        ..Options::default()
    };
    let server = Server::bind(&both).unwrap();
    let addresses: Vec<_> = server
        .addresses()
        .iter()
        .map(|address| address.socket().unwrap())
        .collect();
    let stop = CancellationToken::new();
    let task = tokio::spawn(server.run(routes(), stop.clone()));
    for address in &addresses {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request)
            .await
            .unwrap();
        rows.enter("X14", is_ok(super::site::read_all(&mut stream).await));
    }
    let taken = Options {
        addresses: vec!["127.0.0.1:0".to_owned(), addresses[0].to_string()],
        ..Options::default()
    };
    let error = Server::bind(&taken).map(drop).unwrap_err().to_string();
    rows.enter("X14 (in use)", has(error, "Address already in use"));
    stop.cancel();
    task.await.unwrap().unwrap();
    rows.end();
}
