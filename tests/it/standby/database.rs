//! A real PostgreSQL, in a directory and on a port of its own.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::{TempDir, tempdir};

use crate::exporter::wait_until;

/// A server. It is stopped when dropped.
pub struct Database {
    server: Option<Child>,
    fsync: &'static str,
    directory: TempDir,
    /// Where it listens.
    addresses: String,
    port: u16,
}

impl Database {
    fn empty(fsync: &'static str) -> Self {
        let directory = tempdir().unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(directory.path()));
        }
        Self {
            server: None,
            fsync,
            directory,
            addresses: "127.0.0.1".to_owned(),
            port: free_port(),
        }
    }

    /// A new one, with the database and the ordinary role `exporter`.
    pub fn start() -> Self {
        // What a process has written survives its end without being flushed; tests end no machine.
        Self::start_with("off")
    }

    /// The same, with `fsync` on or off.
    pub fn start_with(fsync: &'static str) -> Self {
        let mut database = Self::empty(fsync);
        let made = as_server("initdb")
            .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"])
            // Small files of its log: a limit of the size of files is then one of tables.
            .args(["--username=postgres", "--wal-segsize=1", "-D"])
            .arg(database.data())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        database.run();
        database.sql("create role exporter login");
        database.sql("create database exporter owner exporter");
        database
    }

    /// Where exporters find it.
    pub fn url(&self) -> String {
        self.url_through(self.port)
    }

    /// The same, through something that listens elsewhere.
    pub fn url_through(&self, port: u16) -> String {
        format!("postgres://exporter@127.0.0.1:{port}/exporter?sslmode=disable")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A directory that the server's user may write to.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A standby of this one, which streams what it writes.
    pub fn follower(&self) -> Self {
        let follower = Self::empty(self.fsync);
        let copied = as_server("pg_basebackup")
            .args([
                "--no-sync",
                "--checkpoint=fast",
                "--wal-method=stream",
                "--write-recovery-conf",
            ])
            .args([
                "-h",
                "127.0.0.1",
                "-U",
                "postgres",
                "-p",
                &self.port.to_string(),
                "-D",
            ])
            .arg(follower.data())
            .status()
            .unwrap();
        assert!(copied.success());
        // How often one that receives nothing looks whether it may.
        follower.write("postgresql.auto.conf", "wal_retrieve_retry_interval = '100ms'\n");
        let mut follower = follower;
        follower.run();
        follower
    }

    /// A standby receives from another server, or from none.
    pub fn follow(&self, primary: Option<&Self>) {
        let from = primary.map(|primary| format!("host=127.0.0.1 port={} user=postgres", primary.port));
        let from = from.unwrap_or_default();
        self.sql(&format!("alter system set primary_conninfo = '{from}'"));
        self.sql("select pg_reload_conf()");
        let receives = if primary.is_some() { "1" } else { "0" };
        wait_until("it receives, or does not", || {
            self.sql("select count(*) from pg_stat_wal_receiver where status = 'streaming'") == receives
        });
    }

    /// Commits wait for a standby, whichever, or for none.
    pub fn wait_for_standby(&self, waits: bool) {
        let names = if waits { "*" } else { "" };
        self.sql(&format!("alter system set synchronous_standby_names = '{names}'"));
        self.sql("select pg_reload_conf()");
        let synchronous = if waits { "1" } else { "0" };
        wait_until("the standby is one that is waited for, or not", || {
            self.sql("select count(*) from pg_stat_replication where sync_state = 'sync'") == synchronous
        });
    }

    /// A standby becomes a primary, with what it has received.
    pub fn promote(&self) {
        assert_eq!(self.sql("select pg_promote()"), "t");
    }

    /// The number of the last save.
    pub fn revision(&self) -> u64 {
        let revision = "select revision from cloud_assistant_exporter.leadership";
        self.ask(revision).parse().unwrap()
    }

    /// It listens at a further address too, for whoever comes from there.
    pub fn listen_too(&mut self, address: &str, from: &str) {
        self.write("pg_hba.conf", &format!("host all exporter {from}/32 trust\n"));
        self.addresses = format!("127.0.0.1,{address}");
        self.end("INT");
        self.run();
    }

    /// None of its files may grow beyond this from now on.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let server = self.server.as_ref().unwrap().id();
        let soft = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let limited = |process: &str| {
            let mut limit = as_server("prlimit");
            limit.args([&format!("--fsize={soft}:"), "--pid", process]);
            limit.status().unwrap().success()
        };
        // First the one that the others come of.
        assert!(limited(&server.to_string()));
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        for child in children.split_whitespace() {
            // It may have ended.
            limited(child);
        }
    }

    /// Starts the server on what is there.
    pub fn run(&mut self) {
        let fsync = format!("fsync={}", self.fsync);
        let mut server = as_server("postgres");
        server
            .args(["-c", &fsync])
            .args(["-c", &format!("listen_addresses={}", self.addresses)])
            .args(["-c", "max_connections=40", "-p", &self.port.to_string(), "-D"])
            .arg(self.data())
            .arg("-k")
            .arg(self.directory.path())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.directory.path().join("log")).unwrap());
        self.server = Some(server.spawn().unwrap());
        wait_until("PostgreSQL answers", || {
            self.psql("postgres", "select 1")
                .is_ok_and(|answer| answer == "1")
        });
    }

    /// Ends the server: INT politely, QUIT at once, KILL without its knowing.
    pub fn end(&mut self, signal: &str) {
        if let Some(mut server) = self.server.take() {
            run(Command::new("kill").args([&format!("-{signal}"), &server.id().to_string()]));
            server.wait().unwrap();
        }
    }

    /// Adds to a file of the server's directory, which its user alone may read.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(path));
        }
    }

    /// Keeps a copy of everything that is saved now; the server must have ended.
    pub fn keep(&self, name: &str) {
        let copy = self.directory.path().join(name);
        run(Command::new("cp").arg("-a").arg(self.data()).arg(copy));
    }

    /// Puts a copy in the place of what is saved; the server must have ended.
    pub fn put_back(&self, name: &str) {
        fs::remove_dir_all(self.data()).unwrap();
        fs::rename(self.directory.path().join(name), self.data()).unwrap();
    }

    /// Does something as the superuser, and tells the answer.
    pub fn sql(&self, statements: &str) -> String {
        self.psql("postgres", statements).unwrap()
    }

    /// The same in the database of the exporters.
    pub fn ask(&self, statements: &str) -> String {
        self.psql("exporter", statements).unwrap()
    }

    /// The same, where it may fail: with what it said.
    pub fn try_ask(&self, statements: &str) -> Result<String, String> {
        self.psql("exporter", statements)
    }

    /// What does something as the superuser in a database.
    pub fn asking(&self, database: &str, statements: &str) -> Command {
        let mut command = Command::new(tool("psql"));
        command
            .args(["-X", "-q", "-At", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-U", "postgres", "-d", database, "-c", statements]);
        command
    }

    fn psql(&self, database: &str, statements: &str) -> Result<String, String> {
        let output = self.asking(database, statements).output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.end("QUIT");
    }
}

/// A tool of PostgreSQL, which distributions keep off the path.
fn tool(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.unwrap().path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

/// Runs it as a user that PostgreSQL serves.
pub fn as_server(name: &str) -> Command {
    if !is_root() {
        return Command::new(tool(name));
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(tool(name));
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// A port that was free just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
