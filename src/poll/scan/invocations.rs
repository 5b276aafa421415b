//! What DescribeInvocations tells: which rows belong to a schedule, and what commands are called.

use std::collections::{HashSet, VecDeque};

use super::cursor::HistoryCursor;
use super::names::Names;
use super::{Invocations, Scan, Stage};
use crate::aliyun::error::CallError;
use crate::aliyun::invocations::InvocationsPage;
use crate::record::{NamesUnavailable, Record};
use crate::result::Identity;

/// What repeats, as RepeatMode says it.
const SCHEDULES: [&str; 2] = ["Period", "EveryReboot"];

impl Scan {
    /// Takes in a page of invocations: rows of the list that belong to a schedule are marked, commands get names.
    ///
    /// # Errors
    /// As [`Scan::on_results`].
    pub fn on_invocations(
        &mut self,
        record: &Record,
        cursor: &mut HistoryCursor,
        page: InvocationsPage,
    ) -> Result<(), CallError> {
        self.invocations = Invocations::Answered;
        if let Stage::Names(_) = self.stage {
            self.on_names(page);
            return Ok(());
        }
        self.pages.turn(0, page.next_token)?;
        self.findings.naming.found.extend(page.commands);
        self.findings.scheduled.extend(&page.rows);
        let scheduled: HashSet<Identity> = page.rows.into_iter().collect();
        for row in &mut self.findings.pages {
            row.scheduled |= !row.is_plain() && scheduled.contains(&row.identity);
        }
        if self.pages.token.is_none() {
            self.next_asked(record, cursor);
        }
        Ok(())
    }

    /// DescribeInvocations could not be had: the scan goes on without what it would tell.
    pub fn on_names_failed(&mut self, record: &Record, cursor: &mut HistoryCursor, why: NamesUnavailable) {
        self.invocations = Invocations::Failed(why);
        self.asks_invocations = false;
        match &mut self.stage {
            Stage::Names(names) => {
                names.fail(why);
                self.end_names();
            }
            Stage::Schedules(_) => {
                self.findings.naming.unavailable = Some(why);
                self.plan_histories(record, cursor);
            }
            _ => {}
        }
    }

    /// Asks which invocations are schedules, where that is still to be asked. Returns whether it does.
    pub(super) fn asks_for_schedules(&mut self) -> bool {
        let asks = std::mem::take(&mut self.asks_schedules) && self.asks_invocations;
        if asks {
            self.start(Stage::Schedules(VecDeque::from(SCHEDULES)));
        }
        asks
    }

    /// What all rows of this scan leave unknown of their commands.
    pub(super) fn plan_names(&mut self, record: &Record) {
        self.start(Stage::Done);
        if !self.asks_invocations {
            return;
        }
        let (pages, answers) = self.rows_and_answers();
        let histories = self.findings.histories.iter();
        let rows = pages
            .iter()
            .chain(answers)
            .chain(histories.flat_map(|history| &history.rows));
        if let Some(names) = Names::plan(record, rows, &self.findings.naming, self.is_sweep) {
            self.start(Stage::Names(names));
        }
    }

    fn on_names(&mut self, page: InvocationsPage) {
        let token = page.next_token;
        let goes_round = token.as_ref().is_some_and(|token| !self.pages.is_new(token));
        let Stage::Names(names) = &mut self.stage else {
            return;
        };
        let reads_on = names.take(page.commands, token.is_some());
        self.pages.token = token.filter(|_| reads_on);
        if goes_round && reads_on {
            names.fail(NamesUnavailable::Passing);
        }
        if self.pages.token.is_none() {
            self.pages = super::Pages::default();
        }
        self.end_names();
    }

    /// Once there is nothing more to ask.
    fn end_names(&mut self) {
        if !matches!(&self.stage, Stage::Names(names) if names.next().is_none()) {
            return;
        }
        if let Stage::Names(names) = std::mem::replace(&mut self.stage, Stage::Done) {
            self.findings.naming.add(names.naming());
        }
    }
}
