//! Rule 9 in one scan: the histories that are due, page by page, as far as the poll has time for them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use super::history::{HistoryCursor, HistoryRequest, UnreadRuns, requests};
use super::pages::{MAX_PAGES, MAX_ROWS};
use super::{Scan, Stage};
use crate::record::{History, Record, Schedule, Sought};
use crate::result::{Identity, Row};

/// So many histories may be refused in one poll: where one is, others may be, and each costs a request.
const MAX_REFUSED: usize = 3;

impl Scan {
    /// Begins with the histories, once it is known which rows are schedules.
    pub(super) fn plan_histories(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        if self.asks_for_schedules() {
            return;
        }
        let mut due = requests(
            &self.unread(record),
            &record.instances_of_schedules(),
            self.history_budget,
            self.findings.began.steady,
            record.pauses(),
        );
        if let Some(under_way) = &mut cursor.under_way {
            let (pages, answers) = self.rows_and_answers();
            let moved = pages.iter().chain(answers).filter(|row| record.has_moved(row));
            under_way.moved.extend(moved.map(|row| row.identity));
            let asked: HashSet<Identity> = under_way.asked().map(|row| row.identity).collect();
            due.retain(|request| request.rows.iter().all(|row| !asked.contains(&row.identity)));
        }
        let mut queue: VecDeque<HistoryRequest> = cursor.in_turn(due).into();
        if cursor.under_way.is_none() {
            match queue.pop_front() {
                Some(request) => cursor.begin(request),
                None => return self.plan_names(record),
            }
        }
        self.start(Stage::Histories(queue));
    }

    /// A page of the history under way.
    pub(super) fn on_history(
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
            self.next_history(record, cursor, true);
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

    /// The history under way is denied or rejected.
    pub(super) fn history_refused(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        self.refused_histories += 1;
        self.next_history(record, cursor, false);
    }

    /// The history under way has been read, or was refused.
    fn next_history(&mut self, record: &Record, cursor: &mut HistoryCursor, was_had: bool) {
        if let Some(under_way) = cursor.under_way.take() {
            let sought = under_way.request.sought;
            self.findings.histories.push(History {
                asked: under_way.asked().map(|row| (row.identity, sought)).collect(),
                thorough: was_had && under_way.request.thorough,
                rows: if was_had { under_way.rows } else { Vec::new() },
            });
        }
        let Stage::Histories(queue) = &mut self.stage else {
            return;
        };
        match queue.pop_front() {
            Some(request) if self.history_budget > 0 && self.refused_histories < MAX_REFUSED => {
                cursor.begin(request);
            }
            _ => self.plan_names(record),
        }
    }

    /// Every schedule's row that has runs to be looked for now, as this scan has seen it.
    fn unread(&self, record: &Record) -> Vec<UnreadRuns> {
        let (pages, answers) = self.rows_and_answers();
        let answers = answers.filter(|row| record.knows(&row.identity));
        let rows = pages.iter().chain(answers);
        let rows = rows.filter(|row| row.repeats > 0 || row.scheduled);
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
