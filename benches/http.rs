//! A scraper: the same few lines of blocking HTTP/1.1 for every server, so that all are measured alike.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A format that is asked for.
#[derive(Clone, Copy)]
pub struct Accept(&'static str);

impl Accept {
    pub const TEXT: Self = Self("text/plain");
    pub const OPEN_METRICS: Self = Self("application/openmetrics-text;version=1.0.0");
    pub const PROTOBUF: Self =
        Self("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited");
}

/// A connection that is kept.
pub struct Scraper {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    request: String,
    buffer: Vec<u8>,
}

impl Scraper {
    pub fn connect(address: SocketAddr, path: &str, gzip: bool) -> Self {
        Self::asking(address, path, Accept::TEXT, gzip)
    }

    pub fn asking(address: SocketAddr, path: &str, Accept(accept): Accept, gzip: bool) -> Self {
        let encoding = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        Self {
            stream: connection(address),
            address,
            request: format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: {accept}\r\n{encoding}\r\n"),
            buffer: vec![0; 256 * 1024],
        }
    }

    /// One scrape; returns how many bytes its body had.
    pub fn scrape(&mut self) -> usize {
        self.send();
        self.receive(&mut |_| {})
    }

    /// One scrape, with its body.
    pub fn body(&mut self) -> Vec<u8> {
        self.send();
        let mut body = Vec::new();
        self.receive(&mut |bytes| body.extend_from_slice(bytes));
        body
    }

    fn send(&mut self) {
        if self.stream.get_mut().write_all(self.request.as_bytes()).is_err() {
            self.stream = connection(self.address);
            self.stream.get_mut().write_all(self.request.as_bytes()).unwrap();
        }
    }

    fn receive(&mut self, take: &mut impl FnMut(&[u8])) -> usize {
        let (mut length, mut chunked, mut close) = (None, false, false);
        let mut line = String::new();
        for number in 0.. {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if number == 0 {
                assert!(line.contains(" 200 "), "{line}");
                close = line.starts_with("http/1.0");
            } else if line.is_empty() {
                break;
            } else if let Some(value) = line.strip_prefix("content-length: ") {
                length = Some(value.parse().unwrap());
            } else if line == "transfer-encoding: chunked" {
                chunked = true;
            } else if line == "connection: close" {
                close = true;
            }
        }
        let bytes = match (length, chunked) {
            (Some(length), _) => self.take(length, take),
            (None, true) => self.chunks(take),
            (None, false) => self.until_it_closes(take),
        };
        if close {
            self.stream = connection(self.address);
        }
        bytes
    }

    fn take(&mut self, length: usize, take: &mut impl FnMut(&[u8])) -> usize {
        let mut left = length;
        while left > 0 {
            let most = left.min(self.buffer.len());
            let read = self.stream.read(&mut self.buffer[..most]).unwrap();
            assert!(read > 0, "an answer was cut off");
            take(&self.buffer[..read]);
            left -= read;
        }
        length
    }

    fn chunks(&mut self, take: &mut impl FnMut(&[u8])) -> usize {
        let mut bytes = 0;
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
            bytes += self.take(length, take);
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            if length == 0 {
                return bytes;
            }
        }
    }

    fn until_it_closes(&mut self, take: &mut impl FnMut(&[u8])) -> usize {
        let mut bytes = 0;
        loop {
            let read = self.stream.read(&mut self.buffer).unwrap();
            if read == 0 {
                return bytes;
            }
            take(&self.buffer[..read]);
            bytes += read;
        }
    }
}

fn connection(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    BufReader::with_capacity(64 * 1024, stream)
}
