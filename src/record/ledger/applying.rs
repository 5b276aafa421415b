//! One poll's findings on their way into the ledger.

use std::collections::HashSet;
use std::time::Duration;

use crate::clock::Now;
use crate::record::fact::{Context, Fact};
use crate::record::findings::{Dated, Findings};
use crate::record::identities::{EntryId, Identities};
use crate::record::labels::Labels;
use crate::result::{Identity, Row, Seconds};

/// Who is told what happened.
pub(in crate::record) type Tell<'a> = &'a mut dyn FnMut(&Fact<'_>, Context<'_>);

/// What holds while one poll's findings are taken in.
pub(super) struct Applying<'a> {
    tell: Tell<'a>,
    pub labels: &'a mut Labels,
    /// The end of the poll, by the wall clock.
    pub now: Seconds,
    /// The same by the process's own time.
    pub steady: Duration,
    /// What settled since is in the window.
    horizon: Seconds,
    pub is_baseline: bool,
    /// What this poll's pages and answers have listed.
    pub listed: HashSet<EntryId>,
    /// Rows of schedules that this baseline has shown with a run under way.
    pub under_way: HashSet<EntryId>,
    /// Runs that this baseline has shown settled.
    pub settled_runs: HashSet<Identity>,
    /// Rows whose histories this poll has read.
    pub histories_read: HashSet<Identity>,
    /// Rows of schedules that have settled; they wait until the histories are read.
    pub ended: Vec<(EntryId, Row, Dated)>,
}

impl<'a> Applying<'a> {
    pub(super) fn new(
        findings: &Findings,
        now: Now,
        (is_baseline, window): (bool, u32),
        labels: &'a mut Labels,
        tell: Tell<'a>,
    ) -> Self {
        let asked = findings.histories.iter().flat_map(|history| &history.asked);
        // What polls have seen since may have moved on from what a sweep has read of its history.
        let newer = findings.sweep.as_ref().map(|sweep| &sweep.newer);
        let is_newest = |identity: &Identity| newer.is_none_or(|newer| !newer.contains(identity));
        Self {
            tell,
            labels,
            now: now.wall,
            steady: now.steady,
            horizon: now.wall.saturating_sub(window),
            is_baseline,
            listed: HashSet::new(),
            under_way: HashSet::new(),
            settled_runs: HashSet::new(),
            histories_read: asked.map(|(identity, _)| *identity).filter(is_newest).collect(),
            ended: Vec::new(),
        }
    }

    /// Says what happened.
    pub(super) fn tell(&mut self, fact: &Fact<'_>, identities: &Identities) {
        let labels = self.labels.texts();
        (self.tell)(fact, Context { identities, labels });
    }

    /// Whether a settled result of that time is in the window.
    pub(super) fn is_recent(&self, time: Seconds) -> bool {
        time >= self.horizon
    }
}
