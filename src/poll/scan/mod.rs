//! One poll, or one sweep, as a conversation: what to ask next, given what was answered.
//!
//! Pure: the shell around it sends each [`Request`] and hands the answer back. In order: pages of the list until what
//! is known, what is open and was not among them, the histories of schedules that have moved, and the names of
//! commands where some are selected. A sweep reads every page instead, and asks which invocations are schedules.

pub mod cursor;
mod follow;
mod histories;
pub mod history;
mod invocations;
mod list;
pub mod names;
mod open;
pub(super) mod pages;
mod request;

#[cfg(test)]
mod endless;

use std::collections::{HashSet, VecDeque};

use crate::aliyun::error::CallError;
use crate::aliyun::rows::Page;
use crate::clock::Now;
use crate::record::{Findings, NamesUnavailable, Record, Sweep};
use crate::result::{Identity, Row, Seconds};
use cursor::HistoryCursor;
use follow::OpenInvocation;
use histories::MAX_REFUSED;
use history::HistoryRequest;
use names::Names;
use pages::Pages;
pub use request::{Question, Request};

/// One poll, or one sweep, under way.
#[derive(Debug)]
pub struct Scan {
    is_sweep: bool,
    /// Requests that histories may still take.
    history_budget: u64,
    /// So many more histories may be refused before no more are asked for.
    refusals_left: usize,
    /// Whether DescribeInvocations is asked: not while it is paused, and not after it has failed.
    asks_invocations: bool,
    /// Whether it is still to be asked which invocations are schedules, and whether it was at the beginning.
    asks_schedules: bool,
    was_to_ask_schedules: bool,
    stage: Stage,
    /// Of the list that is being read.
    pages: Pages,
    /// How many rows an ordinary poll would have read; known once it would have stopped.
    front: Option<usize>,
    /// What the pages and answers have shown.
    seen: HashSet<Identity>,
    /// Of a sweep: what polls have looked at since it began.
    newer: HashSet<Identity>,
    findings: Findings,
    /// What has become of asking DescribeInvocations.
    invocations: Invocations,
}

/// What has become of asking DescribeInvocations in a scan: what it tells never holds results back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invocations {
    /// It was not asked.
    NotAsked,
    /// It has answered.
    Answered,
    /// It has not.
    Failed(NamesUnavailable),
}

#[derive(Debug)]
enum Stage {
    /// The list: of a poll to what is known, of a sweep to its end.
    List,
    /// The list further, for what is open: to so many pages, whatever is known on them.
    ReadOn {
        until: usize,
    },
    /// What is Running, on at most so many pages more.
    Running {
        left: usize,
    },
    Schedules(VecDeque<&'static str>),
    Open(VecDeque<OpenInvocation>),
    /// Those that come after the one under way, which the [`HistoryCursor`] has.
    Histories(VecDeque<HistoryRequest>),
    Names(Names),
    Done,
}

impl Scan {
    /// An ordinary poll that begins now, whose histories may take about so many requests.
    pub fn poll(began: Now, history_budget: u64) -> Self {
        Self::new(false, began, history_budget)
    }

    /// A sweep.
    pub fn sweep(began: Now, history_budget: u64) -> Self {
        Self::new(true, began, history_budget)
    }

    fn new(is_sweep: bool, began: Now, history_budget: u64) -> Self {
        Self {
            is_sweep,
            history_budget,
            refusals_left: MAX_REFUSED,
            asks_invocations: true,
            asks_schedules: is_sweep,
            was_to_ask_schedules: is_sweep,
            stage: Stage::List,
            pages: Pages::default(),
            front: None,
            seen: HashSet::new(),
            newer: HashSet::new(),
            findings: Findings {
                began,
                ..Findings::default()
            },
            invocations: Invocations::NotAsked,
        }
    }

    /// Which leaves no history to those that come after it, however many there are and however many are refused.
    #[must_use]
    pub fn with_every_history(self) -> Self {
        Self {
            history_budget: u64::MAX,
            refusals_left: usize::MAX,
            ..self
        }
    }

    /// Without DescribeInvocations, which is paused.
    #[must_use]
    pub fn without_invocations(self) -> Self {
        Self {
            asks_invocations: false,
            ..self
        }
    }

    /// Which asks for schedules too, as a sweep does: the last one could not.
    #[must_use]
    pub fn asking_schedules(self) -> Self {
        Self {
            asks_schedules: true,
            was_to_ask_schedules: true,
            ..self
        }
    }

    /// What has become of asking DescribeInvocations.
    pub fn invocations(&self) -> Invocations {
        self.invocations
    }

    /// Whether it was to ask which invocations are schedules.
    pub fn was_to_ask_schedules(&self) -> bool {
        self.was_to_ask_schedules
    }

    /// A poll that began after it, and has ended before it, has found this.
    pub fn note_newer(&mut self, found: &Findings) {
        self.newer.extend(found.looked_at());
    }

    /// A request of it was answered that was signed then: the first dates its beginning, and the last its end.
    pub fn answered(&mut self, signed: Now) {
        let findings = &mut self.findings;
        if findings.answered.is_none() {
            findings.began = signed.at(findings.began.steady);
        }
        findings.answered = Some(signed);
    }

    /// When the scan began.
    pub fn began(&self) -> Now {
        self.findings.began
    }

    /// How many rows of the list have been read.
    pub fn rows(&self) -> usize {
        self.findings.pages.len()
    }

    /// A time of the last row that has one: how far back the list has been read.
    pub fn has_come_to(&self) -> Option<Seconds> {
        let times = self.findings.pages.iter().rev().map(|row| row.times);
        let time = times.filter_map(|times| times.finished.or(times.started)).next();
        time.map(std::num::NonZeroU32::get)
    }

    /// The next request; none when the scan is complete.
    pub fn next_request(&self, cursor: &HistoryCursor) -> Option<Request> {
        let question = match &self.stage {
            Stage::List | Stage::ReadOn { .. } => Question::List,
            Stage::Running { .. } => Question::Running,
            Stage::Schedules(modes) => Question::Schedules(modes.front()?),
            Stage::Open(queue) => queue.front()?.question(),
            Stage::Histories(_) => return cursor.next_request(),
            Stage::Names(names) => Question::Names(names.next()?),
            Stage::Done => return None,
        };
        Some(Request {
            question,
            token: self.pages.token.clone(),
        })
    }

    /// Takes in a page of results, the answer to any [`Request`] that is not for DescribeInvocations.
    ///
    /// # Errors
    /// When the list goes round in a circle, or has no end.
    pub fn on_results(
        &mut self,
        record: &Record,
        cursor: &mut HistoryCursor,
        page: Page,
    ) -> Result<(), CallError> {
        self.findings.skipped += page.skipped;
        if let Stage::Histories(_) = self.stage {
            self.on_history(record, cursor, page.rows, page.next_token);
            return Ok(());
        }
        self.pages.turn(page.rows.len(), page.next_token)?;
        self.seen.extend(page.rows.iter().map(|row| row.identity));
        match self.stage {
            Stage::List => self.on_list(record, cursor, page.rows),
            Stage::ReadOn { until } => self.on_list_further(record, cursor, page.rows, until),
            Stage::Running { left } => self.on_running(record, cursor, page.rows, left),
            Stage::Open(_) => self.on_open(record, cursor, page.rows),
            Stage::Histories(_) | Stage::Schedules(_) | Stage::Names(_) | Stage::Done => {}
        }
        Ok(())
    }

    /// The question that is next is denied or rejected by itself: the scan goes on without its answer.
    pub fn skip(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        match self.stage {
            Stage::Open(_) => self.next_asked(record, cursor),
            Stage::Histories(_) => self.history_refused(record, cursor),
            _ => {}
        }
    }

    /// What the scan found, once [`Scan::next_request`] has nothing more to ask.
    pub fn findings(mut self) -> Findings {
        let front = self.front.unwrap_or(self.findings.pages.len());
        self.findings.sweep = self.is_sweep.then_some(Sweep {
            front,
            newer: self.newer,
        });
        self.findings
    }

    /// The list of a mode, or the question, that was asked for is done with.
    fn next_asked(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        self.pages = Pages::default();
        let is_last = match &mut self.stage {
            Stage::Schedules(modes) => {
                modes.pop_front();
                modes.is_empty()
            }
            Stage::Open(queue) => {
                queue.pop_front();
                queue.is_empty()
            }
            _ => false,
        };
        if is_last {
            self.plan_histories(record, cursor);
        }
    }

    /// What is asked next is the first page of another list.
    fn start(&mut self, stage: Stage) {
        self.pages = Pages::default();
        self.stage = stage;
    }

    /// The rows of the pages, and those of the answers.
    fn rows_and_answers(&self) -> (&[Row], impl Iterator<Item = &Row>) {
        let answers = self.findings.answers.iter().flat_map(|answer| &answer.rows);
        (&self.findings.pages, answers)
    }
}
