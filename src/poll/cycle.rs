//! One poll as a conversation: what to ask next, given what was answered.
//!
//! Pure: the shell around it sends each [`Ask`] and hands the answer back. In order: pages of the list until what
//! is known, what is open and was not among them, the histories of schedules that have moved, and the names of
//! commands where some are selected. A sweep reads every page instead, and asks which invocations are schedules.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::follow::{Follow, Waiting, follow};
use super::history::{Behind, Progress, Reading, Turn, readings};
use super::names::{Lookup, Names};
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::invocations::Scheduled;
use crate::aliyun::rows::Page;
use crate::record::{Answer, Findings, History, Record, Schedule, Sweep, Trouble};
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
}

/// One poll, or one sweep, under way.
#[derive(Debug)]
pub struct Cycle {
    sweep: bool,
    /// Requests that histories may take.
    history_budget: u64,
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
    /// DescribeInvocations was refused in this very poll.
    refused: bool,
}

#[derive(Debug)]
enum Stage {
    List {
        at_most: usize,
    },
    Running {
        left: usize,
    },
    Schedules(VecDeque<&'static str>),
    Questions(VecDeque<Waiting>),
    Histories {
        queue: VecDeque<Reading>,
        progress: Option<Progress>,
        rows: Vec<Row>,
    },
    Names(Names),
    Done,
}

impl Cycle {
    /// An ordinary poll, whose histories may take about so many requests.
    pub fn poll(history_budget: u64) -> Self {
        Self::new(false, history_budget)
    }

    /// A sweep.
    pub fn sweep(history_budget: u64) -> Self {
        Self::new(true, history_budget)
    }

    fn new(sweep: bool, history_budget: u64) -> Self {
        Self {
            sweep,
            history_budget,
            stage: Stage::List { at_most: NO_LIMIT },
            token: None,
            tokens: HashSet::new(),
            pages: 0,
            list_rows: 0,
            front: None,
            seen: HashSet::new(),
            findings: Findings::default(),
            refused: false,
        }
    }

    /// How many rows of the list have been read.
    pub fn rows(&self) -> usize {
        self.findings.pages.len()
    }

    /// The next request; none when the poll is complete.
    pub fn next(&self) -> Option<Ask> {
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
            Stage::Histories { queue, .. } => {
                let reading = queue.front()?;
                About::History {
                    invoke_id: reading.invoke_id.clone(),
                    instance_id: reading.instance_id.clone(),
                }
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
    pub fn page(&mut self, record: &Record, turn: &mut Turn, page: Page) -> Result<(), CallError> {
        self.turn_page(page.rows.len(), page.next_token)?;
        self.findings.skipped += page.skipped;
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
                    self.list_read(record, turn);
                }
            }
            Stage::Running { left } => {
                *left -= 1;
                let goes_on = has_more && *left > 0;
                self.seen.extend(page.rows.iter().map(|row| row.identity));
                self.add_answer(Vec::new(), page.rows);
                if !goes_on {
                    self.ask_for_open(record, turn);
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
                    self.next_asked(record, turn);
                }
            }
            Stage::Histories {
                queue,
                progress,
                rows,
            } => {
                let Some(reading) = queue.front() else {
                    return Ok(());
                };
                let progress = progress.get_or_insert_with(|| Progress::new(reading));
                progress.take(&page.rows);
                rows.extend(page.rows);
                if !has_more || progress.is_done() {
                    let asked = reading.rows.iter().map(|row| row.identity).collect();
                    let rows = std::mem::take(rows);
                    self.findings.histories.push(History { asked, rows });
                    self.next_history(record);
                }
            }
            Stage::Schedules(_) | Stage::Names(_) | Stage::Done => {}
        }
        Ok(())
    }

    /// Takes in a page of invocations: rows of the list that belong to a schedule are marked, commands get names.
    ///
    /// # Errors
    /// As [`Cycle::page`].
    pub fn schedules(&mut self, record: &Record, turn: &mut Turn, page: Scheduled) -> Result<(), CallError> {
        if let Stage::Names(_) = self.stage {
            self.named(page);
            return Ok(());
        }
        self.turn_page(0, page.next_token)?;
        self.findings.naming.found.extend(page.commands);
        let scheduled: HashSet<Identity> = page.rows.into_iter().collect();
        for row in &mut self.findings.pages {
            row.scheduled |= !row.is_plain() && scheduled.contains(&row.identity);
        }
        if self.token.is_none() {
            self.next_asked(record, turn);
        }
        Ok(())
    }

    /// A name could not be had: the poll goes on without it.
    pub fn nameless(&mut self, trouble: Trouble) {
        if let Stage::Names(names) = &mut self.stage {
            names.fail(trouble);
            self.names_asked();
        }
    }

    /// The question that is next is denied or rejected by itself: the poll goes on without its answer.
    pub fn leave_out(&mut self, record: &Record, turn: &mut Turn) {
        match &mut self.stage {
            Stage::Schedules(_) => {
                self.refused = true;
                self.next_asked(record, turn);
            }
            Stage::Questions(_) => self.next_asked(record, turn),
            Stage::Histories { rows, .. } => {
                rows.clear();
                self.next_history(record);
            }
            Stage::Names(_) => self.nameless(Trouble::Refused),
            Stage::List { .. } | Stage::Running { .. } | Stage::Done => {}
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

    fn list_read(&mut self, record: &Record, turn: &mut Turn) {
        if self.sweep {
            self.start(Stage::Schedules(VecDeque::from(["Period", "EveryReboot"])));
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
            Follow::Nothing => self.plan_histories(record, turn),
            Follow::ReadOn(_) | Follow::Running(_) | Follow::Ask => self.ask_for_open(record, turn),
        }
    }

    fn ask_for_open(&mut self, record: &Record, turn: &mut Turn) {
        let waiting = self.waiting(record);
        match waiting.is_empty() {
            true => self.plan_histories(record, turn),
            false => self.start(Stage::Questions(waiting.into())),
        }
    }

    /// The list of a mode, or the question, that was asked for is done with.
    fn next_asked(&mut self, record: &Record, turn: &mut Turn) {
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
            self.plan_histories(record, turn);
        }
    }

    fn next_history(&mut self, record: &Record) {
        self.begin_list();
        if let Stage::Histories { queue, progress, .. } = &mut self.stage {
            queue.pop_front();
            *progress = None;
            if queue.is_empty() {
                self.plan_names(record);
            }
        }
    }

    /// What all rows of this poll leave unknown of their commands.
    fn plan_names(&mut self, record: &Record) {
        self.start(Stage::Done);
        if self.refused && record.asks_for_names() {
            self.findings.naming.trouble = Some(Trouble::Refused);
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

    fn plan_histories(&mut self, record: &Record, turn: &mut Turn) {
        let queue = readings(self.behind(record), self.history_budget, turn);
        match queue.is_empty() {
            true => self.plan_names(record),
            false => {
                self.start(Stage::Histories {
                    queue: queue.into(),
                    progress: None,
                    rows: Vec::new(),
                });
            }
        }
    }

    /// Every schedule's row whose Repeats has moved past the runs that are known.
    fn behind(&self, record: &Record) -> Vec<Behind> {
        let first_look = record.needs_first_look();
        let mut behind: HashMap<Identity, Schedule> = record
            .schedules()
            .map(|(identity, schedule)| (identity, schedule.clone()))
            .collect();
        let answers = self.findings.answers.iter().flat_map(|answer| &answer.rows);
        let answers = answers.filter(|row| record.knows(&row.identity));
        for row in self.findings.pages.iter().chain(answers) {
            if let Some(schedule) = behind.get_mut(&row.identity) {
                schedule.shown = schedule.shown.max(row.repeats);
                continue;
            }
            let Some(ids) = row.ids.as_deref().filter(|_| row.scheduled) else {
                continue;
            };
            // At the first look only a run that may be under way is asked for: it is not known until it settles.
            let known = match first_look {
                true if row.is_under_way() => row.repeats.saturating_sub(1),
                true => row.repeats,
                false => record.known_runs(&row.identity),
            };
            behind.insert(row.identity, Schedule::new(ids.clone(), row.repeats, known));
        }
        let mut behind: Vec<Behind> = behind
            .into_iter()
            .filter(|(_, schedule)| schedule.is_behind())
            .map(|(identity, schedule)| Behind { identity, schedule })
            .collect();
        behind.sort_unstable_by_key(|behind| behind.identity);
        behind
    }
}
