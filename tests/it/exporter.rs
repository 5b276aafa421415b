//! The real binary, as an operator runs it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::scrape::Scrape;

/// How long anything that must happen may take.
const DEADLINE: Duration = Duration::from_secs(90);

/// A running exporter. It is killed when dropped; a test that it did not survive fails.
pub struct Exporter {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    /// Reads the log to its end.
    reader: Option<thread::JoinHandle<()>>,
    /// Whether it reads at all.
    is_deaf: Arc<AtomicBool>,
    /// Whether the test has ended it itself.
    ended: bool,
}

/// A number of bytes from `/proc/ID/status`.
pub fn of_status(id: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// An answer over HTTP.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (other, value) = line.split_once(':')?;
            other.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Exporter {
    /// Starts it with a configuration, on a free port, and waits until it listens.
    pub fn start(directory: &Path, config: &str) -> Self {
        Self::start_with(directory, config, &[], &[])
    }

    /// The same with further arguments and variables.
    pub fn start_with(
        directory: &Path,
        config: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        Self::try_start(directory, config, arguments, variables)
            .unwrap_or_else(|(_, log)| panic!("no start:\n{log}"))
    }

    /// Starts it; the error is its exit status and what it said.
    pub fn try_start(
        directory: &Path,
        config: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self, (ExitStatus, String)> {
        Self::launch(
            command(),
            "127.0.0.1:0",
            (directory, config),
            arguments,
            variables,
        )
    }

    /// The same by a command that ends with the binary, and on another address.
    pub fn launch(
        mut command: Command,
        address: &str,
        (directory, config): (&Path, &str),
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self, (ExitStatus, String)> {
        let path = config_path(directory);
        fs::write(&path, config).unwrap();
        let has_level = arguments
            .iter()
            .any(|argument| argument.starts_with("--log.level"));
        let mut child = command
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--web.listen-address={address}"))
            .args((!has_level).then_some("--log.level=debug"))
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let reader = BufReader::new(child.stderr.take().unwrap());
        let lines = Arc::clone(&log);
        let is_deaf = Arc::new(AtomicBool::new(false));
        let deaf = Arc::clone(&is_deaf);
        let reader = thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                while deaf.load(Ordering::Relaxed) {
                    pause();
                }
                let mut log = lines.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let deadline = Instant::now() + DEADLINE;
        loop {
            let address = listening(&log.lock().unwrap());
            if let Some(address) = address {
                return Ok(Self {
                    child,
                    address,
                    log,
                    reader: Some(reader),
                    is_deaf,
                    ended: false,
                });
            }
            if let Some(status) = child.try_wait().unwrap() {
                // What it said last may still be on its way through the pipe.
                reader.join().unwrap();
                let log = log.lock().unwrap().clone();
                return Err((status, log));
            }
            assert!(
                Instant::now() < deadline,
                "not listening after {DEADLINE:?}:\n{}",
                log.lock().unwrap()
            );
            pause();
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// From now on the log is not read, or is again: its pipe stays open, and becomes full.
    pub fn set_deaf(&self, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::Relaxed);
    }

    /// The first line of the log with these words, which may still be on its way through the pipe.
    pub fn logged(&self, words: &str) -> String {
        eventually(&format!("{words} is logged"), || {
            let log = self.log();
            log.lines().find(|line| line.contains(words)).map(str::to_owned)
        })
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "")
    }

    pub fn request(&self, method: &str, path: &str, headers: &str) -> Answer {
        self.try_request(method, path, headers)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    pub fn try_request(&self, method: &str, path: &str, headers: &str) -> std::io::Result<Answer> {
        request(self.address, method, path, headers)
    }

    pub fn scrape(&self) -> Scrape {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200);
        Scrape::parse(&answer.text())
    }

    /// A scrape for which `condition` holds, within the deadline.
    pub fn scrape_until(&self, what: &str, condition: impl Fn(&Scrape) -> bool) -> Scrape {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let scrape = self.scrape();
            if condition(&scrape) {
                return scrape;
            }
            assert!(
                Instant::now() < deadline,
                "not within {DEADLINE:?}: {what}\n{}\n{}",
                scrape.shown("cloud_assistant"),
                self.log()
            );
            pause();
        }
    }

    /// A scrape that shows what was known when this was called, or something newer.
    ///
    /// Views are rendered in the background, so that a scrape may show one that is a little old. Of two further
    /// renderings the second began after the call.
    pub fn fresh(&self) -> Scrape {
        let mut scrape = self.scrape();
        for _ in 0..2 {
            let before = scrape.by_scope("cloud_assistant_exporter_polls_total");
            scrape = self.scrape_until("another view", |scrape| {
                scrape.by_scope("cloud_assistant_exporter_polls_total") != before
            });
        }
        scrape
    }

    /// A scrape after every scope has polled twice more: the second poll began after this call.
    pub fn polled(&self) -> Scrape {
        let before = self.fresh().by_scope("cloud_assistant_exporter_polls_total");
        self.scrape_until("two polls more of every scope", |scrape| {
            let now = scrape.by_scope("cloud_assistant_exporter_polls_total");
            !now.is_empty()
                && now
                    .iter()
                    .all(|(scope, polls)| *polls >= before.get(scope).copied().unwrap_or(0.0) + 2.0)
        })
    }

    /// The first scrape after the first look of every scope.
    pub fn looked(&self) -> Scrape {
        self.scrape_until("a first look", |scrape| {
            let looked = scrape.by_scope("cloud_assistant_last_success_timestamp_seconds");
            let polls = scrape.by_scope("cloud_assistant_exporter_polls_total");
            !polls.is_empty() && looked.len() == polls.len()
        })
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.ended = true;
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        let status = self.wait_for_end();
        (status, self.log())
    }

    pub fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.ended = true;
                self.set_deaf(false);
                if let Some(reader) = self.reader.take() {
                    reader.join().unwrap();
                }
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "still running after {DEADLINE:?}:\n{}",
                self.log()
            );
            pause();
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let alive = self.child.try_wait().unwrap().is_none();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            assert!(alive, "the exporter has ended by itself:\n{}", self.log());
        }
    }
}

/// Asks whoever listens there.
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n{headers}\r\n"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let broken = || std::io::Error::other("a broken answer");
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(broken)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(broken)?;
    Ok(Answer {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
    })
}

/// The binary, without what the environment of the tests says of credentials and proxies.
pub fn command() -> Command {
    command_by(&[])
}

/// The same, begun by another program.
pub fn command_by(program: &[&str]) -> Command {
    let binary = env!("CARGO_BIN_EXE_cloud-assistant-exporter");
    let mut words = program.iter().copied().chain([binary]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    for (name, _) in std::env::vars() {
        if ["ALIBABA_CLOUD_", "CLOUD_ASSISTANT_EXPORTER"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            || name.to_lowercase().ends_with("_proxy")
        {
            command.env_remove(name);
        }
    }
    command
}

pub fn config_path(directory: &Path) -> PathBuf {
    directory.join("config.yml")
}

/// Waits until `condition` gives something, within the deadline.
pub fn eventually<T>(what: &str, condition: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        pause();
    }
}

/// The same for a condition that changes something.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        pause();
    }
}

/// Between two looks at a condition.
pub fn pause() {
    thread::park_timeout(Duration::from_millis(5));
}

fn listening(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("\"Listening on\""))?;
    line.split("address=")
        .nth(1)?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}
