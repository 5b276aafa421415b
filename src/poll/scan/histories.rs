//! Rule 9 in one scan: the histories that are due, page by page, as far as the poll has time for them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::cursor::{HistoryCursor, UnderWay};
use super::history::{UnreadRuns, requests};
use super::pages::{MAX_PAGES, MAX_ROWS};
use super::{Scan, Stage};
use crate::record::{History, Record, Schedule, Sought};
use crate::result::{Identity, Row};

/// So many histories may be refused in one poll: where one is, others may be, and each costs a request.
pub(super) const MAX_REFUSED: usize = 3;

impl Scan {
    /// Begins with the histories, once it is known which rows are schedules.
    pub(super) fn plan_histories(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        if self.asks_for_schedules() {
            return;
        }
        let unread = self.unread(record);
        let mut due = match unread.is_empty() {
            true => Vec::new(),
            false => requests(
                &unread,
                &record.instances_of_schedules(),
                self.history_budget,
                self.findings.began.steady,
                record.pauses(),
            ),
        };
        let (pages, answers) = self.rows_and_answers();
        let moved = pages.iter().chain(answers).filter(|row| record.has_moved(row));
        let moved: HashSet<Identity> = moved.map(|row| row.identity).collect();
        for reading in cursor.unfinished() {
            // What it reads already is not asked for beside it.
            for request in due.iter_mut().filter(|due| due.sought == reading.request.sought) {
                let is_read =
                    |row: &UnreadRuns| reading.request.rows.iter().any(|of| of.identity == row.identity);
                request.rows.retain(|row| !is_read(row));
            }
            reading.moved.extend(&moved);
        }
        due.retain(|request| !request.rows.is_empty());
        let mut queue = cursor.in_turn(due);
        cursor.make_way(&queue);
        if cursor.under_way.is_none() && !cursor.go_on(&mut queue) {
            return self.plan_names(record);
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
        self.refusals_left = self.refusals_left.saturating_sub(1);
        self.next_history(record, cursor, false);
    }

    /// The history under way has been read, or was refused: what it has brought by then is as good.
    fn next_history(&mut self, record: &Record, cursor: &mut HistoryCursor, was_had: bool) {
        if let Some(under_way) = cursor.under_way.take() {
            self.hand_over(*under_way, was_had);
        }
        let Stage::Histories(queue) = &mut self.stage else {
            return;
        };
        let may_go_on = self.history_budget > 0 && self.refusals_left > 0;
        if !(may_go_on && cursor.go_on(queue)) {
            self.plan_names(record);
        }
    }

    /// The cursor ends with this scan: nobody goes on with what it has not read.
    pub fn leave_histories(&mut self, cursor: &mut HistoryCursor) {
        for under_way in [cursor.under_way.take(), cursor.set_aside.take()]
            .into_iter()
            .flatten()
        {
            self.hand_over(*under_way, false);
        }
    }

    fn hand_over(&mut self, under_way: UnderWay, is_whole: bool) {
        let sought = under_way.request.sought;
        self.findings.histories.push(History {
            asked: under_way.asked().map(|row| (row.identity, sought)).collect(),
            thorough: is_whole && under_way.request.thorough,
            rows: under_way.rows,
        });
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
