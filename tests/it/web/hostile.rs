//! Clients that mean no good, or know no better.
//!
//! Where time matters it is tokio's, paused: it jumps to the next deadline whenever everybody waits, so that what is
//! closed after thirty seconds is seen to be, at once.

use std::time::Duration;

use bytes::Bytes;
use cloud_assistant_exporter::web::{Body, Routes};
use hyper::Response;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::fixtures::{Folder, Pair};
use super::site::{PATIENCE, Site, read_all};
use super::tls_client::TlsClient;

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// How many whole seconds pass until the server closes the connection.
async fn seconds_until_closed(stream: &mut TcpStream) -> u64 {
    let start = Instant::now();
    let mut answer = Vec::new();
    // Longer than every limit of the server.
    let read = timeout(Duration::from_secs(600), stream.read_to_end(&mut answer));
    let _ = read.await.expect("the connection stayed open");
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn heads_have_ten_seconds() {
    let site = Site::start(None).await.unwrap();
    for begin in [
        "",
        "G",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    ] {
        let mut stream = site.connect().await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        assert_eq!(seconds_until_closed(&mut stream).await, 10, "{begin:?}");
    }
    // Dripping does not help.
    let mut stream = site.connect().await;
    let start = Instant::now();
    while stream.write_all(b"X").await.is_ok() && start.elapsed() < Duration::from_secs(100) {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(
        (10..=12).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn pauses_have_two_minutes() {
    let site = Site::start(None).await.unwrap();
    let mut stream = site.connect().await;
    for _ in 0..3 {
        stream.write_all(GET).await.unwrap();
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(answer[..length].ends_with(b"Hello World!"));
        // A scrape a minute keeps its connection.
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(seconds_until_closed(&mut stream).await, 60);
    let mut stream = site.connect().await;
    stream.write_all(GET).await.unwrap();
    stream.peek(&mut [0]).await.unwrap();
    // The second head has the same time as the first.
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(seconds_until_closed(&mut stream).await, 10);
}

#[tokio::test(start_paused = true)]
async fn handshakes_have_ten_seconds() {
    let server = Pair::server();
    let folder = Folder::with_server(&server);
    let site = Site::start(Some(&folder.configure(TLS))).await.unwrap();
    for begin in [
        &b""[..],
        b"\x16",
        b"\x16\x03\x01\x01\x00\x01",
        b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03xx",
    ] {
        let mut stream = site.connect().await;
        stream.write_all(begin).await.unwrap();
        assert_eq!(seconds_until_closed(&mut stream).await, 10, "{begin:?}");
    }
    let mut silent = TlsClient::trusting(&[&server])
        .connect(site.address)
        .await
        .unwrap();
    let start = Instant::now();
    let _ = silent.read_to_end(&mut Vec::new()).await;
    assert_eq!(
        start.elapsed().as_secs(),
        10,
        "after the handshake, the first head"
    );
}

/// Bytes that tell when the server lets go of them.
struct Watched {
    bytes: Vec<u8>,
    dropped: mpsc::UnboundedSender<Instant>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.dropped.send(Instant::now());
    }
}

/// A page of 64 MiB, more than the system buffers, and when the server has let go of it.
fn large_page() -> (Routes, mpsc::UnboundedReceiver<Instant>) {
    let (dropped, drops) = mpsc::unbounded_channel();
    let routes = Routes::new().get("/metrics", move |_| {
        let page = Watched {
            bytes: vec![b'x'; 64 << 20],
            dropped: dropped.clone(),
        };
        async { Response::new(Body::from(Bytes::from_owner(page))) }
    });
    (routes, drops)
}

#[tokio::test(start_paused = true)]
async fn answers_have_thirty_seconds() {
    let (routes, mut drops) = large_page();
    let site = Site::with_routes(None, routes).await.unwrap();
    for pause in [None, Some(Duration::from_millis(500))] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(site.address).await.unwrap();
        stream.write_all(GET).await.unwrap();
        stream.peek(&mut [0]).await.unwrap();
        let start = Instant::now();
        let reading = async {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match pause {
                    None => std::future::pending().await,
                    Some(pause) => sleep(pause).await,
                }
                // Steady, but too slow.
                let _ = stream.read(&mut buffer).await;
            }
        };
        let dropped = tokio::select! {
            dropped = drops.recv() => dropped.unwrap(),
            () = reading => unreachable!(),
        };
        assert_eq!((dropped - start).as_secs_f64().round(), 30.0, "{pause:?}");
    }
}

/// An HTTP/2 frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// GET https://x/metrics, in HPACK's static table and literals without Huffman.
fn request() -> Vec<u8> {
    [&[0x82, 0x87, 0x41, 1, b'x', 0x04, 8][..], b"/metrics"].concat()
}

/// A preface with a window for answers of that many bytes.
fn preface(window: u32) -> Vec<u8> {
    let setting = [&[0, 4][..], &window.to_be_bytes()].concat();
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &frame(SETTINGS, 0, 0, &setting)[..],
    ]
    .concat()
}

#[tokio::test(start_paused = true)]
async fn answers_have_thirty_seconds_by_http2() {
    let server = Pair::server();
    let folder = Folder::with_server(&server);
    let (routes, mut drops) = large_page();
    let site = Site::with_routes(Some(&folder.configure(TLS)), routes)
        .await
        .unwrap();
    let client = TlsClient::trusting(&[&server]).protocols(&["h2"]);
    // With the smaller window the page never begins; with the larger one all of it waits within the server.
    for window in [0, 1000] {
        let mut stream = client.connect(site.address).await.unwrap();
        let start = Instant::now();
        let ask = frame(HEADERS, END_STREAM | END_HEADERS, 1, &request());
        stream.write_all(&[preface(window), ask].concat()).await.unwrap();
        let mut answer = Vec::new();
        // Reads all that comes, but never opens the window.
        let read = timeout(Duration::from_secs(600), stream.read_to_end(&mut answer));
        let _ = read.await.expect("the connection stayed open");
        assert_eq!(start.elapsed().as_secs(), 30, "window {window}");
        assert!((drops.recv().await.unwrap() - start).as_secs() <= 30);
    }
}

#[tokio::test]
async fn http2_floods_end_with_the_connection() {
    let server = Pair::server();
    let folder = Folder::with_server(&server);
    let site = Site::start(Some(&folder.configure(TLS))).await.unwrap();
    let client = TlsClient::trusting(&[&server]);
    let resets: Vec<u8> = (0..20_000_u32)
        .flat_map(|number| {
            let stream = number * 2 + 1;
            let ask = frame(HEADERS, END_STREAM | END_HEADERS, stream, &request());
            [ask, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    let filler = [&[0x00, 1, b'a', 100][..], &[b'b'; 100]].concat().repeat(100);
    let mut endless = frame(HEADERS, END_STREAM, 1, &request());
    for _ in 0..1000 {
        endless.extend(frame(CONTINUATION, 0, 1, &filler));
    }
    for (name, flood) in [("resets", resets), ("continuations", endless)] {
        let stream = client
            .clone()
            .protocols(&["h2"])
            .connect(site.address)
            .await
            .unwrap();
        let (mut read, mut write) = tokio::io::split(stream);
        let bytes = [preface(65535), flood].concat();
        let writing = async move {
            // Cut off by the server.
            let _ = write.write_all(&bytes).await;
            write
        };
        let mut buffer = Vec::new();
        let reading = timeout(PATIENCE, read.read_to_end(&mut buffer));
        let (ended, _write) = tokio::join!(reading, writing);
        assert!(ended.is_ok(), "{name}: the connection stayed open");
        let answer = client.get(site.address, "/metrics", "").await.unwrap();
        assert!(answer.text.ends_with("Hello World!"), "{name}");
    }
}

/// What is sent, how many answers come before the connection is closed, and the status of the first.
#[tokio::test]
async fn no_second_request_is_smuggled() {
    let site = Site::start(None).await.unwrap();
    let chunked = "Transfer-Encoding: chunked\r\n";
    let second = "GET /second HTTP/1.1\r\nHost: x\r\n\r\n";
    let close = "GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let post = |lines: &str, rest: &str| format!("POST /-/reload HTTP/1.1\r\nHost: x\r\n{lines}\r\n{rest}");
    let cases = [
        (
            "length, then chunked",
            post(
                &format!("Content-Length: 6\r\n{chunked}"),
                &format!("0\r\n\r\n{second}"),
            ),
            1,
            "200",
        ),
        (
            "chunked, then length",
            post(
                &format!("{chunked}Content-Length: 6\r\n"),
                &format!("0\r\n\r\n{second}"),
            ),
            1,
            "200",
        ),
        (
            "chunked",
            post(chunked, &format!("1\r\nx\r\n0\r\n\r\n{second}")),
            1,
            "200",
        ),
        (
            "two lengths",
            post(
                "Content-Length: 6\r\nContent-Length: 7\r\n",
                &format!("123456{second}"),
            ),
            1,
            "400",
        ),
        (
            "list of lengths",
            post("Content-Length: 6, 7\r\n", &format!("123456{second}")),
            1,
            "400",
        ),
        (
            "signed length",
            post("Content-Length: +6\r\n", &format!("123456{second}")),
            1,
            "400",
        ),
        (
            "not chunked",
            post("Transfer-Encoding: xchunked\r\n", second),
            1,
            "400",
        ),
        (
            "chunked is not last",
            post("Transfer-Encoding: chunked, identity\r\n", second),
            1,
            "400",
        ),
        (
            "chunked in 1.0",
            post(chunked, second).replacen("1.1", "1.0", 1),
            1,
            "400",
        ),
        (
            "blank before the colon",
            post("Content-Length : 6\r\n", &format!("123456{second}")),
            1,
            "400",
        ),
        ("folded", post("X: a\r\n Content-Length: 6\r\n", second), 1, "400"),
        ("bad chunk", post(chunked, &format!("x\r\n{second}")), 1, "400"),
        (
            "too long",
            post("Content-Length: 9999999999\r\n", &"x".repeat(100_000)),
            1,
            "413",
        ),
        ("no host", format!("GET / HTTP/1.1\r\n\r\n{second}"), 1, "400"),
        (
            "two hosts",
            format!("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n{second}"),
            1,
            "400",
        ),
        (
            "nothing wrong",
            post("Content-Length: 6\r\n", &format!("123456{close}")),
            2,
            "200",
        ),
        (
            "GET with a body",
            format!("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc{close}"),
            2,
            "200",
        ),
        ("junk", "\0\0\0\0\r\n\r\n".to_owned(), 1, "400"),
    ];
    for (name, request, answers, status) in cases {
        let text = site.exchange(&request).await;
        assert_eq!(text.matches("HTTP/1.").count(), answers, "{name}: {text}");
        assert_eq!(text.get(9..12), Some(status), "{name}: {text}");
    }
}

#[tokio::test]
async fn heads_are_bounded() {
    let site = Site::start(None).await.unwrap();
    let cases = [
        ("8 KiB", format!("X: {}\r\n", "x".repeat(8 * 1024)), "200"),
        ("64 KiB", format!("X: {}\r\n", "x".repeat(64 * 1024)), "431"),
        ("90 lines", "X: y\r\n".repeat(90), "200"),
        ("200 lines", "X: y\r\n".repeat(200), "431"),
    ];
    for (name, lines, status) in cases {
        let mut stream = site.connect().await;
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
        // It may be cut off while it is being sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let text = read_all(&mut stream).await;
        assert!(
            text.is_empty() || text.get(9..12) == Some(status),
            "{name}: {text}"
        );
        assert!(!text.is_empty() || status == "431", "{name}");
    }
    let long = site.get(&format!("/{}", "x".repeat(64 * 1024)), "").await;
    assert!(long.is_empty() || !long.contains(" 200 "), "{long}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_connections() {
    let limit = getrlimit(Resource::Nofile);
    // Both ends of each connection are in this process.
    let wanted = 12_000;
    if limit.maximum.is_some_and(|hard| hard < wanted) {
        println!("skipped: not enough open files");
        return;
    }
    if limit.current.is_some_and(|soft| soft < wanted) {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        )
        .unwrap();
    }
    let site = Site::start(None).await.unwrap();
    let mut scrapers = Vec::new();
    for _ in 0..2_400 {
        let mut stream = site.connect().await;
        stream.write_all(GET).await.unwrap();
        scrapers.push(stream);
    }
    // All of them are served, and keep their connections.
    for round in 0..2 {
        for stream in &mut scrapers {
            let mut answer = [0; 512];
            let length = timeout(PATIENCE, stream.read(&mut answer))
                .await
                .unwrap()
                .unwrap();
            assert!(answer[..length].ends_with(b"Hello World!"), "round {round}");
            if round == 0 {
                stream.write_all(GET).await.unwrap();
            }
        }
    }
    // More idle ones than there is room for: they push each other out, not those who ask.
    let mut idle = Vec::new();
    for number in 0..3_000 {
        idle.push(site.connect().await);
        if number % 100 == 0 {
            let answer = site.get("/metrics", "").await;
            assert!(answer.ends_with("Hello World!"), "{number}: {answer}");
        }
    }
    for stream in &mut scrapers {
        stream.write_all(GET).await.unwrap();
        let mut answer = [0; 512];
        let length = timeout(PATIENCE, stream.read(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer[..length].ends_with(b"Hello World!"));
    }
}
