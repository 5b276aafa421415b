//! What Cloud Assistant holds for one account in one region.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::agenda::Agenda;
use crate::clock::Clock;
use crate::instances::{InstanceAt, Instances};
use crate::invocation::{Invocation, InvokeId, Row};
use crate::listing::Listing;
use crate::misbehaviour::Misbehaviours;
use crate::{Command, InvocationStatus, Outcome, Truth};

/// The order of the list, and of a history. The API documents none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By creation, newest first: what every official sample looks like.
    NewestFirst,
    /// By creation, oldest first.
    OldestFirst,
    /// Any order, the same one at each request.
    Shuffled(u64),
}

/// How a page token remembers its place, which shows when rows come or go between two pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// Behind the last row of the page before: no row is listed twice.
    AfterRow,
    /// By counting: a row that comes in front pushes another onto the next page again.
    Offset,
}

/// What NextToken is on the last page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum EndOfList {
    Empty,
    Null,
    Absent,
}

/// The number of rows that the newest documentation says are kept.
pub const RETENTION_ROWS: usize = 10_000;
/// How long it says they are kept, in seconds.
pub const RETENTION: i64 = 30 * 86_400;

/// One account in one region.
///
/// Its settings can be changed at any time. Whatever names an invocation or an instance that does not exist
/// panics: a test that does so is wrong.
#[derive(Debug)]
pub struct Region {
    /// The order of the list.
    pub order: Order,
    /// How page tokens work.
    pub paging: Paging,
    /// What the last page says.
    pub end_of_list: EndOfList,
    /// The oldest rows beyond so many are forgotten, as far as they have settled.
    pub retention_rows: usize,
    /// Rows that were created longer ago are forgotten, as far as they have settled. Seconds.
    pub retention: i64,
    /// Whether the row of a schedule keeps the codes of its last run while it waits for the next.
    pub schedules_keep_codes: bool,
    /// Somebody has put something here, or wanted to.
    pub(crate) used: bool,
    pub(crate) account: String,
    pub(crate) id: String,
    pub(crate) clock: Clock,
    pub(crate) now: i64,
    pub(crate) invocations: BTreeMap<u64, Invocation>,
    pub(crate) sequences: HashMap<String, u64>,
    /// Those that keep a history.
    pub(crate) schedules: BTreeSet<u64>,
    pub(crate) agenda: Agenda,
    pub(crate) listing: Listing,
    pub(crate) misbehaviours: Misbehaviours,
    /// Tokens of another epoch are not accepted.
    pub(crate) token_epoch: u64,
    /// Counts the changes that may change the list or a history.
    pub(crate) version: u64,
    /// Events that were not sent yet; none where none are emitted.
    pub(crate) emitted: Option<Vec<Value>>,
    prefix: String,
    /// The CommandIds of commands that were renamed, by the name that they have now.
    renamed: BTreeMap<String, String>,
    next_sequence: u64,
    pub(crate) rows: usize,
    pub(crate) forgotten: Truth,
    pub(crate) forgotten_since_baseline: Truth,
}

impl Region {
    pub(crate) fn new(account: &str, id: &str, prefix: String, clock: Clock) -> Self {
        Self {
            order: Order::NewestFirst,
            paging: Paging::AfterRow,
            end_of_list: EndOfList::Empty,
            retention_rows: RETENTION_ROWS,
            retention: RETENTION,
            schedules_keep_codes: false,
            used: false,
            account: account.to_owned(),
            id: id.to_owned(),
            clock,
            now: clock.now(),
            invocations: BTreeMap::new(),
            sequences: HashMap::new(),
            schedules: BTreeSet::new(),
            agenda: Agenda::default(),
            listing: Listing::default(),
            misbehaviours: Misbehaviours::default(),
            token_epoch: 0,
            version: 0,
            emitted: None,
            prefix,
            renamed: BTreeMap::new(),
            next_sequence: 1,
            rows: 0,
            forgotten: Truth::default(),
            forgotten_since_baseline: Truth::default(),
        }
    }

    /// RegionId.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The time that new rows get.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Runs a command once on some instances, on which it is Pending at first. See [`Region::command`] for more.
    pub fn run(&mut self, command_name: &str, instances: impl Instances) -> InvokeId {
        self.command(command_name).on(instances).run()
    }

    /// Begins to describe a command: `region.command("backup").on(3).timeout(600).run()`.
    pub fn command(&mut self, command_name: &str) -> Command<'_> {
        Command::new(self, command_name)
    }

    /// Gives a saved command another name: from now on it is run by that, with the same CommandId. What it has run
    /// is listed with the name of then.
    pub fn rename_command(&mut self, before: &str, name: &str) {
        let id = self.command_id(before);
        self.renamed.remove(before);
        self.renamed.insert(name.to_owned(), id);
    }

    /// The CommandId behind a name.
    pub fn id_of_command(&self, name: &str) -> String {
        self.command_id(name)
    }

    /// A CommandId that nothing has had before.
    pub(crate) fn new_command_id(&self) -> String {
        format!("c-{}adhoc{:08x}", self.prefix, self.next_sequence)
    }

    /// Lets it start on an instance.
    pub fn start(&mut self, invoke_id: &str, instance: impl Into<InstanceAt>) {
        let now = self.now;
        self.row_at(invoke_id, &instance.into()).start(now);
    }

    /// Lets it end on an instance. One that had not started has then run for as long as the outcome says.
    pub fn settle(&mut self, invoke_id: &str, instance: impl Into<InstanceAt>, outcome: Outcome) {
        let (now, timeout) = (self.now, self.time_limit(invoke_id));
        let (sequence, place) = (
            self.sequence(invoke_id),
            self.position(invoke_id, &instance.into()),
        );
        let row = &mut self.invocation_at(invoke_id).rows[place];
        let was_open = row.status.is_open();
        row.settle(&outcome, timeout, now);
        if was_open {
            self.emit(sequence, place, None);
        }
    }

    /// Lets it end on each instance where it has not.
    pub fn settle_all(&mut self, invoke_id: &str, outcome: &Outcome) {
        let (now, timeout) = (self.now, self.time_limit(invoke_id));
        let sequence = self.sequence(invoke_id);
        for place in 0..self.invocation(invoke_id).rows.len() {
            let row = &mut self.invocation_at(invoke_id).rows[place];
            if row.status.is_open() {
                row.settle(outcome, timeout, now);
                self.emit(sequence, place, None);
            }
        }
    }

    /// Moves a row to a status, with the times and codes that usually go with it.
    pub fn set_status(&mut self, invoke_id: &str, instance: impl Into<InstanceAt>, status: InvocationStatus) {
        let now = self.now;
        let timeout = self.time_limit(invoke_id);
        let (sequence, place) = (
            self.sequence(invoke_id),
            self.position(invoke_id, &instance.into()),
        );
        let row = &mut self.invocation_at(invoke_id).rows[place];
        let was_open = row.status.is_open();
        match status {
            InvocationStatus::Running => row.start(now),
            InvocationStatus::Stopping => {
                row.status = status;
                row.stop_time = Some(now);
                row.update_time = now;
            }
            InvocationStatus::Pending | InvocationStatus::Scheduled => {
                row.status = status;
                row.update_time = now;
            }
            settled => row.settle(&Outcome::with_status(settled), timeout, now),
        }
        if was_open && !status.is_open() {
            self.emit(sequence, place, None);
        }
    }

    /// Asks for a stop: what has not settled is Stopping.
    pub fn stop(&mut self, invoke_id: &str) {
        for index in 0..self.invocation(invoke_id).rows.len() {
            if self.row_at(invoke_id, &index.into()).status.is_open() {
                self.set_status(invoke_id, index, InvocationStatus::Stopping);
            }
        }
    }

    /// Plans what a row will do by the clock: it starts in so many seconds, runs, and ends so.
    pub fn plan(
        &mut self,
        invoke_id: &str,
        instance: impl Into<InstanceAt>,
        start_in: i64,
        outcome: Outcome,
    ) {
        let sequence = self.sequence(invoke_id);
        let row = self.position(invoke_id, &instance.into());
        let start = self.now + self.clock.scaled(start_in);
        self.agenda.plan(start, sequence, row, outcome);
    }

    /// Adds `n` results that have settled already, up to 100 to an invocation, all created now.
    pub fn add_settled(&mut self, n: usize, outcome: Outcome) -> Vec<InvokeId> {
        let mut added = Vec::new();
        for first in (0..n).step_by(100) {
            let invoke_id = self.run("bulk", (n - first).min(100));
            self.settle_all(&invoke_id, &outcome);
            added.push(invoke_id);
        }
        added
    }

    /// Adds an item to the list exactly as it is given. It counts by what can be read of it.
    pub fn inject_raw_row(&mut self, row: Value) {
        let invoke_id = self.run("raw", 1);
        self.row_at(&invoke_id, &0.into()).raw = Some(row);
    }

    /// A row, to change what is sent for it.
    pub fn row_mut(&mut self, invoke_id: &str, instance: impl Into<InstanceAt>) -> &mut Row {
        self.version += 1;
        self.row_at(invoke_id, &instance.into())
    }

    /// A row.
    pub fn row(&self, invoke_id: &str, instance: impl Into<InstanceAt>) -> &Row {
        let position = self.position(invoke_id, &instance.into());
        &self.invocation(invoke_id).rows[position]
    }

    /// An invocation, to change what is sent for it.
    pub fn invocation_mut(&mut self, invoke_id: &str) -> &mut Invocation {
        self.version += 1;
        self.invocation_at(invoke_id)
    }

    /// An invocation.
    pub fn invocation(&self, invoke_id: &str) -> &Invocation {
        &self.invocations[&self.sequence(invoke_id)]
    }

    /// Every invocation, oldest first.
    pub fn invocations(&self) -> impl Iterator<Item = &Invocation> {
        self.invocations.values()
    }

    /// How many rows there are, histories not counted.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Page tokens given out so far are no longer accepted.
    pub fn expire_page_tokens(&mut self) {
        self.token_epoch += 1;
    }

    pub(crate) fn add(&mut self, mut invocation: Invocation) -> InvokeId {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let invoke_id = InvokeId(format!("t-{}{sequence:08x}", self.prefix));
        invocation.invoke_id = invoke_id.clone();
        self.rows += invocation.rows.len();
        self.version += 1;
        self.sequences.insert(invoke_id.0.clone(), sequence);
        if invocation.is_scheduled() {
            self.schedules.insert(sequence);
        }
        self.invocations.insert(sequence, invocation);
        invoke_id
    }

    /// The id of an instance of this region; the same number is the same instance.
    pub(crate) fn instance_id(&self, number: usize) -> String {
        format!("i-{}{number:06}", self.prefix)
    }

    pub(crate) fn command_id(&self, name: &str) -> String {
        if let Some(id) = self.renamed.get(name) {
            return id.clone();
        }
        let sum = name
            .bytes()
            .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        format!("c-{}{sum:08x}", self.prefix)
    }

    /// After how many seconds a command is over, by a clock that may be fast.
    pub(crate) fn time_limit(&self, invoke_id: &str) -> i64 {
        self.clock.scaled(self.invocation(invoke_id).timeout)
    }

    pub(crate) fn sequence(&self, invoke_id: &str) -> u64 {
        let Some(sequence) = self.sequences.get(invoke_id) else {
            unknown(invoke_id)
        };
        *sequence
    }

    pub(crate) fn position(&self, invoke_id: &str, instance: &InstanceAt) -> usize {
        let position = self.invocations[&self.sequence(invoke_id)].position(instance);
        position.unwrap_or_else(|| panic!("{invoke_id} has no row for {instance:?}"))
    }

    fn row_at(&mut self, invoke_id: &str, instance: &InstanceAt) -> &mut Row {
        let position = self.position(invoke_id, instance);
        &mut self.invocation_at(invoke_id).rows[position]
    }

    /// For changes that leave the list as long and in the order it was.
    fn invocation_at(&mut self, invoke_id: &str) -> &mut Invocation {
        let sequence = self.sequence(invoke_id);
        let Some(invocation) = self.invocations.get_mut(&sequence) else {
            unknown(invoke_id)
        };
        invocation
    }
}

fn unknown(invoke_id: &str) -> ! {
    panic!("the region has no invocation {invoke_id}")
}
