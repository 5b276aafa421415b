//! Where the server listens.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::WebError;
use crate::shown::shown;

/// Connections the system holds until they are accepted; what Linux allows by default is 4096.
const BACKLOG: i32 = 1024;

/// Where a listener really listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IP address and port, as the system gave it.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl Address {
    /// The IP address and port; none for a unix socket.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// Whether an address of `--web.listen-address` can be understood, and is one of this machine; for `--config.check`.
/// Whether the port is free is not tried: the exporter that runs may have it.
///
/// # Errors
/// Why it would be refused at the start.
pub fn check_address(address: &str) -> Result<(), WebError> {
    if let Some(path) = unix_path(address)? {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new(".")).metadata();
        return match directory.map(|found| found.is_dir()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(cannot_bind(address, io::ErrorKind::NotADirectory.into())),
            Err(error) => Err(cannot_bind(address, error)),
        };
    }
    let candidates = resolve(address).map_err(|reason| WebError::Address {
        address: address.to_owned(),
        reason,
    })?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for mut candidate in candidates {
        candidate.set_port(0);
        match bind_tcp(candidate) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(cannot_bind(address, last))
}

/// A bound socket that does not accept yet.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) address: Address,
    socket: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Bound {
    /// Binds one address of `--web.listen-address`.
    ///
    /// `:10069` means every IPv4 and IPv6 address, by one socket; `[::]:10069` too, as in Go. A path after `unix:`
    /// is a unix socket.
    pub(super) fn bind(address: &str) -> Result<Self, WebError> {
        if let Some(path) = unix_path(address)? {
            return Self::bind_unix(path).map_err(|error| cannot_bind(address, error));
        }
        let candidates = resolve(address).map_err(|reason| WebError::Address {
            address: address.to_owned(),
            reason,
        })?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for candidate in candidates {
            match bind_tcp(candidate).and_then(Self::from_tcp) {
                Ok(bound) => return Ok(bound),
                Err(error) => last = error,
            }
        }
        Err(cannot_bind(address, last))
    }

    /// The listeners that systemd handed over.
    pub(super) fn from_systemd() -> Result<Vec<Self>, WebError> {
        let mut sockets = ListenFd::from_env();
        let unusable = |error: io::Error| WebError::Systemd(format!("a socket cannot be used: {error}"));
        let bound = (0..sockets.len())
            .map(|index| {
                if let Ok(Some(socket)) = sockets.take_tcp_listener(index) {
                    return Self::from_tcp(socket).map_err(unusable);
                }
                match sockets.take_unix_listener(index).map_err(unusable)? {
                    Some(socket) => Self::from_unix(socket).map_err(unusable),
                    None => Err(WebError::Systemd(format!(
                        "socket {index} is not a stream listener"
                    ))),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        if bound.is_empty() {
            return Err(WebError::Systemd(
                "no socket activation file descriptors found".to_owned(),
            ));
        }
        Ok(bound)
    }

    /// Registers the socket with the runtime.
    pub(super) fn start(self) -> io::Result<Listener> {
        Ok(match self.socket {
            Kind::Tcp(socket) => Listener::Tcp(TcpListener::from_std(socket)?),
            Kind::Unix(socket) => Listener::Unix(UnixListener::from_std(socket)?),
        })
    }

    fn from_tcp(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            address: Address::Tcp(socket.local_addr()?),
            socket: Kind::Tcp(socket),
        })
    }

    fn from_unix(socket: std::os::unix::net::UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let path = socket
            .local_addr()?
            .as_pathname()
            .map(Path::to_owned)
            .unwrap_or_default();
        Ok(Self {
            address: Address::Unix(path),
            socket: Kind::Unix(socket),
        })
    }

    fn bind_unix(path: &Path) -> io::Result<Self> {
        let in_the_way = path
            .symlink_metadata()
            .is_ok_and(|found| found.file_type().is_socket());
        // The socket file of a process that ended stays; one that somebody serves is left alone.
        if in_the_way && StdUnixStream::connect(path).is_err() {
            std::fs::remove_file(path)?;
        }
        Self::from_unix(std::os::unix::net::UnixListener::bind(path)?)
    }
}

/// A socket that accepts.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Transport>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // An answer is written in few large pieces, none of which should wait for more.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// Bytes in both directions: TCP, a unix socket, or TLS over either.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

const EXPECTED: &str = "expected host:port, :port, [IPv6 address]:port or unix:/path";

/// The path of a unix socket; none where the address is of another kind.
fn unix_path(address: &str) -> Result<Option<&Path>, WebError> {
    match address.strip_prefix("unix:") {
        // The system would make a socket without a name, to which no way leads.
        Some("") => Err(WebError::Address {
            address: address.to_owned(),
            reason: format!("unix: needs a path; {EXPECTED}"),
        }),
        path => Ok(path.map(Path::new)),
    }
}

/// What `host:port` may mean, in the order to try.
fn resolve(address: &str) -> Result<Vec<SocketAddr>, String> {
    if address.starts_with("vsock:") {
        return Err(format!("vsock is not supported; {EXPECTED}"));
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(|| EXPECTED.to_owned())?;
    let port: u16 = port
        .parse()
        .map_err(|_| format!("{} is not a port (0 to 65535); {EXPECTED}", shown(port)))?;
    if host.is_empty() {
        // IPv4 alone is for systems without IPv6.
        return Ok(vec![
            (Ipv6Addr::UNSPECIFIED, port).into(),
            (Ipv4Addr::UNSPECIFIED, port).into(),
        ]);
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(format!("an IPv6 address must be in brackets; {EXPECTED}"));
    }
    let found = address
        .to_socket_addrs()
        .map_err(|error| format!("cannot resolve {}: {error}", shown(host)))?;
    let mut found: Vec<_> = found.collect();
    // As Go does for a name with addresses of both kinds.
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
}

fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // The default is a setting of the system (net.ipv6.bindv6only).
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart must not wait for the connections of the last process to fade.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn cannot_bind(address: &str, error: io::Error) -> WebError {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another process listens there: stop it, or choose another --web.listen-address"
        }
        io::ErrorKind::PermissionDenied => {
            "; the process may not: choose a port above 1023, or grant CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
        _ => "",
    };
    WebError::Bind {
        address: address.to_owned(),
        error,
        hint,
    }
}
