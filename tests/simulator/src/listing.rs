//! The list of rows in its order, filtered and cut into pages.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::Region;
use crate::invocation::{Invocation, Row};
use crate::misbehaviour::{List, Wrong};
use crate::page_token::Place;
use crate::region::{Order, Paging};

/// Where an entry stands: entries are listed by ascending key.
pub(crate) type Key = (i64, i64, i64);

/// A filter by tags finds no more than this.
const TAGGED_ROWS: usize = 1_000;

/// What of the rows is asked for.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Filter {
    pub(crate) invoke_id: Option<String>,
    pub(crate) command_id: Option<String>,
    pub(crate) instance_id: Option<String>,
    pub(crate) record_status: Option<String>,
    pub(crate) resource_group_id: Option<String>,
    pub(crate) tags: Vec<(String, Option<String>)>,
    pub(crate) history: bool,
    /// What else a token is bound to.
    pub(crate) call: String,
}

/// One line of the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    key: Key,
    sequence: u64,
    row: usize,
    /// Which run of the row's history; none for the row itself.
    run: Option<usize>,
}

/// What an entry stands for: a row, or a run of its history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) invocation: &'a Invocation,
    pub(crate) instance: &'a Row,
    pub(crate) run: Option<&'a Row>,
}

impl<'a> Subject<'a> {
    /// What is shown for it.
    pub(crate) fn row(&self) -> &'a Row {
        self.run.unwrap_or(self.instance)
    }
}

/// A part of the list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    /// How many entries come before it.
    pub(crate) first: usize,
    /// Where the next page begins; none behind the last.
    pub(crate) next: Option<Place>,
    pub(crate) total: usize,
}

/// The sorted list, kept until something changes it: a page then costs no more than its rows.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    rows: Cached,
    /// How often the rows have been sorted.
    pub(crate) sorted: usize,
    histories: HashMap<u64, Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    built: Option<(u64, Order)>,
    /// When a row that is not listed yet will be.
    valid_until: i64,
    entries: Vec<Entry>,
}

impl Filter {
    /// Which list of DescribeInvocationResults it asks for.
    pub(crate) fn list(&self) -> List {
        if self.history {
            List::History
        } else if self.invoke_id.is_some() {
            List::Question
        } else if self.record_status.is_some() {
            List::Status
        } else {
            List::Pages
        }
    }

    /// Whether every row passes.
    fn is_open(&self) -> bool {
        self.invoke_id.is_none()
            && self.command_id.is_none()
            && self.instance_id.is_none()
            && self.record_status.is_none()
            && self.resource_group_id.is_none()
            && self.tags.is_empty()
    }

    /// Whether an invocation passes, whatever its rows.
    pub(crate) fn takes_invocation(&self, invocation: &Invocation) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let tagged = |(key, value): &(String, Option<String>)| {
            let mut tags = invocation.tags.iter();
            tags.any(|(name, is)| name == key && value.as_ref().is_none_or(|wanted| wanted == is))
        };
        is(&self.invoke_id, &invocation.invoke_id)
            && is(&self.command_id, &invocation.command_id)
            && is(
                &self.resource_group_id,
                invocation.resource_group_id.as_deref().unwrap_or_default(),
            )
            && self.tags.iter().all(tagged)
            && self
                .record_status
                .as_deref()
                .is_none_or(|wanted| has_record_status(invocation, wanted))
    }

    fn takes_row(&self, row: &Row) -> bool {
        self.instance_id
            .as_ref()
            .is_none_or(|wanted| row.instance_id == *wanted)
    }

    /// What a page token is bound to: a token of one list leads nowhere in another.
    fn fingerprint(&self, region: &Region) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        (
            &region.account,
            &region.id,
            region.token_epoch,
            format!("{:?}", region.order),
        )
            .hash(&mut hasher);
        hasher.finish()
    }
}

/// The filter accepts Success as well, which no row says: every instance of it was a success.
fn has_record_status(invocation: &Invocation, wanted: &str) -> bool {
    let status = invocation.record_status();
    status.eq_ignore_ascii_case(wanted)
        || (wanted == "Success" && status == "Finished" && invocation.status() == "Success")
}

impl Region {
    /// Reads a page token, if it is one of this list.
    pub(crate) fn place(&self, token: &str, filter: &Filter) -> Option<Place> {
        Place::read(token, filter.fingerprint(self))
    }

    /// Writes a page token.
    pub(crate) fn token(&self, place: Place, filter: &Filter) -> String {
        place.write(filter.fingerprint(self))
    }

    /// The entries from a place on, as far as nothing hides them.
    pub(crate) fn page(&mut self, filter: &Filter, place: Place, size: usize, wrong: &Wrong) -> Page {
        self.refresh(filter);
        let filtered;
        let entries: &[Entry] = if filter.history {
            filtered = self.history_entries(filter);
            &filtered
        } else if let Some(invoke_id) = &filter.invoke_id {
            filtered = self.filtered_entries(filter, &self.entries_of(invoke_id));
            &filtered
        } else if filter.is_open() {
            &self.listing.rows.entries
        } else {
            filtered = self.filtered_entries(filter, &self.listing.rows.entries);
            &filtered
        };
        let shown: Vec<Entry>;
        let entries = if wrong.hides_anything() {
            let is_shown = |entry: &&Entry| self.entry(entry).is_some_and(|subject| !wrong.hides(&subject));
            shown = entries.iter().filter(is_shown).copied().collect();
            &shown
        } else {
            entries
        };
        let first = match place {
            Place::Offset(offset) => offset.min(entries.len()),
            Place::After(key) => entries.partition_point(|entry| entry.key <= key),
        };
        let page = &entries[first..entries.len().min(first.saturating_add(size))];
        let behind = first + page.len();
        let next = page
            .last()
            .filter(|_| behind < entries.len())
            .map(|last| match self.paging {
                Paging::AfterRow => Place::After(last.key),
                Paging::Offset => Place::Offset(behind),
            });
        Page {
            entries: page.to_vec(),
            first,
            next,
            total: entries.len(),
        }
    }

    /// What an entry stands for.
    pub(crate) fn entry(&self, entry: &Entry) -> Option<Subject<'_>> {
        let invocation = self.invocations.get(&entry.sequence)?;
        let instance = invocation.rows.get(entry.row)?;
        let run = match entry.run {
            None => None,
            Some(run) => Some(instance.history.get(run)?),
        };
        Some(Subject {
            invocation,
            instance,
            run,
        })
    }

    fn refresh(&mut self, filter: &Filter) {
        let state = (self.version, self.order);
        let listing = &mut self.listing;
        if filter.history {
            let Some(sequence) = filter.invoke_id.as_ref().and_then(|id| self.sequences.get(id)) else {
                return;
            };
            let Some(invocation) = self.invocations.get(sequence) else {
                return;
            };
            let cached = listing.histories.entry(*sequence).or_default();
            if cached.built != Some(state) {
                cached.entries = history(*sequence, invocation, self.order);
                cached.built = Some(state);
            }
            return;
        }
        if filter.invoke_id.is_some() {
            return;
        }
        if listing.rows.built == Some(state) && self.now < listing.rows.valid_until {
            return;
        }
        let cached = &mut listing.rows;
        cached.entries.clear();
        cached.valid_until = i64::MAX;
        for (sequence, invocation) in &self.invocations {
            let later = push_rows(&mut cached.entries, self.order, self.now, *sequence, invocation);
            cached.valid_until = cached.valid_until.min(later);
        }
        cached.entries.sort_unstable_by_key(|entry| entry.key);
        cached.built = Some(state);
        listing.sorted += 1;
        listing
            .histories
            .retain(|sequence, _| self.invocations.contains_key(sequence));
    }

    /// The rows of one invocation, without a look at the others.
    fn entries_of(&self, invoke_id: &str) -> Vec<Entry> {
        let mut entries = Vec::new();
        if let Some(sequence) = self.sequences.get(invoke_id)
            && let Some(invocation) = self.invocations.get(sequence)
        {
            push_rows(&mut entries, self.order, self.now, *sequence, invocation);
        }
        entries.sort_unstable_by_key(|entry| entry.key);
        entries
    }

    fn filtered_entries(&self, filter: &Filter, entries: &[Entry]) -> Vec<Entry> {
        let limit = if filter.tags.is_empty() {
            usize::MAX
        } else {
            TAGGED_ROWS
        };
        let mut taken = HashMap::new();
        let passes = |entry: &&Entry| {
            let Some(subject) = self.entry(entry) else {
                return false;
            };
            *taken
                .entry(entry.sequence)
                .or_insert_with(|| filter.takes_invocation(subject.invocation))
                && filter.takes_row(subject.row())
        };
        entries.iter().filter(passes).take(limit).copied().collect()
    }

    fn history_entries(&self, filter: &Filter) -> Vec<Entry> {
        let Some(sequence) = filter.invoke_id.as_ref().and_then(|id| self.sequences.get(id)) else {
            return Vec::new();
        };
        let Some(cached) = self.listing.histories.get(sequence) else {
            return Vec::new();
        };
        let passes = |entry: &&Entry| {
            self.entry(entry).is_some_and(|subject| {
                filter.takes_invocation(subject.invocation) && filter.takes_row(subject.row())
            })
        };
        cached.entries.iter().filter(passes).copied().collect()
    }
}

/// Adds the rows of an invocation that are listed by now. Returns when the next one will be.
fn push_rows(
    entries: &mut Vec<Entry>,
    order: Order,
    now: i64,
    sequence: u64,
    invocation: &Invocation,
) -> i64 {
    let mut next = i64::MAX;
    for (row, listed_from) in invocation.rows.iter().map(|row| row.listed_from).enumerate() {
        if listed_from > now {
            next = next.min(listed_from);
        } else {
            let key = row_key(order, invocation.creation_time, sequence, row);
            entries.push(Entry {
                key,
                sequence,
                row,
                run: None,
            });
        }
    }
    next
}

fn row_key(order: Order, created: i64, sequence: u64, row: usize) -> Key {
    let (sequence, row) = (sequence.cast_signed(), row.cast_signed() as i64);
    match order {
        Order::NewestFirst => (-created, -sequence, row),
        Order::OldestFirst => (created, sequence, row),
        Order::Shuffled(seed) => (mixed(seed, sequence, row), sequence, row),
    }
}

fn history(sequence: u64, invocation: &Invocation, order: Order) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (row, instance) in invocation.rows.iter().enumerate() {
        for (run, entry) in instance.history.iter().enumerate() {
            let started = entry.start_time.unwrap_or(entry.update_time);
            let (number, place) = (i64::from(entry.repeats), row.cast_signed() as i64);
            let key = match order {
                Order::NewestFirst => (-started, -number, place),
                Order::OldestFirst => (started, number, place),
                Order::Shuffled(seed) => (mixed(seed, number, place), number, place),
            };
            entries.push(Entry {
                key,
                sequence,
                row,
                run: Some(run),
            });
        }
    }
    entries.sort_unstable_by_key(|entry| entry.key);
    entries
}

fn mixed(seed: u64, a: i64, b: i64) -> i64 {
    let mut hasher = DefaultHasher::new();
    (seed, a, b).hash(&mut hasher);
    hasher.finish().cast_signed()
}
