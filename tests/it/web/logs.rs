//! What is logged, and how often.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::fixtures::{Folder, Pair, users};
use super::site::{PATIENCE, Site, read_all};

/// What was logged on this thread since it was made.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self, part: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| line.contains(part))
            .map(str::to_owned)
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_start_is_logged_as_by_the_toolkit() {
    let (log, _guard) = Log::begin();
    let server = Pair::server();
    let folder = Folder::with_server(&server);
    let text = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  min_version: TLS10\n\
                rate_limit:\n  interval: 2s\n  burst: 7\n";
    let site = Site::start(Some(&folder.configure(text))).await.unwrap();
    site.get("/", "").await;
    let address = site.address;
    assert_eq!(
        log.lines("Listening on"),
        [format!(" INFO Listening on address={address}")]
    );
    assert_eq!(
        log.lines("TLS is"),
        [format!(" INFO TLS is enabled. http2=true address={address}")]
    );
    assert_eq!(
        log.lines("Rate Limiter"),
        [" INFO Rate Limiter is enabled. burst=7 interval=2s"]
    );
    assert_eq!(log.lines("TLS 1.2 is the oldest").len(), 1);
    let plain = Site::start(None).await.unwrap();
    plain.get("/", "").await;
    let address = plain.address;
    assert_eq!(
        log.lines("disabled"),
        [format!(" INFO TLS is disabled. http2=false address={address}")]
    );
}

#[tokio::test]
async fn a_bad_file_is_logged_once() {
    let (log, _guard) = Log::begin();
    let folder = Folder::with_server(&Pair::server());
    let site = Site::start(Some(&folder.configure(&users()))).await.unwrap();
    for bad in [
        "junk\n",
        "http_server_config: {headers: {X-Frame-Options: foo}}\n",
    ] {
        folder.configure(bad);
        for _ in 0..5 {
            site.get("/", "").await;
        }
    }
    assert_eq!(log.lines("web configuration is not usable").len(), 2);
    assert_eq!(log.lines("X-Frame-Options").len(), 1);
    folder.configure(&users());
    site.get("/", "").await;
    site.get("/", "").await;
    assert_eq!(log.lines("web configuration is usable again").len(), 1);
}

#[tokio::test]
async fn accepting_waits_for_descriptors() {
    // In a process of its own, because it takes all that there are.
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "web::logs::service_without_descriptors",
        "--ignored",
        "--nocapture",
    ]);
    let output = timeout(PATIENCE, command.kill_on_drop(true).output())
        .await
        .unwrap()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The service of [`accepting_waits_for_descriptors`].
#[tokio::test]
#[ignore = "run by another test"]
async fn service_without_descriptors() {
    let (log, _guard) = Log::begin();
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(256),
            maximum: Some(256),
        },
    )
    .unwrap();
    let site = Site::start(None).await.unwrap();
    assert!(site.get("/", "").await.ends_with("Hello World!"));
    let client = TcpSocket::new_v4().unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let mut stream = client.connect(site.address).await.unwrap();
    let start = Instant::now();
    while log.lines("cannot accept").len() < 5 {
        assert!(start.elapsed() < PATIENCE);
        sleep(Duration::from_millis(1)).await;
    }
    // 5 + 10 + 20 + 40 ms between them: it does not spin.
    assert!(
        start.elapsed() >= Duration::from_millis(75),
        "{:?}",
        start.elapsed()
    );
    drop(files);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(read_all(&mut stream).await.ends_with("Hello World!"));
}
