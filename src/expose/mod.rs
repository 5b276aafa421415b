//! From the view to the bytes of `/metrics`: `families` says what there is to show as points of no format, `subjects`
//! which scopes are written together and what of them has changed, `encode` has a file for each format that they are
//! written in, and `serve` cuts, keeps, compresses and hands out what was written.
//!
//! What has changed in the view is written and compressed once, beside what has not; a scrape shares those bytes, and
//! adds the metrics of the process as they are now behind them. It waits for nothing.

mod encode;
mod families;
mod past;
mod point;
mod serve;
mod subjects;
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
use crate::view::{Board, Leadership, Replica, Standby, View};
use encode::{Encoder, Format, OpenMetrics, Text};
use families::OfScopes;
use point::Sink;
use serve::{Bodies, Deflater, Pieces, Writer, Written};
use subjects::{Blocks, From};

/// After a rendering took a while, the next waits so many times that while: together they take at most this share of
/// one core.
const REST: u32 = 200;

/// But no longer, however much there is: so far `/metrics` may be behind.
const LONGEST_REST: Duration = Duration::from_millis(200);

/// `/metrics`.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
    process: Process,
    requests: Arc<Requests>,
    leadership: Leadership,
    rendered: ArcSwap<Rendered>,
    /// Renderings go one after another.
    deflater: Mutex<Deflater>,
}

/// A view and its bytes.
#[derive(Debug, Default)]
struct Rendered {
    view: Arc<View>,
    blocks: Blocks,
    bodies: Bodies,
}

impl Exposition {
    /// An exposition of the process alone, until a view is rendered.
    pub fn new(registry: Registry, process: Process, requests: Arc<Requests>) -> Self {
        Self {
            registry,
            process,
            requests,
            leadership: Leadership::default(),
            rendered: ArcSwap::default(),
            deflater: Mutex::default(),
        }
    }

    /// Shows what was rendered only while this replica leads.
    #[must_use]
    pub fn of_replica(mut self, leadership: Leadership) -> Self {
        self.leadership = leadership;
        self
    }

    /// Renders what the board and the registry show now; from now on it is served. Returns when to render again though
    /// the board may be the same: then a series that is held at 0 is to show its value.
    pub fn render(&self, board: &Board) -> Option<Instant> {
        let mut deflater = self.deflater.lock().unwrap_or_else(PoisonError::into_inner);
        let view = board.view();
        let before = self.rendered.load_full();
        let own = self.registry.gather();
        let moment = self.requests.moment();
        let (blocks, from) = Blocks::of(&view, &self.requests, moment, &before.blocks);
        let mut writer = Writer::new(&mut deflater);
        let of_scopes = families::of_scopes().enumerate();
        let mut written: Vec<Arc<Written>> = of_scopes
            .map(|(place, family)| {
                of_blocks(family, &blocks, &from, before.bodies.family(place), &mut writer)
            })
            .collect();
        let mut section = |families: &dyn Fn(&mut dyn Sink)| {
            let before = before.bodies.family(written.len());
            let before = before.and_then(|before| before.blocks.first()).cloned();
            written.push(Arc::new(Written {
                header: None,
                blocks: vec![writer.section(&before.unwrap_or_default(), families)],
            }));
        };
        section(&|to| families::of_events(&view, to));
        section(&|to| families::of_accounts(&view.accounts, to));
        section(&|to| families::registered(&own, to));
        let next_change = blocks.all.iter().filter_map(|block| block.next_change).min();
        let bodies = Bodies::new(written);
        self.rendered.store(Arc::new(Rendered { view, blocks, bodies }));
        next_change.and_then(|time| self.requests.instant(time))
    }

    /// The view that is served: what is told elsewhere of this one can be seen in a scrape already.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.rendered.load().view)
    }

    /// The body of one answer, in chunks.
    pub fn body(&self, answer: Answer) -> Vec<Bytes> {
        let replica = self.leadership.now();
        if !matches!(replica, Replica::Standby(_)) {
            let shown = self.with(&self.rendered.load().bodies, &replica, answer);
            // The last thing that is done: a lease may have ended on the way.
            if self.leadership.shows() {
                return shown;
            }
        }
        match self.leadership.now() {
            standby @ Replica::Standby(_) => self.with(&Bodies::default(), &standby, answer),
            // It has begun to lead just now.
            _ => self.with(&Bodies::default(), &Replica::Standby(Standby::default()), answer),
        }
    }

    fn with(&self, bodies: &Bodies, replica: &Replica, answer: Answer) -> Vec<Bytes> {
        let tail = match answer.format {
            Format::Text => self.tail(replica, Text::default()),
            Format::OpenMetrics => self.tail(replica, OpenMetrics::default()) + OpenMetrics::END,
        };
        match answer.gzip {
            true => bodies.gzip(answer.format, &tail),
            false => bodies.plain(answer.format, tail),
        }
    }

    /// What is as it is now, behind what was rendered.
    fn tail(&self, replica: &Replica, mut encoder: impl Encoder) -> String {
        if let Replica::Standby(_) = replica {
            let mut own = self.registry.gather();
            own.retain(|family| families::OF_STANDBY.contains(&family.name()));
            families::registered(&own, &mut encoder);
        }
        families::of_replica(replica, &mut encoder);
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
            let next_change = self.render(&board);
            let rest: Duration = (started.elapsed() * REST).min(LONGEST_REST);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
                () = until(next_change) => {}
            }
        }
    }
}

/// A family of all blocks, written anew where what it shows of one has changed.
fn of_blocks(
    (family, points): &OfScopes,
    blocks: &Blocks,
    from: &[From],
    before: Option<&Arc<Written>>,
    writer: &mut Writer<'_>,
) -> Arc<Written> {
    let facet = points.facet() as usize;
    if let Some(before) = before
        && before.blocks.len() == from.len()
        && from
            .iter()
            .enumerate()
            .all(|(place, from)| from.is_as_before(place, facet))
    {
        return Arc::clone(before);
    }
    let of_blocks = blocks.all.iter().zip(from).map(|(block, from)| {
        let pieces = before
            .zip(from.place)
            .and_then(|(before, place)| before.blocks.get(place));
        match pieces {
            Some(pieces) if !from.changed[facet] => Arc::clone(pieces),
            pieces => {
                let pieces = pieces.cloned().unwrap_or_default();
                writer.points(family, &pieces, |to| {
                    for subject in &block.subjects {
                        points.of(subject, to);
                    }
                })
            }
        }
    });
    let blocks: Vec<Pieces> = of_blocks.collect();
    let header = before.and_then(|before| before.header.clone());
    Arc::new(Written {
        header: header.or_else(|| writer.header(family)),
        blocks,
    })
}

/// Never, where there is nothing to wait for.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
