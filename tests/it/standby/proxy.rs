//! The network between a replica and its database, which fails as it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It arrives.
    Sound,
    /// Nothing arrives, either way, and nobody is told.
    Cut,
    /// What the database answers does not arrive.
    Deaf,
    /// The next message that ends with a Sync arrives without it, and nothing behind it.
    HalfAMessage,
    /// The next commit arrives, its answer does not, and the connection is closed.
    CommitUnanswered,
}

/// A way to the database; clones are the same.
#[derive(Clone)]
pub struct Proxy {
    network: Arc<Mutex<Network>>,
    /// The port that new connections lead to.
    to: Arc<AtomicU16>,
    address: SocketAddr,
}

/// What a client sends last with the extended protocol.
const SYNC: &[u8] = b"S\0\0\0\x04";

const COMMIT: &[u8] = b"commit\0";

impl Proxy {
    pub fn to(port: u16) -> Self {
        Self::at("127.0.0.1", port)
    }

    /// The same at another address of this machine.
    pub fn at(address: &str, port: u16) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let proxy = Self {
            network: Arc::new(Mutex::new(Network::Sound)),
            to: Arc::new(AtomicU16::new(port)),
            address: listener.local_addr().unwrap(),
        };
        let accepting = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Whatever is cut is cut for new connections too: they are taken, and nothing comes.
                let port = accepting.to.load(Ordering::Acquire);
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let unanswered = Arc::new(AtomicBool::new(false));
                let (network, is_unanswered) = (accepting.clone(), Arc::clone(&unanswered));
                thread::spawn(move || network.forward(from, to, &is_unanswered));
                let network = accepting.clone();
                thread::spawn(move || network.answer(server, client, &unanswered));
            }
        });
        proxy
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// New connections lead there, as with an endpoint that follows the primary.
    pub fn lead_to(&self, port: u16) {
        self.to.store(port, Ordering::Release);
    }

    pub fn set(&self, network: Network) {
        *self.network.lock().unwrap() = network;
    }

    pub fn is(&self) -> Network {
        *self.network.lock().unwrap()
    }

    /// From the replica to the database.
    fn forward(&self, mut from: TcpStream, mut to: TcpStream, unanswered: &AtomicBool) {
        let mut bytes = [0; 64 << 10];
        let mut is_stuck = false;
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let mut sent = &bytes[..length];
            match self.is() {
                Network::HalfAMessage if sent.ends_with(SYNC) => {
                    sent = &sent[..sent.len() - SYNC.len()];
                    let _ = to.write_all(sent);
                    is_stuck = true;
                }
                Network::CommitUnanswered if sent.ends_with(COMMIT) => {
                    unanswered.store(true, Ordering::Release);
                    self.set(Network::Sound);
                }
                _ => {}
            }
            if is_stuck || self.is() == Network::Cut {
                continue;
            }
            if to.write_all(sent).is_err() {
                break;
            }
        }
        // One that hangs does not close its connection.
        while is_stuck || self.is() == Network::Cut {
            thread::park_timeout(Duration::from_millis(50));
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    /// From the database to the replica.
    fn answer(&self, mut from: TcpStream, mut to: TcpStream, unanswered: &AtomicBool) {
        let mut bytes = [0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            // What has answered has committed.
            if unanswered.load(Ordering::Acquire) {
                let _ = from.shutdown(Shutdown::Both);
                break;
            }
            if matches!(self.is(), Network::Cut | Network::Deaf) {
                continue;
            }
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        while self.is() == Network::Cut {
            thread::park_timeout(Duration::from_millis(50));
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
