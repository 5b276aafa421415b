//! SIGTERM and SIGINT, watched outside of the runtime: nothing that hangs in it may keep the process from ending.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use tokio_util::sync::CancellationToken;

/// After the first signal the process ends within the ten seconds that its users rely on.
const STOP_WITHIN: Duration = Duration::from_millis(9_500);

/// Begins to watch. The first signal cancels the token that is returned; the second ends the process at once, and so
/// does the end of the time to stop. No count is lost by that: what is shown is saved.
///
/// # Errors
/// When signals cannot be received.
pub fn watch() -> anyhow::Result<CancellationToken> {
    const FAILED: &str = "signals cannot be received";
    let is_asked = Arc::new(AtomicBool::new(false));
    let (mut asked, ask) = UnixStream::pair().context(FAILED)?;
    for signal in [SIGTERM, SIGINT] {
        // In this order, so that the first signal does not find its own flag.
        flag::register_conditional_shutdown(signal, 0, Arc::clone(&is_asked)).context(FAILED)?;
        flag::register(signal, Arc::clone(&is_asked)).context(FAILED)?;
        low_level::pipe::register(signal, ask.try_clone().context(FAILED)?).context(FAILED)?;
    }
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            // Cannot fail: this process holds the other end.
            let _ = asked.read_exact(&mut [0]);
            stopping.cancel();
            let deadline = Instant::now() + STOP_WITHIN;
            while let Some(left) = deadline.checked_duration_since(Instant::now()) {
                thread::park_timeout(left);
            }
            low_level::exit(0)
        })
        .context(FAILED)?;
    Ok(stop)
}
