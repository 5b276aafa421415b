//! A server on this machine that stands in for STS, the metadata service and whatever else an input names.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is answered to the next requests, each with its status; then 404.
pub type Answers = Rc<RefCell<VecDeque<(u16, String)>>>;

/// Starts it on the current thread's local tasks, and says its address.
///
/// # Panics
/// When this machine has no port for it.
pub async fn start(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(serve(stream, Rc::clone(&answers)));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, answers: Answers) {
    let mut read = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        while read.len() < head + length {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        read.drain(..head + length);
        // What would go elsewhere over TLS goes nowhere.
        let (status, body) = match text.starts_with("connect ") {
            true => (502, String::new()),
            false => answers.borrow_mut().pop_front().unwrap_or((404, String::new())),
        };
        let status = status.clamp(200, 599);
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
