//! A server to ask, and ways to ask it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use cloud_assistant_exporter::web::{Body, Options, Routes, Server, WebError};
use hyper::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// No test waits longer for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs until it is dropped.
pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) task: JoinHandle<Result<(), WebError>>,
}

impl Site {
    /// Serves the usual routes on a free port of this machine.
    pub(super) async fn start(web_config: Option<&Path>) -> Result<Self, WebError> {
        Self::with_routes(web_config, routes()).await
    }

    /// Serves other routes.
    pub(super) async fn with_routes(web_config: Option<&Path>, routes: Routes) -> Result<Self, WebError> {
        let options = Options {
            addresses: vec!["127.0.0.1:0".to_owned()],
            web_config: web_config.map(Path::to_owned),
            ..Options::default()
        };
        let server = Server::bind(&options)?;
        let address = server.addresses()[0].socket().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.run(routes, stop.clone()));
        Ok(Self { address, stop, task })
    }

    /// A connection without TLS.
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a new connection, without TLS, and returns all that comes until it is closed.
    pub(super) async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        exchange(self.address, request).await
    }

    /// GET with `Connection: close` and more lines of head, each with its line end.
    pub(super) async fn get(&self, path: &str, lines: &str) -> String {
        self.exchange(format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n"
        ))
        .await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// `/` and `/metrics` answer `Hello World!`, `/metrics` with a limit; `/-/reload` takes POST; `/panic` panics.
pub(super) fn routes() -> Routes {
    let hello = |_| async { Response::new(Body::from("Hello World!")) };
    Routes::new()
        .get("/", hello)
        .get_limited("/metrics", 40, hello)
        .post("/-/reload", |_| async { Response::new(Body::from("reloaded\n")) })
        .get("/panic", |_| async { panic!("on purpose") })
}

/// Sends bytes on a new connection, without TLS, and returns all that comes until it is closed.
pub(super) async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    read_all(&mut stream).await
}

/// GET with `Connection: close` and more lines of head, each with its line end.
pub(super) async fn get(address: SocketAddr, path: &str, lines: &str) -> String {
    exchange(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n"),
    )
    .await
}

/// Everything until the other side closes.
pub(super) async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is an end like another.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection stayed open");
    String::from_utf8_lossy(&bytes).into_owned()
}
