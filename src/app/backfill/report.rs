//! What was read and written, for a person.

use std::fmt;
use std::path::PathBuf;

use super::all::AllRead;
use super::reading::ReadScope;
use crate::backfill::days::Written;
use crate::backfill::{Left, ScopeSeries, Sums, Until};
use crate::scope::Scope;
use crate::timestamp;

/// So many scopes are told one by one; of the others the sums.
const MOST_SCOPES: usize = 50;

/// The state that has said where the files end.
#[derive(Debug)]
pub(super) struct UsedState {
    /// Absolute: who reads of it may stand elsewhere.
    pub(super) path: PathBuf,
    /// Whether nothing had been saved there.
    pub(super) is_new: bool,
}

/// What has been done. Its text is for people.
#[derive(Debug)]
pub struct Report {
    directory: PathBuf,
    state: Option<UsedState>,
    scopes: Vec<Line>,
    not_supported: Vec<Scope>,
    written: Written,
    /// Of `cloud_assistant_results_total` in the files.
    results: u64,
}

#[derive(Debug)]
struct Line {
    scope: String,
    until: Until,
    listed: u64,
    runs: u64,
    open: u64,
    in_files: u64,
    left: Left,
    /// What is missing, and why.
    remarks: Vec<String>,
}

impl Report {
    pub(super) fn of(
        directory: PathBuf,
        (read, state): (AllRead, Option<UsedState>),
        series: &[ScopeSeries],
        written: Written,
        sums: &Sums,
    ) -> Self {
        let totals = sums.of.iter();
        let totals = totals.filter(|(name, _)| name.starts_with("cloud_assistant_results_total{"));
        Self {
            directory,
            state,
            scopes: read
                .scopes
                .iter()
                .zip(series)
                .map(|(read, series)| Line::of(read, series))
                .collect(),
            not_supported: read.not_supported,
            written,
            results: totals.map(|(_, rise)| rise).sum(),
        }
    }
}

impl Line {
    fn of(read: &ReadScope, series: &ScopeSeries) -> Self {
        let kept = &read.kept;
        let mut remarks = Vec::new();
        let mut remark = |is_so: bool, text: String| {
            if is_so {
                remarks.push(text);
            }
        };
        let left = series.left;
        remark(
            left.undated > 0,
            format!(
                "{} results have no time of their own, and are in no file",
                left.undated
            ),
        );
        remark(
            left.old > 0,
            format!("{} results are older than 35 days, and are in no file", left.old),
        );
        remark(kept.skipped > 0, format!("{} rows have no ids", kept.skipped));
        remark(
            kept.is_cut_off,
            "the rest of the list was refused: older results are missing".to_owned(),
        );
        remark(
            kept.lacks_schedules,
            "DescribeInvocations could not be had: runs of schedules that their rows do not show, and names, are \
             missing; once it can be had, remove the directory read and run this again"
                .to_owned(),
        );
        remark(
            kept.refused_histories > 0,
            format!(
                "the histories of {} schedules were refused",
                kept.refused_histories
            ),
        );
        remark(
            kept.past.unnamed > 0,
            format!(
                "{} results are of commands whose names could not be had, and in no series of commands",
                kept.past.unnamed
            ),
        );
        Self {
            scope: read.scope.to_string(),
            until: read.until,
            listed: kept.rows,
            runs: kept.runs,
            open: kept.open,
            in_files: series.results,
            left,
            remarks,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.scopes.iter().take(MOST_SCOPES) {
            let end = match line.until {
                Until::OwnLook(_) => "the end of this first look",
                Until::Time(_) => "the beginning of the exporter's first look",
            };
            writeln!(
                to,
                "{}: {} rows and {} runs of schedules listed, {} open, {} for the live counters, {} in the files, which \
                 end at {}, {end}",
                line.scope,
                line.listed,
                line.runs,
                line.open,
                line.left.live,
                line.in_files,
                timestamp::rfc3339(line.until.at()),
            )?;
            for remark in &line.remarks {
                writeln!(to, "  {remark}")?;
            }
        }
        if let Some(more @ 1..) = self.scopes.len().checked_sub(MOST_SCOPES) {
            let remarks: usize = self
                .scopes
                .iter()
                .skip(MOST_SCOPES)
                .map(|line| line.remarks.len())
                .sum();
            writeln!(to, "and {more} scopes more, with {remarks} remarks")?;
        }
        for scope in self.not_supported.iter().take(MOST_SCOPES) {
            writeln!(to, "no Cloud Assistant in {scope}, which is left out")?;
        }
        if let Some(more @ 1..) = self.not_supported.len().checked_sub(MOST_SCOPES) {
            writeln!(to, "nor in {more} regions more")?;
        }
        if let Some(state) = &self.state {
            let path = state.path.display();
            match state.is_new {
                true => writeln!(
                    to,
                    "state: {path}, made new. Only an exporter with this state.path goes on from here; one that has \
                     counted with another has results of these files in its counters"
                )?,
                false => writeln!(to, "state: {path}")?,
            }
        }
        let listed: u64 = self.scopes.iter().map(|line| line.in_files).sum();
        writeln!(
            to,
            "checked: {} results in {} files of {} samples and {} bytes; {listed} were listed",
            self.results,
            self.written.files.len(),
            self.written.samples,
            self.written.bytes
        )?;
        if self.written.files.is_empty() {
            return Ok(());
        }
        let directory = self.directory.display();
        write!(
            to,
            "Prometheus, with retention above the span (see docs/backfill.md first):\n  \
             for day in {directory}/*.om; do promtool tsdb create-blocks-from openmetrics -q \"$day\" BLOCKS; done\n  \
             mv BLOCKS/* DATA\n\
             VictoriaMetrics:\n  \
             for day in {directory}/*.om; do curl -fsS --data-binary @\"$day\" \
             http://VICTORIA:8428/api/v1/import/prometheus; done\n"
        )
    }
}
