//! Rule 6: what is open and was not on the pages, in the list of what is Running or one by one.

use std::collections::BTreeMap;

use super::cursor::HistoryCursor;
use super::follow::OpenInvocation;
use super::request::Question;
use super::{Scan, Stage};
use crate::record::{Answer, Record};
use crate::result::{Identity, Row};

impl Scan {
    /// A page of what is Running, of which `left` were to be read.
    pub(super) fn on_running(
        &mut self,
        record: &Record,
        cursor: &mut HistoryCursor,
        rows: Vec<Row>,
        left: usize,
    ) {
        self.add_answer(Vec::new(), rows);
        let left = left - 1;
        if self.pages.token.is_some() && left > 0 {
            self.stage = Stage::Running { left };
        } else {
            self.ask_for_open(record, cursor);
        }
    }

    /// A page about the invocation that was asked for.
    pub(super) fn on_open(&mut self, record: &Record, cursor: &mut HistoryCursor, rows: Vec<Row>) {
        let Stage::Open(queue) = &self.stage else {
            return;
        };
        let asked = queue.front().into_iter().flat_map(|invocation| &invocation.open);
        let asked: Vec<Identity> = asked.map(|(identity, _)| *identity).collect();
        let all_seen = asked.iter().all(|identity| self.seen.contains(identity));
        let ends = self.pages.token.is_none() || all_seen;
        // Only a whole answer can say that something is not listed.
        self.add_answer(if ends { asked } else { Vec::new() }, rows);
        if ends {
            self.next_asked(record, cursor);
        }
    }

    fn add_answer(&mut self, asked: Vec<Identity>, rows: Vec<Row>) {
        self.findings.answers.push(Answer { asked, rows });
    }

    /// Asks one by one for what is still unseen.
    pub(super) fn ask_for_open(&mut self, record: &Record, cursor: &mut HistoryCursor) {
        let unseen = self.open_invocations(record);
        match unseen.is_empty() {
            true => self.plan_histories(record, cursor),
            false => self.start(Stage::Open(unseen.into())),
        }
    }

    /// What is open and was neither on a page nor in an answer, by invocation.
    pub(super) fn open_invocations(&self, record: &Record) -> Vec<OpenInvocation> {
        // The record's depths are of before this poll's new rows.
        let new_rows = self.new_rows(record);
        let mut invocations: BTreeMap<&str, OpenInvocation> = BTreeMap::new();
        for (identity, open, depth) in record.open() {
            let invocation = invocations
                .entry(&open.ids.invoke_id)
                .or_insert_with(|| OpenInvocation {
                    invoke_id: open.ids.invoke_id.clone(),
                    open: Vec::new(),
                    rows: 0,
                    deepest: Some(0),
                    is_schedule: record.schedule(&identity).is_some(),
                });
            invocation.rows += 1;
            if !self.seen.contains(&identity) {
                let depth = depth.map(|depth| depth + new_rows);
                invocation.deepest = invocation.deepest.zip(depth).map(|(one, other)| one.max(other));
                invocation.open.push((identity, open.ids.instance_id.clone()));
            }
        }
        invocations
            .into_values()
            .filter(|invocation| !invocation.open.is_empty())
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
}

impl OpenInvocation {
    /// A single instance is asked for by its id.
    pub(super) fn question(&self) -> Question {
        let one = (self.open.len() == 1).then(|| self.open[0].1.clone());
        Question::Invocation {
            invoke_id: self.invoke_id.clone(),
            instance_id: one,
        }
    }
}
