//! What systemd is told of the service (sd_notify(3)). Without systemd nothing happens.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdUnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::net::UnixDatagram;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How long a message waits where systemd does not read them; after that it is not sent.
const PATIENCE: Duration = Duration::from_millis(500);

/// The service is ready, or ready again after a reload. `status` is what `systemctl status` shows.
pub async fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&in_one_line(status))]).await;
}

/// The configuration is being read again; [`ready`] ends it, whether it is taken or not.
pub async fn reloading() {
    // The time lets systemd tell this reload from an older one (Type=notify-reload).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]).await,
        Err(_) => tell(&[NotifyState::Reloading]).await,
    }
}

/// The service is stopping.
pub async fn stopping() {
    tell(&[NotifyState::Stopping]).await;
}

/// One line for `systemctl status`.
pub async fn status(status: &str) {
    tell(&[NotifyState::Status(&in_one_line(status))]).await;
}

/// Feeds the watchdog of systemd (`WatchdogSec=`), if it has one, for as long as `is_alive` says so each time, and
/// until `stop`. Without a watchdog it waits for `stop`.
pub async fn watchdog(is_alive: impl Fn() -> bool + Send, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return stop.cancelled().await;
    };
    // Half the limit, as sd_watchdog_enabled(3) advises; a limit of 0 would spin.
    let mut tick = interval((limit / 2).max(Duration::from_millis(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {
                if is_alive() {
                    tell(&[NotifyState::Watchdog]).await;
                }
            }
        }
    }
}

/// A second line would be another message to systemd.
fn in_one_line(status: &str) -> String {
    status.replace(['\n', '\r'], " ")
}

async fn tell(states: &[NotifyState<'_>]) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let message: String = states.iter().map(|state| format!("{state}\n")).collect();
    let sent = timeout(PATIENCE, send(&socket, &message)).await;
    if let Err(error) = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

/// Not by `sd_notify::notify`, whose send waits for a reader for ever.
async fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = StdUnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.connect_addr(&address)?;
    UnixDatagram::from_std(sender)?.send(message.as_bytes()).await?;
    Ok(())
}
