//! What one poll found becomes part of the record.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Record;
use super::findings::{Answer, Dated, Findings, Trouble, times};
use super::news::News;
use super::saved::Key;
use super::slots::Slot;
use crate::clock::Now;
use crate::result::{Identity, Row, Seconds};

/// Runs of schedules are held for so many seconds longer than the window shows them: the machine's clock may be so far
/// ahead before the API refuses it, and is then set right.
const CLOCK_TOLERANCE: Seconds = 15 * 60;

/// What a poll changed, for the log.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Results that were counted.
    pub counted: u64,
    /// Results that were settled before the first look.
    pub baseline: u64,
    /// Results from before the first look that only this one has shown.
    pub old: u64,
    /// Open results that were given up.
    pub lost: u64,
    /// Results that only a sweep found.
    pub late: u64,
    /// Settled results that had changed.
    pub reclassified: u64,
    /// Identities forgotten.
    pub forgotten: u64,
    /// Why commands are labelled by their CommandIds from now on.
    pub nameless: Option<Trouble>,
    /// The counted results themselves, as far as [`Record::tell`] has asked for them.
    pub news: News,
}

/// What holds for all rows of one call of [`Record::apply`].
pub(super) struct Pass {
    /// The end of the poll, by the wall clock.
    pub now: Seconds,
    /// The same by the process's own time.
    pub steady: Duration,
    pub first_look: bool,
    /// What this poll has seen.
    pub seen: HashSet<Slot>,
    /// What it has looked for, and not seen.
    pub missed: HashSet<Slot>,
    /// Rows of schedules that this first look has shown with a run under way.
    pub under_way: HashSet<Slot>,
    /// Runs that this first look has shown settled.
    pub settled_runs: HashSet<Identity>,
    /// Rows whose histories this poll has read.
    pub read: HashSet<Identity>,
    /// Rows of schedules that have settled; they wait until the histories are read.
    pub ended: Vec<(Slot, Row, Dated)>,
    /// How many runs that were not known each row's history has brought.
    pub brought: HashMap<Slot, u64>,
    pub applied: Applied,
}

impl Pass {
    fn new(findings: &Findings, first_look: bool, now: Now) -> Self {
        let asked = findings.histories.iter().flat_map(|history| &history.asked);
        Self {
            now: now.wall,
            steady: now.steady,
            first_look,
            seen: HashSet::new(),
            missed: HashSet::new(),
            under_way: HashSet::new(),
            settled_runs: HashSet::new(),
            read: asked.map(|(identity, _)| *identity).collect(),
            ended: Vec::new(),
            brought: HashMap::new(),
            applied: Applied::default(),
        }
    }
}

impl Record {
    /// Records what one complete poll found. `now` is its end, as dated from its beginning ([`Now::until`]).
    pub fn apply(&mut self, findings: Findings, now: Now) -> Applied {
        let first_look = self.needs_first_look();
        let mut pass = Pass::new(&findings, first_look, now);
        if first_look {
            self.head.baseline_began = findings.began.wall;
        }
        self.advance(now.wall);
        self.release(now.steady);
        pass.applied.nameless = self.learn_names(&findings.naming);
        let touched = match findings.sweep {
            Some(_) => self.touched.take().unwrap_or_default(),
            None => HashSet::new(),
        };
        self.pages(&mut pass, &findings, &touched);
        for answer in &findings.answers {
            self.answer(&mut pass, answer);
        }
        self.mark_scheduled(&findings.scheduled);
        for history in &findings.histories {
            self.history(&mut pass, history, findings.began.steady);
        }
        for (slot, row, dated) in std::mem::take(&mut pass.ended) {
            self.schedule_ended(&mut pass, slot, &row, dated);
        }
        if findings.sweep.is_some() {
            self.forget_unlisted(&mut pass, &findings.pages, &touched);
            self.forget_unlisted_commands();
            self.head.looked_with = Some(self.settings.filter);
            self.head.swept_at = now.wall;
        } else if let Some(touched) = &mut self.touched {
            touched.extend(&pass.seen);
            touched.extend(&pass.missed);
        }
        let head = &mut self.head;
        head.recorded_at = now.wall;
        head.lost = head.lost.saturating_add(pass.applied.lost);
        head.late = head.late.saturating_add(pass.applied.late);
        head.old = head.old.saturating_add(pass.applied.old);
        head.reclassified = head.reclassified.saturating_add(pass.applied.reclassified);
        self.unsaved.insert(Key::Head);
        pass.applied
    }

    /// Time passes: settled results leave the window, and runs of schedules the record.
    fn advance(&mut self, now: Seconds) {
        let held = self.slots.iter().map(|(_, entry)| (entry.combination, entry));
        self.window.advance(now, held);
        if let Some(commands) = &mut self.commands {
            commands.advance(now, &self.slots);
        }
        let kept_from = now
            .saturating_sub(self.settings.window)
            .saturating_sub(CLOCK_TOLERANCE);
        while let Some((time, slot)) = self.runs.first().copied().filter(|(time, _)| *time < kept_from) {
            self.runs.remove(&(time, slot));
            self.remove(slot);
        }
    }

    fn pages(&mut self, pass: &mut Pass, findings: &Findings, touched: &HashSet<Slot>) {
        let new = findings
            .pages
            .iter()
            .filter(|row| !self.knows(&row.identity))
            .count();
        self.listed += new as i64;
        let times = times(&findings.pages, pass.now);
        for (place, (row, dated)) in findings.pages.iter().zip(times).enumerate() {
            match self.slots.find(&row.identity) {
                // A poll has seen it, or looked for it in vain, since this sweep's page was read.
                Some(slot) if touched.contains(&slot) => {
                    pass.seen.insert(slot);
                }
                Some(slot) => self.again(pass, slot, row, dated),
                None => {
                    let only_by_sweep = findings.sweep.is_some_and(|sweep| place >= sweep.front);
                    pass.applied.late += u64::from(only_by_sweep && !pass.first_look);
                    self.first(pass, row, dated);
                }
            }
            if let Some(open) = self
                .slots
                .find(&row.identity)
                .and_then(|slot| self.open.get_mut(&slot))
            {
                open.listed_at = Some(self.listed - place as i64);
            }
        }
    }

    /// Rule 5: an answer updates what a page has shown before, and nothing else. Rule 6: what was asked for and is
    /// not there is missed.
    fn answer(&mut self, pass: &mut Pass, answer: &Answer) {
        let times = times(&answer.rows, pass.now);
        for (row, dated) in answer.rows.iter().zip(times) {
            if let Some(slot) = self.slots.find(&row.identity) {
                self.again(pass, slot, row, dated);
            }
        }
        for identity in &answer.asked {
            if let Some(slot) = self.slots.find(identity)
                && !pass.seen.contains(&slot)
            {
                self.miss(pass, slot);
            }
        }
    }
}
