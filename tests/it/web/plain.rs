//! Paths, methods and limits, without TLS.

use std::sync::Arc;

use cloud_assistant_exporter::web::{Body, Options, Routes, Server};
use hyper::Response;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::site::{Site, read_all};

/// The first line and the last part of an answer, and whether a line is in its head.
#[tokio::test]
async fn paths_and_methods() {
    let site = Site::start(None).await.unwrap();
    let cases = [
        ("GET /", "200 OK", "", "\r\n\r\nHello World!"),
        (
            "GET /metrics?x=y",
            "200 OK",
            "content-length: 12",
            "\r\n\r\nHello World!",
        ),
        ("HEAD /metrics", "200 OK", "content-length: 12", "\r\n\r\n"),
        (
            "GET /nope",
            "404 Not Found",
            "x-content-type-options: nosniff",
            "\r\n\r\nNot Found\n",
        ),
        (
            "GET /metrics/",
            "404 Not Found",
            "content-type: text/plain; charset=utf-8",
            "\r\n\r\nNot Found\n",
        ),
        (
            "POST /metrics",
            "405 Method Not Allowed",
            "allow: GET, HEAD",
            "\r\n\r\nMethod Not Allowed\n",
        ),
        (
            "GET /-/reload",
            "405 Method Not Allowed",
            "allow: POST",
            "\r\n\r\nMethod Not Allowed\n",
        ),
        ("POST /-/reload", "200 OK", "", "\r\n\r\nreloaded\n"),
        (
            "BREW /",
            "405 Method Not Allowed",
            "allow: GET, HEAD",
            "\r\n\r\nMethod Not Allowed\n",
        ),
        (
            "GET /panic",
            "500 Internal Server Error",
            "",
            "\r\n\r\nInternal Server Error\n",
        ),
    ];
    for (request, status, line, end) in cases {
        let answer = site
            .exchange(format!(
                "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{request}: {answer}"
        );
        assert!(answer.contains(line), "{request}: {answer}");
        assert!(answer.ends_with(end), "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_place_is_held_while_the_answer_is_made() {
    let gate = Arc::new(Semaphore::new(0));
    let entered = Arc::new(Semaphore::new(0));
    let (inside, made) = (Arc::clone(&gate), Arc::clone(&entered));
    let routes = Routes::new().get_limited("/metrics", 1, move |_| {
        let (inside, made) = (Arc::clone(&inside), Arc::clone(&made));
        async move {
            made.add_permits(1);
            inside.acquire().await.unwrap().forget();
            Response::new(Body::from(vec![b'x'; 8 << 20]))
        }
    });
    let site = Site::with_routes(None, routes).await.unwrap();
    let mut first = site.connect().await;
    first
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    entered.acquire().await.unwrap().forget();
    let refused = site.get("/metrics", "").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(
        refused.ends_with("\r\n\r\nLimit of concurrent requests reached (1), try again later.\n"),
        "{refused}"
    );
    // The first client does not read its answer; the place is free as soon as the answer is made.
    gate.add_permits(2);
    let first_byte = first.peek(&mut [0]).await.unwrap();
    assert_eq!(first_byte, 1);
    let second = site.get("/metrics", "").await;
    assert!(second.starts_with("HTTP/1.1 200 "), "{}", &second[..100]);
}

#[tokio::test]
async fn stops_gracefully() {
    let mut site = Site::start(None).await.unwrap();
    let mut idle = site.connect().await;
    let mut kept = site.connect().await;
    kept.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    kept.peek(&mut [0]).await.unwrap();
    site.stop.cancel();
    assert_eq!(read_all(&mut idle).await, "");
    assert!(read_all(&mut kept).await.starts_with("HTTP/1.1 200 OK"));
    (&mut site.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn listens_on_both_families_and_on_unix_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.sock");
    let unix = format!("unix:{}", path.display());
    // What a process that ended leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let options = Options {
        addresses: vec![":0".to_owned(), unix],
        ..Options::default()
    };
    let server = Server::bind(&options).unwrap();
    let port = server.addresses()[0].socket().unwrap().port();
    let stop = CancellationToken::new();
    let task = tokio::spawn(server.run(super::site::routes(), stop.clone()));
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for host in ["127.0.0.1", "::1"] {
        let mut stream = tokio::net::TcpStream::connect((host, port)).await.unwrap();
        stream.write_all(request).await.unwrap();
        assert!(read_all(&mut stream).await.ends_with("Hello World!"), "{host}");
    }
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)
        .await
        .unwrap();
    assert!(answer.ends_with("Hello World!"), "{answer}");
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[test]
fn addresses_that_cannot_be_used_are_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cases = [
        (taken.as_str(), "another process listens there"),
        ("10069", "expected host:port"),
        ("127.0.0.1:65536", "is not a port"),
        ("::1:10069", "must be in brackets"),
        ("vsock://:9100", "vsock is not supported"),
        ("192.0.2.1:0", "no interface of this machine"),
        ("unix:/nonexistent/web.sock", "No such file"),
        ("unix:", "needs a path"),
    ];
    assert!(Server::bind(&Options::default()).is_err(), "no address at all");
    for (address, part) in cases {
        let options = Options {
            addresses: vec!["127.0.0.1:0".to_owned(), address.to_owned()],
            ..Options::default()
        };
        let error = Server::bind(&options).unwrap_err().to_string();
        assert!(
            error.contains(address) && error.contains(part),
            "{address}: {error}"
        );
    }
}
