//! From the view to the bytes of `/metrics`: `families` says what there is to show as points of no format, `subjects`
//! which scopes are written together and what of them has changed, `encode` has a file for each format that they are
//! written in, and `serve` cuts, keeps, compresses and hands out what was written.
//!
//! What has changed in the view is written and compressed once, beside what has not; a scrape shares those bytes, and
//! adds the metrics of the process as they are now behind them. It waits for nothing. Protobuf, which shares no bytes
//! with the others, is written along only while somebody asks for it.

mod encode;
mod families;
mod past;
mod point;
mod serve;
mod subjects;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use prometheus::Registry;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub use encode::Format;
pub use families::Process;
pub use past::PastFamily;
pub use serve::Answer;

use crate::requests::Requests;
use crate::view::{Board, Leadership, Replica, Standby, View};
use encode::{Encoder, OpenMetrics, Protobuf, Text};
use families::OfScopes;
use point::Sink;
use serve::{Bodies, Deflater, Lines, Messages, Part, Piece, Pieces, Writer, Written};
use subjects::{Blocks, From};

/// After a rendering took a while, the next waits so many times that while: together they take at most this share of
/// one core.
const REST: u32 = 200;

/// But no longer, however much there is: so far `/metrics` may be behind.
const LONGEST_REST: Duration = Duration::from_millis(200);

/// Protobuf is written along for so long after it was last asked for: no scrapes that go on are further apart.
const PROTOBUF_IS_KEPT: Duration = Duration::from_secs(15 * 60);

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
    /// When protobuf was last asked for.
    protobuf_asked: Mutex<Option<Instant>>,
}

/// A view and its bytes.
#[derive(Debug, Default)]
struct Rendered {
    view: Arc<View>,
    blocks: Blocks,
    lines: Bodies<Piece>,
    /// Written when the view was rendered, or when it was first asked for.
    protobuf: OnceLock<Bodies<Part>>,
    /// In Unix time, as it was written there.
    work_start: f64,
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
            protobuf_asked: Mutex::default(),
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
        let mut deflater = self.deflater();
        let view = board.view();
        let before = self.rendered.load_full();
        let moment = self.requests.moment();
        let (blocks, from) = Blocks::of(&view, &self.requests, moment, &before.blocks);
        let mut rendered = Rendered {
            lines: self.write(
                Lines::new(&mut deflater),
                (&view, &blocks),
                &from,
                Some(&before.lines),
            ),
            view,
            blocks,
            protobuf: OnceLock::new(),
            work_start: self.work_start(),
        };
        if self.is_protobuf_asked(Instant::now()) {
            // What was written before the work began anew says when it began before.
            let before = (before.work_start == rendered.work_start).then(|| before.protobuf.get());
            let protobuf = self.protobuf(&rendered, &from, before.flatten(), &mut deflater);
            rendered.protobuf = protobuf.into();
        }
        let blocks = rendered.blocks.all.iter();
        let next_change = blocks.filter_map(|block| block.next_change).min();
        self.rendered.store(Arc::new(rendered));
        next_change.and_then(|time| self.requests.instant(time))
    }

    /// Every family in the formats of a writer.
    fn write<W: Writer>(
        &self,
        mut writer: W,
        (view, blocks): (&View, &Blocks),
        from: &[From],
        before: Option<&Bodies<W::Piece>>,
    ) -> Bodies<W::Piece> {
        let own = self.registry.gather();
        let before = |place| before.and_then(|before| before.family(place));
        let of_scopes = families::of_scopes().enumerate();
        let mut written: Vec<Arc<Written<W::Piece>>> = of_scopes
            .map(|(place, family)| of_blocks(family, blocks, from, before(place), &mut writer))
            .collect();
        let mut section = |families: &dyn Fn(&mut dyn Sink)| {
            let before = before(written.len()).and_then(|before| before.blocks.first());
            let before = before.cloned().unwrap_or_default();
            written.push(Arc::new(Written {
                header: None,
                blocks: vec![writer.section(&before, families)],
            }));
        };
        section(&|to| families::of_events(view, to));
        section(&|to| families::of_accounts(&view.accounts, to));
        section(&|to| families::registered(&own, to));
        Bodies::new(written)
    }

    fn protobuf(
        &self,
        rendered: &Rendered,
        from: &[From],
        before: Option<&Bodies<Part>>,
        deflater: &mut Deflater,
    ) -> Bodies<Part> {
        let messages = Messages::new(self.messages(rendered.work_start), deflater);
        self.write(messages, (&rendered.view, &rendered.blocks), from, before)
    }

    fn messages(&self, work_start: f64) -> Protobuf {
        Protobuf::new(self.process.start_time(), work_start)
    }

    /// When what the process counts of its work was 0, in Unix time.
    fn work_start(&self) -> f64 {
        let began = self.requests.began_anew();
        began.map_or_else(|| self.process.start_time(), families::unix_time)
    }

    fn deflater(&self) -> MutexGuard<'_, Deflater> {
        self.deflater.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_protobuf_asked(&self, now: Instant) -> bool {
        let asked = *self.protobuf_asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_some_and(|asked| now.saturating_duration_since(asked) < PROTOBUF_IS_KEPT)
    }

    /// The view that is served: what is told elsewhere of this one can be seen in a scrape already.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.rendered.load().view)
    }

    /// Whether an answer in that format is there, and has only to be handed out.
    pub fn is_written(&self, format: Format) -> bool {
        format != Format::Protobuf || self.rendered.load().protobuf.get().is_some()
    }

    /// The body of one answer, in chunks.
    pub fn body(&self, answer: Answer) -> Vec<Bytes> {
        let Answer { format, gzip, .. } = answer;
        let replica = self.leadership.now();
        if !matches!(replica, Replica::Standby(_)) {
            let tail = self.tail(&replica, format);
            let shown = match format {
                Format::Protobuf => {
                    let rendered = self.with_protobuf();
                    let written = rendered.protobuf.get();
                    // It is there.
                    written
                        .map(|bodies| bodies.answer(format, gzip, tail))
                        .unwrap_or_default()
                }
                Format::Text | Format::OpenMetrics => self.rendered.load().lines.answer(format, gzip, tail),
            };
            // The last thing that is done: a lease may have ended on the way.
            if self.leadership.shows() {
                return shown;
            }
        }
        let standby = match self.leadership.now() {
            standby @ Replica::Standby(_) => standby,
            // It has begun to lead just now.
            _ => Replica::Standby(Standby::default()),
        };
        Bodies::<Piece>::default().answer(format, gzip, self.tail(&standby, format))
    }

    /// What is rendered, with protobuf: written now where nobody has asked for it lately.
    fn with_protobuf(&self) -> Arc<Rendered> {
        let asked = Some(Instant::now());
        *self.protobuf_asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        let rendered = self.rendered.load_full();
        if rendered.protobuf.get().is_some() {
            return rendered;
        }
        let mut deflater = self.deflater();
        // Once more: a rendering may have been under way.
        let rendered = self.rendered.load_full();
        if rendered.protobuf.get().is_none() {
            let from = vec![From::NEW; rendered.blocks.all.len()];
            let protobuf = self.protobuf(&rendered, &from, None, &mut deflater);
            // Who sets it holds the deflater.
            let _ = rendered.protobuf.set(protobuf);
        }
        rendered
    }

    /// What is as it is now, behind what was rendered.
    fn tail(&self, replica: &Replica, format: Format) -> Vec<u8> {
        match format {
            Format::Text => self
                .write_tail(replica, Text::default())
                .into_written()
                .into_bytes(),
            Format::OpenMetrics => {
                let lines = self.write_tail(replica, OpenMetrics::default()).into_written();
                (lines + OpenMetrics::END).into_bytes()
            }
            Format::Protobuf => self
                .write_tail(replica, self.messages(self.work_start()))
                .into_written(),
        }
    }

    fn write_tail<E: Sink>(&self, replica: &Replica, mut encoder: E) -> E {
        if let Replica::Standby(_) = replica {
            let mut own = self.registry.gather();
            own.retain(|family| families::OF_STANDBY.contains(&family.name()));
            families::registered(&own, &mut encoder);
        }
        families::of_replica(replica, &mut encoder);
        self.process.all(&mut encoder);
        encoder
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
fn of_blocks<W: Writer>(
    (family, points): &OfScopes,
    blocks: &Blocks,
    from: &[From],
    before: Option<&Arc<Written<W::Piece>>>,
    writer: &mut W,
) -> Arc<Written<W::Piece>> {
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
    let blocks: Vec<Pieces<W::Piece>> = of_blocks.collect();
    let header = before.and_then(|before| before.header.as_ref());
    Arc::new(Written {
        header: writer.header(family, &blocks, header),
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
