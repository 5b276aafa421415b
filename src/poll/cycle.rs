//! One poll as a conversation: what to ask next, given what was answered.
//!
//! Pure: the shell around it sends each [`Ask`] and hands the answer back. In order: pages of the list until what
//! is known, what is open and was not among them, the histories of schedules that have moved, and the names of
//! commands where some are selected. A sweep reads every page instead, and asks which invocations are schedules.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::follow::{Follow, Waiting, follow};
use super::history::{HistoryCursor, Reading, UnreadRuns, readings};
use super::names::{Lookup, Names};
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::invocations::Scheduled;
use crate::aliyun::rows::Page;
use crate::clock::Now;
use crate::record::{Answer, Findings, History, Record, Schedule, Sought, Sweep, Trouble};
use crate::result::{Identity, Row};

/// No list is longer; the API keeps 100,000 results at most, and gives 50 a page.
const MAX_PAGES: usize = 5_000;
/// The same in rows.
const MAX_ROWS: usize = 200_000;
/// Of a list that is read to its end. More than [`MAX_PAGES`], which are an error and no end.
const NO_LIMIT: usize = usize::MAX;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// About what.
    pub about: About,
    /// NextToken of the answer before.
    pub token: Option<String>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The list.
    List,
    /// What InvokeRecordStatus says is Running.
    Running,
    /// One invocation, or one instance of it.
    Invocation {
        /// InvokeId.
        invoke_id: Box<str>,
        /// InstanceId.
        instance_id: Option<Box<str>>,
    },
    /// Every run of one scheduled invocation, or of one instance of it.
    History {
        /// InvokeId.
        invoke_id: Box<str>,
        /// InstanceId.
        instance_id: Option<Box<str>>,
    },
    /// DescribeInvocations with this RepeatMode.
    Schedules(&'static str),
    /// DescribeInvocations, for what commands are called.
    Names(Lookup),
}

impl About {
    /// Whether the poll can do without the answer, where it is denied or rejected by itself.
    pub fn can_be_left_out(&self) -> bool {
        !matches!(self, Self::List | Self::Running)
    }

    /// Whether the poll can do without the answer, whatever has become of it: DescribeInvocations.
    pub fn can_fail(&self) -> bool {
        matches!(self, Self::Schedules(_) | Self::Names(_))
    }
}

/// One poll, or one sweep, under way.
#[derive(Debug)]
pub struct Cycle {
    sweep: bool,
    /// Requests that histories may still take.
    history_budget: u64,
    /// Histories that were refused in this poll.
    refused_histories: usize,
    /// Whether DescribeInvocations is asked: not while it is paused, and not after it has failed.
    asks_invocations: bool,
    /// Whether it is still to be asked which invocations are schedules, and whether it was at the beginning.
    asks_schedules: bool,
    was_to_ask_schedules: bool,
    stage: Stage,
    /// Of the list that is being read.
    token: Option<String>,
    tokens: HashSet<String>,
    pages: usize,
    list_rows: usize,
    /// How many rows an ordinary poll would have read; known once it would have stopped.
    front: Option<usize>,
    /// What the pages and answers have shown.
    seen: HashSet<Identity>,
    findings: Findings,
    /// What has become of asking DescribeInvocations.
    invocations: Invocations,
}

/// What has become of asking DescribeInvocations in a poll: what it tells never holds results back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invocations {
    /// It was not asked.
    NotAsked,
    /// It has answered.
    Answered,
    /// It has not.
    Failed(Trouble),
}

/// So many histories may be refused in one poll: where one is, others may be, and each costs a request.
const MAX_REFUSED: usize = 3;

#[derive(Debug)]
enum Stage {
    List { at_most: usize },
    Running { left: usize },
    Schedules(VecDeque<&'static str>),
    Questions(VecDeque<Waiting>),
    Histories(VecDeque<Reading>),
    Names(Names),
    Done,
}

impl Cycle {
    /// An ordinary poll that begins now, whose histories may take about so many requests.
    pub fn poll(began: Now, history_budget: u64) -> Self {
        Self::new(false, began, history_budget)
    }

    /// A sweep.
    pub fn sweep(began: Now, history_budget: u64) -> Self {
        Self::new(true, began, history_budget)
    }

    fn new(sweep: bool, began: Now, history_budget: u64) -> Self {
        Self {
            sweep,
            history_budget,
            refused_histories: 0,
            asks_invocations: true,
            asks_schedules: sweep,
            was_to_ask_schedules: sweep,
            stage: Stage::List { at_most: NO_LIMIT },
            token: None,
            tokens: HashSet::new(),
            pages: 0,
            list_rows: 0,
            front: None,
            seen: HashSet::new(),
            findings: Findings {
                began,
                ..Findings::default()
            },
            invocations: Invocations::NotAsked,
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

    /// When the poll began.
    pub fn began(&self) -> Now {
        self.findings.began
    }

    /// How many rows of the list have been read.
    pub fn rows(&self) -> usize {
        self.findings.pages.len()
    }

    /// The next request; none when the poll is complete.
    pub fn next(&self, cursor: &HistoryCursor) -> Option<Ask> {
        let about = match &self.stage {
            Stage::List { .. } => About::List,
            Stage::Running { .. } => About::Running,
            Stage::Schedules(modes) => About::Schedules(modes.front()?),
            Stage::Questions(queue) => {
                let waiting = queue.front()?;
                let one = (waiting.open.len() == 1).then(|| waiting.open[0].1.clone());
                About::Invocation {
                    invoke_id: waiting.invoke_id.clone(),
                    instance_id: one,
                }
            }
            Stage::Histories(_) => {
                let under_way = cursor.under_way.as_ref()?;
                return Some(Ask {
                    about: About::History {
                        invoke_id: under_way.reading.invoke_id.clone(),
                        instance_id: under_way.reading.instance_id.clone(),
                    },
                    token: under_way.next_token.clone(),
                });
            }
            Stage::Names(names) => About::Names(names.next()?),
            Stage::Done => return None,
        };
        Some(Ask {
            about,
            token: self.token.clone(),
        })
    }

    /// Takes in a page of results, the answer to any [`Ask`] but one for schedules.
    ///
    /// # Errors
    /// When the list goes round in a circle, or has no end.
    pub fn page(&mut self, record: &Record, cursor: &mut HistoryCursor, page: Page) -> Result<(), CallError> {
        self.findings.skipped += page.skipped;
        if let Stage::Histories(_) = self.stage {
            self.history_page(record, cursor, page.rows, page.next_token);
            return Ok(());
        }
        self.turn_page(page.rows.len(), page.next_token)?;
        let has_more = self.token.is_some();
        match &mut self.stage {
            Stage::List { at_most } => {
                let at_known = page.rows.last().is_some_and(|row| record.knows(&row.identity));
                self.seen.extend(page.rows.iter().map(|row| row.identity));
                self.findings.pages.extend(page.rows);
                if at_known && self.front.is_none() {
                    self.front = Some(self.findings.pages.len());
                }
                // A poll that reads on for what is open has a limit of its own, and does not stop at what is known.
                let stops = !self.sweep && at_known && *at_most == NO_LIMIT;
                if !has_more || stops || self.pages >= *at_most {
                    self.list_read(record, cursor);
                }
            }
            Stage::Running { left } => {
                *left -= 1;
                let goes_on = has_more && *left > 0;
                self.seen.extend(page.rows.iter().map(|row| row.identity));
                self.add_answer(Vec::new(), page.rows);
                if !goes_on {
                    self.ask_for_open(record, cursor);
                }
            }
            Stage::Questions(queue) => {
                let Some(waiting) = queue.front() else {
                    return Ok(());
                };
                let asked: Vec<Identity> = waiting.open.iter().map(|(identity, _)| *identity).collect();
                self.seen.extend(page.rows.iter().map(|row| row.identity));
                let all_seen = asked.iter().all(|identity| self.seen.contains(identity));
                let ends = !has_more || all_seen;
                // Only a whole answer can say that something is not listed.
                self.add_answer(if ends { asked } else { Vec::new() }, page.rows);
                if ends {
                    self.next_asked(record, cursor);
                }
            }
            Stage::Histories(_) | Stage::Schedules(_) | Stage::Names(_) | Stage::Done => {}
        }
        Ok(())
    }

    /// Takes in a page of invocations: rows of the list that belong to a schedule are marked, commands get names.
    ///
    /// # Errors
    /// As [`Cycle::page`].
    pub fn schedules(
        &mut self,
        record: &Record,
        cursor: &mut HistoryCursor,
        page: Scheduled,
    ) -> Result<(), CallError> {
        self.invocations = Invocations::Answered;
        if let Stage::Names(_) = self.stage {
            self.named(page);
            return Ok(());
        }
        self.turn_page(0, page.next_token)?;
        self.findings.naming.found.extend(page.commands);
        self.findings.scheduled.extend(&page.rows);
        let scheduled: HashSet<Identity> = page.rows.into_iter().collect();
        for row in &mut self.findings.pages {
            row.scheduled |= !row.is_plain() && scheduled.contains(&row.identity);
        }
        if self.token.is_none() {
            self.next_asked(record, cursor);
        }
        Ok(())
    }

    /// DescribeInvocations could not be had: the poll goes on without what it would tell.
    pub fn invocations_failed(&mut self, record: &Record, cursor: &mut HistoryCursor, trouble: Trouble) {
        self.invocations = Invocations::Failed(trouble);
        self.asks_invocations = false;
        match &mut self.stage {
            Stage::Names(names) => {
                names.fail(trouble);
                self.names_asked();
            }
            Stage::Schedules(_) => {
                self.findings.naming.trouble = Some(trouble);
                self.plan_histories(record, cursor);
            }
            _ => {}
        }
    }

    /// The question that is next is denied or rejected by itself: the poll goes on without its answer.
    pub fn leave_out(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        match &mut self.stage {
            Stage::Questions(_) => self.next_asked(record, cursor),
            Stage::Histories(_) => {
                self.refused_histories += 1;
                self.history_read(record, cursor, false);
            }
            _ => {}
        }
    }

    /// What the poll found, once [`Cycle::next`] has nothing more to ask.
    pub fn findings(mut self) -> Findings {
        let front = self.front.unwrap_or(self.findings.pages.len());
        self.findings.sweep = self.sweep.then_some(Sweep { front });
        self.findings
    }

    fn turn_page(&mut self, rows: usize, next_token: Option<String>) -> Result<(), CallError> {
        self.pages += 1;
        if self.pages > MAX_PAGES {
            let what = format!("a list of more than {MAX_PAGES} pages");
            return Err(CallError::new(Reason::Malformed, what).lasting());
        }
        self.list_rows += rows;
        if self.list_rows > MAX_ROWS {
            let what = format!("a list of more than {MAX_ROWS} rows");
            return Err(CallError::new(Reason::Malformed, what).lasting());
        }
        if let Some(token) = &next_token
            && !self.tokens.insert(token.clone())
        {
            let what = "a NextToken that the same list has had before: it goes round in a circle";
            return Err(CallError::new(Reason::Malformed, what).lasting());
        }
        self.token = next_token;
        Ok(())
    }

    fn add_answer(&mut self, asked: Vec<Identity>, rows: Vec<Row>) {
        self.findings.answers.push(Answer { asked, rows });
    }

    fn list_read(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        if self.sweep {
            self.plan_histories(record, cursor);
            return;
        }
        let reading_on = matches!(self.stage, Stage::List { at_most } if at_most < NO_LIMIT);
        let waiting = self.waiting(record);
        match follow(self.pages, &waiting) {
            Follow::ReadOn(pages) if !reading_on && self.token.is_some() => {
                self.stage = Stage::List {
                    at_most: self.pages + pages,
                };
            }
            Follow::Running(pages) if !reading_on => self.start(Stage::Running { left: pages }),
            Follow::Nothing => self.plan_histories(record, cursor),
            Follow::ReadOn(_) | Follow::Running(_) | Follow::Ask => self.ask_for_open(record, cursor),
        }
    }

    fn ask_for_open(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        let waiting = self.waiting(record);
        match waiting.is_empty() {
            true => self.plan_histories(record, cursor),
            false => self.start(Stage::Questions(waiting.into())),
        }
    }

    /// The list of a mode, or the question, that was asked for is done with.
    fn next_asked(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        self.begin_list();
        let is_last = match &mut self.stage {
            Stage::Schedules(modes) => {
                modes.pop_front();
                modes.is_empty()
            }
            Stage::Questions(queue) => {
                queue.pop_front();
                queue.is_empty()
            }
            _ => false,
        };
        if is_last {
            self.plan_histories(record, cursor);
        }
    }

    fn history_page(
        &mut self,
        record: &Record,
        cursor: &mut HistoryCursor,
        rows: Vec<Row>,
        next_token: Option<String>,
    ) {
        let Some(under_way) = &mut cursor.under_way else {
            return;
        };
        self.history_budget = self.history_budget.saturating_sub(1);
        under_way.progress.take(&rows);
        under_way.rows.extend(rows);
        // A list that goes round in a circle has shown what it has.
        under_way.next_token = next_token.filter(|token| under_way.tokens.insert(token.clone()));
        let is_endless = under_way.rows.len() > MAX_ROWS || under_way.tokens.len() > MAX_PAGES;
        if under_way.next_token.is_none() || under_way.progress.is_done() || is_endless {
            self.history_read(record, cursor, true);
        } else if self.history_budget == 0 {
            // The next poll goes on with it.
            self.plan_names(record);
        }
    }

    /// Histories have taken their share of the poll's time: the next polls go on with them.
    pub fn enough_histories(&mut self, record: &Record) {
        if let Stage::Histories(_) = self.stage {
            self.plan_names(record);
        }
    }

    /// The history under way has been read, or was refused.
    fn history_read(&mut self, record: &Record, cursor: &mut HistoryCursor, was_had: bool) {
        if let Some(under_way) = cursor.under_way.take() {
            let reading = under_way.reading;
            self.findings.histories.push(History {
                asked: reading
                    .rows
                    .iter()
                    .map(|row| (row.identity, reading.sought))
                    .collect(),
                rows: if was_had { under_way.rows } else { Vec::new() },
                thorough: reading.thorough,
            });
        }
        let Stage::Histories(queue) = &mut self.stage else {
            return;
        };
        match queue.pop_front() {
            Some(reading) if self.history_budget > 0 && self.refused_histories < MAX_REFUSED => {
                cursor.begin(reading);
            }
            _ => self.plan_names(record),
        }
    }

    /// What all rows of this poll leave unknown of their commands.
    fn plan_names(&mut self, record: &Record) {
        self.start(Stage::Done);
        if !self.asks_invocations {
            return;
        }
        let Findings {
            pages,
            answers,
            histories,
            naming,
            ..
        } = &self.findings;
        let answers = answers.iter().flat_map(|answer| &answer.rows);
        let histories = histories.iter().flat_map(|history| &history.rows);
        let rows = pages.iter().chain(answers).chain(histories);
        if let Some(names) = Names::plan(record, rows, naming, self.sweep) {
            self.start(Stage::Names(names));
        }
    }

    fn named(&mut self, page: Scheduled) {
        let token = page.next_token;
        let goes_round = token
            .as_ref()
            .is_some_and(|token| !self.tokens.insert(token.clone()));
        let Stage::Names(names) = &mut self.stage else {
            return;
        };
        let reads_on = names.take(page.commands, token.is_some());
        self.token = token.filter(|_| reads_on);
        if goes_round && reads_on {
            names.fail(Trouble::Passing);
        }
        if self.token.is_none() {
            self.tokens.clear();
        }
        self.names_asked();
    }

    fn names_asked(&mut self) {
        if !matches!(&self.stage, Stage::Names(names) if names.next().is_none()) {
            return;
        }
        if let Stage::Names(names) = std::mem::replace(&mut self.stage, Stage::Done) {
            self.findings.naming.add(names.naming());
        }
    }

    fn start(&mut self, stage: Stage) {
        self.begin_list();
        self.stage = stage;
    }

    /// What is asked next is the first page of another list.
    fn begin_list(&mut self) {
        self.token = None;
        self.tokens.clear();
        self.pages = 0;
        self.list_rows = 0;
    }

    /// What is open and was neither on a page nor in an answer, by invocation.
    fn waiting(&self, record: &Record) -> Vec<Waiting> {
        // The record's depths are of before this poll's new rows.
        let new_rows = self.new_rows(record);
        let mut waiting: BTreeMap<&str, Waiting> = BTreeMap::new();
        for (identity, open, depth) in record.open() {
            let entry = waiting.entry(&open.ids.invoke_id).or_insert_with(|| Waiting {
                invoke_id: open.ids.invoke_id.clone(),
                open: Vec::new(),
                rows: 0,
                deepest: Some(0),
                scheduled: record.schedule(&identity).is_some(),
            });
            entry.rows += 1;
            if !self.seen.contains(&identity) {
                let depth = depth.map(|depth| depth + new_rows);
                entry.deepest = entry.deepest.zip(depth).map(|(one, other)| one.max(other));
                entry.open.push((identity, open.ids.instance_id.clone()));
            }
        }
        waiting
            .into_values()
            .filter(|waiting| !waiting.open.is_empty())
            .collect()
    }

    fn new_rows(&self, record: &Record) -> usize {
        // At most a few pages, but for a first poll after a long time away.
        self.findings
            .pages
            .iter()
            .rev()
            .skip_while(|row| record.knows(&row.identity))
            .count()
    }

    fn plan_histories(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        if std::mem::take(&mut self.asks_schedules) && self.asks_invocations {
            self.start(Stage::Schedules(VecDeque::from(["Period", "EveryReboot"])));
            return;
        }
        let (began, pauses) = (self.findings.began.steady, record.pauses());
        let instances = record.instances_of_schedules();
        let mut due = readings(
            &self.unread(record),
            &instances,
            self.history_budget,
            began,
            pauses,
        );
        if let Some(under_way) = &cursor.under_way {
            let asked: HashSet<Identity> = under_way.reading.rows.iter().map(|row| row.identity).collect();
            due.retain(|reading| reading.rows.iter().all(|row| !asked.contains(&row.identity)));
        }
        let mut queue: VecDeque<Reading> = cursor.in_turn(due).into();
        if cursor.under_way.is_none() {
            match queue.pop_front() {
                Some(reading) => cursor.begin(reading),
                None => return self.plan_names(record),
            }
        }
        self.start(Stage::Histories(queue));
    }

    /// Every schedule's row that has runs to be looked for now, as this poll has seen it.
    fn unread(&self, record: &Record) -> Vec<UnreadRuns> {
        let answers = self.findings.answers.iter().flat_map(|answer| &answer.rows);
        let answers = answers.filter(|row| record.knows(&row.identity));
        let rows = self
            .findings
            .pages
            .iter()
            .chain(answers)
            .filter(|row| row.repeats > 0 || row.scheduled);
        let shown: HashMap<Identity, &Row> = rows.map(|row| (row.identity, row)).collect();
        let known = record.schedules().map(|(identity, schedule)| {
            let row = shown.get(&identity).filter(|row| record.has_moved(row));
            let mut schedule = Cow::Borrowed(schedule);
            if let Some(row) = row {
                schedule.to_mut().has_moved(row.repeats);
            }
            (identity, schedule)
        });
        let new = shown.values().filter_map(|row| {
            let ids = row.ids.as_deref().filter(|_| row.scheduled)?;
            let is_new = record.schedule(&row.identity).is_none();
            is_new.then(|| (row.identity, Cow::Owned(record.as_schedule(row, ids.clone()))))
        });
        let (began, pauses) = (self.findings.began.steady, record.pauses());
        let seeks = |schedule: &Schedule| {
            [Sought::Newest, Sought::Missing]
                .into_iter()
                .any(|sought| schedule.seeks(sought, began, pauses))
        };
        let mut unread: Vec<UnreadRuns> = known
            .chain(new)
            .filter(|(_, schedule)| seeks(schedule))
            .map(|(identity, schedule)| UnreadRuns {
                identity,
                schedule: schedule.into_owned(),
            })
            .collect();
        unread.sort_unstable_by_key(|row| row.identity);
        unread
    }
}
