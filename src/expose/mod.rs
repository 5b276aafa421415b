//! From the view to the bytes of `/metrics`: `families` says what there is to show as points of no format, `encode`
//! has a file for each format that they are written in, and `serve` cuts, keeps, compresses and hands out what was
//! written.
//!
//! Everything is rendered and compressed once, when the view has changed; a scrape shares those bytes, and adds the
//! metrics of the process as they are now behind them. It waits for nothing.

mod encode;
mod families;
mod past;
mod point;
mod serve;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use prometheus::Registry;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub use families::Process;
pub use past::PastFamily;
pub use serve::Answer;

use crate::requests::Requests;
use crate::view::{Board, View};
use encode::{Encoder, Format, OpenMetrics, Text};
use serve::{Bodies, Deflater, Rendering};

/// Rendering takes about this share of one core: after it took a while, the next waits so many times that while.
const REST: u32 = 20;

/// But no longer, however much there is: so far `/metrics` may be behind.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// `/metrics`.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
    process: Process,
    requests: Arc<Requests>,
    rendered: ArcSwap<Rendered>,
    /// Renderings go one after another.
    deflater: Mutex<Deflater>,
}

/// A view and its bytes.
#[derive(Debug, Default)]
struct Rendered {
    view: Arc<View>,
    bodies: Bodies,
}

impl Exposition {
    /// An exposition of the process alone, until a view is rendered.
    pub fn new(registry: Registry, process: Process, requests: Arc<Requests>) -> Self {
        Self {
            registry,
            process,
            requests,
            rendered: ArcSwap::default(),
            deflater: Mutex::default(),
        }
    }

    /// Renders what the board and the registry show now; from now on it is served.
    pub fn render(&self, board: &Board) {
        let mut deflater = self.deflater.lock().unwrap_or_else(PoisonError::into_inner);
        let view = board.view();
        let before = self.rendered.load_full();
        let own = self.registry.gather();
        let mut rendering = Rendering::new(&before.bodies, &mut deflater);
        families::all(&view, &self.requests, &mut rendering);
        rendering.one_piece(|to| families::registered(&own, to));
        let bodies = rendering.done();
        self.rendered.store(Arc::new(Rendered { view, bodies }));
    }

    /// The view that is served: what is told elsewhere of this one can be seen in a scrape already.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.rendered.load().view)
    }

    /// The body of one answer, in chunks.
    pub fn body(&self, answer: Answer) -> Vec<Bytes> {
        let rendered = self.rendered.load();
        let bodies = &rendered.bodies;
        let (body, tail) = match answer.format {
            Format::Text => (&bodies.text, self.tail(Text::default())),
            Format::OpenMetrics => {
                let tail = self.tail(OpenMetrics::default());
                (&bodies.open_metrics, tail + OpenMetrics::END)
            }
        };
        match answer.gzip {
            true => body.gzip(&tail),
            false => body.plain(tail),
        }
    }

    /// What is as it is now, behind what was rendered.
    fn tail(&self, mut encoder: impl Encoder) -> String {
        self.process.all(&mut encoder);
        encoder.into_written()
    }

    /// Renders the board whenever it has changed, until stopped.
    ///
    /// All on one thread: an allocator keeps what a thread has used, and renderings are the largest of all.
    pub async fn follow(self: Arc<Self>, board: Board, stop: CancellationToken) {
        let runtime = Handle::current();
        let rendering = spawn_blocking(move || runtime.block_on(self.render_changes(board, stop)));
        // A panic in it ends this task, and with it the process.
        if let Err(error) = rendering.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }

    async fn render_changes(&self, board: Board, stop: CancellationToken) {
        let mut changes = board.subscribe();
        loop {
            changes.mark_unchanged();
            let started = Instant::now();
            self.render(&board);
            let rest: Duration = (started.elapsed() * REST).min(LONGEST_REST);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }
}
