//! What systemd is told of the service (sd_notify(3)). Without systemd nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// The service is ready, or ready again after a reload. `status` is what `systemctl status` shows.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&in_one_line(status))]);
}

/// The configuration is being read again; [`ready`] ends it, whether it is taken or not.
pub fn reloading() {
    // The time lets systemd tell this reload from an older one (Type=notify-reload).
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The service is stopping.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(&in_one_line(status))]);
}

/// Feeds the watchdog of systemd (`WatchdogSec=`), if it has one, for as long as `is_alive` says so each time, and
/// until `stop`. Without a watchdog it waits for `stop`.
pub async fn watchdog(is_alive: impl Fn() -> bool + Send, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return stop.cancelled().await;
    };
    // Half the limit, as sd_watchdog_enabled(3) advises; a limit of 0 would spin.
    let mut tick = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {
                if is_alive() {
                    tell(&[NotifyState::Watchdog]);
                }
            }
        }
    }
}

/// A second line would be another message to systemd.
fn in_one_line(status: &str) -> String {
    status.replace(['\n', '\r'], " ")
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}
