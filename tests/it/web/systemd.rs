//! What systemd hands over and is told. Each test runs this binary again as the service, because the environment
//! of a process is set from outside.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use cloud_assistant_exporter::web::{Body, Options, Routes, Server, notify};
use hyper::Response;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::site::{PATIENCE, get};

/// This binary, to run one test that is ignored otherwise.
fn service(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        &format!("web::systemd::{test}"),
        "--ignored",
        "--nocapture",
    ]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn serves_the_socket_of_systemd() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut service = service("service_on_a_socket");
    service
        .stdin(OwnedFd::from(socket))
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDS_FIRST_FD", "0");
    let mut process = service.spawn().unwrap();
    let answer = get(address, "/", "").await;
    assert!(answer.ends_with("from systemd"), "{answer}");
    assert!(
        timeout(PATIENCE, process.wait())
            .await
            .unwrap()
            .unwrap()
            .success()
    );
}

/// The service of [`serves_the_socket_of_systemd`], which stops after one request.
#[tokio::test]
#[ignore = "run by another test"]
async fn service_on_a_socket() {
    let options = Options {
        systemd_socket: true,
        addresses: vec!["not used".to_owned()],
        ..Options::default()
    };
    let server = Server::bind(&options).unwrap();
    assert_eq!(server.addresses().len(), 1);
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let routes = Routes::new().get("/", move |_| {
        asked.cancel();
        async { Response::new(Body::from("from systemd")) }
    });
    server.run(routes, stop).await.unwrap();
}

#[tokio::test]
async fn systemd_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::UnixDatagram::from_std(socket).unwrap();
    let mut service = service("service_that_tells");
    let mut process = service
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "20000")
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "STOPPING=1\n") {
        let mut buffer = [0; 512];
        let length = timeout(PATIENCE, socket.recv(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert!(
        timeout(PATIENCE, process.wait())
            .await
            .unwrap()
            .unwrap()
            .success()
    );
    assert_eq!(told[0], "READY=1\nSTATUS=3 scopes\n");
    assert!(told[1].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told:?}");
    assert_eq!(told[2], "STATUS=all well\n");
    // As often as it was alive.
    assert_eq!(told[3..], ["WATCHDOG=1\n", "WATCHDOG=1\n", "STOPPING=1\n"]);
}

/// The service of [`systemd_is_told`], which is alive twice.
#[tokio::test]
#[ignore = "run by another test"]
async fn service_that_tells() {
    notify::ready("3 scopes").await;
    notify::reloading().await;
    notify::status("all\nwell").await;
    let stop = CancellationToken::new();
    let asked = std::sync::atomic::AtomicU32::new(0);
    let stopping = stop.clone();
    let is_alive = move || {
        let times = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if times == 5 {
            stopping.cancel();
        }
        times < 2
    };
    notify::watchdog(is_alive, stop).await;
    notify::stopping().await;
}
