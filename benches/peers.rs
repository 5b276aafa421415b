//! Other servers of metrics on the same machine: nginx with the same bytes, a Python server with the same series, and
//! node_exporter with its own.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where `benches/peers` puts `prometheus_client`.
const PYTHON: &str = "target/bench-venv/bin/python";

/// How long a peer may take to start.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server that is asked to end when dropped.
pub struct Peer {
    pub address: SocketAddr,
    pub path: &'static str,
    child: Child,
}

impl Peer {
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// None where the program is not installed.
    fn start(mut command: Command, address: SocketAddr, path: &'static str) -> Option<Self> {
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = quiet.spawn().ok()?;
        let mut peer = Self { address, path, child };
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(address).is_err() {
            if peer.child.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(Instant::now() < deadline, "{command:?} does not listen");
            thread::park_timeout(Duration::from_millis(20));
        }
        Some(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // nginx ends its workers only when it is asked to.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Serves the files `metrics` and `metrics.gz` of a directory, with two workers.
pub fn nginx(directory: &Path) -> Option<Peer> {
    let address = free_address();
    let shown = directory.display();
    let config = format!(
        "daemon off; user root; worker_processes 2; pid {shown}/nginx.pid; error_log {shown}/nginx.log;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000; gzip_static on; default_type text/plain;\n\
         open_file_cache max=10 inactive=60s;\n\
         client_body_temp_path {shown}/t1; proxy_temp_path {shown}/t2; fastcgi_temp_path {shown}/t3;\n\
         uwsgi_temp_path {shown}/t4; scgi_temp_path {shown}/t5;\n\
         server {{ listen {address}; root {shown}; }} }}\n"
    );
    let path = directory.join("nginx.conf");
    fs::write(&path, config).unwrap();
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx"]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let mut command = Command::new(program);
    command.arg("-c").arg(path).arg("-p").arg(directory);
    Peer::start(command, address, "/metrics")
}

/// node_exporter as the distribution has it.
pub fn node_exporter() -> Option<Peer> {
    let address = free_address();
    let mut command = Command::new("prometheus-node-exporter");
    command.arg(format!("--web.listen-address={address}"));
    Peer::start(command, address, "/metrics")
}

/// `prometheus_client` with the series of a text file.
pub fn python(series: &Path) -> Option<Peer> {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(PYTHON);
    let address = free_address();
    let mut command = Command::new(python);
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/server.py"))
        .arg(address.port().to_string())
        .arg(series);
    Peer::start(command, address, "/metrics")
}
