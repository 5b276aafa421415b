//! The list: to what is known, to its end, or a little further for what is open.

use super::cursor::HistoryCursor;
use super::follow::{Follow, follow};
use super::{Scan, Stage};
use crate::record::Record;
use crate::result::Row;

impl Scan {
    /// A page of the list. A poll ends at one whose last row is known.
    pub(super) fn on_list(&mut self, record: &Record, cursor: &mut HistoryCursor, rows: Vec<Row>) {
        let at_known = rows.last().is_some_and(|row| record.knows(&row.identity));
        self.findings.pages.extend(rows);
        if at_known && self.front.is_none() {
            self.front = Some(self.findings.pages.len());
        }
        if self.pages.token.is_none() || (at_known && !self.is_sweep) {
            self.list_read(record, cursor);
        }
    }

    /// A page that is read for what is open.
    pub(super) fn on_list_further(
        &mut self,
        record: &Record,
        cursor: &mut HistoryCursor,
        rows: Vec<Row>,
        until: usize,
    ) {
        self.findings.pages.extend(rows);
        if self.pages.token.is_none() || self.pages.read >= until {
            self.ask_for_open(record, cursor);
        }
    }

    /// Whether pages of a list that is read to its end have been had, and more of them are to come.
    pub fn is_amid_list(&self) -> bool {
        matches!(self.stage, Stage::List) && self.pages.token.is_some()
    }

    /// The rest of the list cannot be had: the scan goes on with the rows that it has.
    pub fn end_list(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        if let Stage::List = self.stage {
            self.list_read(record, cursor);
        }
    }

    fn list_read(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        if self.is_sweep {
            self.plan_histories(record, cursor);
            return;
        }
        match follow(self.pages.read, &self.open_invocations(record)) {
            Follow::Nothing => self.plan_histories(record, cursor),
            Follow::ReadOn(pages) if self.pages.token.is_some() => {
                self.stage = Stage::ReadOn {
                    until: self.pages.read + pages,
                };
            }
            Follow::Running(pages) => self.start(Stage::Running { left: pages }),
            Follow::ReadOn(_) | Follow::Ask => self.ask_for_open(record, cursor),
        }
    }
}
