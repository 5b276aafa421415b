//! Everything that the API lists for a scope, histories of schedules whole: read once, beside no poller.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cloud::{Cloud, Reply};
use super::conversation::{INVOCATIONS_TIMEOUT, take};
use super::scan::cursor::HistoryCursor;
use super::scan::names::Lookup;
use super::scan::pages::Pages;
use super::scan::{Invocations, Question, Request, Scan};
use crate::aliyun::client::{Action, Answered};
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::limit::Priority;
use crate::clock::{Clock, Now};
use crate::record::{Naming, Past, Record};
use crate::result::Seconds;

/// DescribeInvocations is asked so often while its failures pass: no later poll would make up for an answer.
const TRIES: u32 = 3;

/// Between them at least, and at most whatever the API asks for.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How far a reading has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Come {
    /// Rows of the list.
    pub rows: usize,
    /// A time of the last of them.
    pub back_to: Option<Seconds>,
    /// Runs of schedules.
    pub runs: usize,
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// When its first request was sent, and when the list and what is open had been read: what was shown settled by
    /// then is in `past`.
    pub began: Seconds,
    /// The end of that.
    pub ended: Seconds,
    /// How far it has come.
    pub come: Come,
    /// Results that are still to settle.
    pub open: usize,
    /// Rows without ids.
    pub skipped: u64,
    /// Invocations whose history is denied or rejected.
    pub refused_histories: usize,
    /// Whether the rest of the list was refused.
    pub is_cut_off: bool,
    /// Whether it could not be had which invocations are schedules.
    pub lacks_schedules: bool,
    /// What had settled.
    pub past: Past,
}

/// Reads it all. `record` is one whose first look this is; it may be saved afterwards, and a poller goes on from there.
/// `takes_what_it_has` where the rest of the list has been refused before: a NextToken may live shorter than the list is
/// long.
///
/// # Errors
/// When a page cannot be had that it cannot do without.
pub async fn read<C: Cloud>(
    cloud: &C,
    record: &mut Record,
    clock: Clock,
    (history_budget, takes_what_it_has): (u64, bool),
    mut progress: impl FnMut(Come) + Send,
) -> Result<Read, CallError> {
    record.keep_past();
    let (mut come, mut is_cut_off) = (Come::default(), false);
    let mut scan = Scan::sweep(clock.now(), history_budget);
    let mut cursor = HistoryCursor::default();
    while let Some(request) = scan.next_request(&cursor) {
        let reply = match request.question.can_fail() {
            true => invocations(cloud, &request).await,
            false => cloud.ask(&request, Priority::Sweep, None).await,
        };
        let is_refused = reply
            .as_ref()
            .is_err_and(|error| error.reason == Reason::Rejected);
        if is_refused && takes_what_it_has && scan.is_amid_list() {
            is_cut_off = true;
            scan.end_list(record, &mut cursor);
            continue;
        }
        take(&mut scan, record, &mut cursor, (&request, reply), clock)?;
        come.rows = scan.rows();
        come.back_to = scan.has_come_to();
        progress(come);
    }
    let lacks_schedules = matches!(scan.invocations(), Invocations::Failed(_));
    let findings = scan.findings();
    let (began, skipped) = (findings.began, findings.skipped);
    let now = findings.ended(clock.now().steady);
    record.apply(findings, now);
    let refused_histories = histories(cloud, record, now, &mut |runs| {
        come.runs += runs;
        progress(come);
    })
    .await?;
    names(cloud, record).await;
    Ok(Read {
        began: began.wall,
        ended: now.wall,
        come,
        open: record.open().count(),
        skipped,
        refused_histories,
        is_cut_off,
        lacks_schedules,
        past: record.take_past(),
    })
}

/// Asks DescribeInvocations.
async fn invocations<C: Cloud>(cloud: &C, request: &Request) -> Result<Answered<Reply>, CallError> {
    let mut tries = 1;
    loop {
        let deadline = Some(Instant::now() + INVOCATIONS_TIMEOUT);
        match cloud.ask(request, Priority::Sweep, deadline).await {
            Err(error) if tries < TRIES && !matches!(error.reason, Reason::Denied | Reason::Rejected) => {
                tries += 1;
                let (least, most) = PAUSES;
                sleep(cloud.paused_for(Action::DescribeInvocations).clamp(least, most)).await;
            }
            reply => return reply,
        }
    }
}

/// Reads the history of every schedule that has run. Returns how many are refused.
async fn histories<C: Cloud>(
    cloud: &C,
    record: &mut Record,
    now: Now,
    progress: &mut (dyn FnMut(usize) + Send),
) -> Result<usize, CallError> {
    let have_run = record.schedules().filter(|(_, schedule)| schedule.shown > 0);
    let invoke_ids: BTreeSet<Box<str>> = have_run
        .map(|(_, schedule)| schedule.ids.invoke_id.clone())
        .collect();
    let mut refused = 0;
    for invoke_id in invoke_ids {
        let mut pages = Pages::default();
        loop {
            let question = Question::History {
                invoke_id: invoke_id.clone(),
                instance_id: None,
            };
            let request = Request {
                question,
                token: pages.token.take(),
            };
            let reply = cloud.ask(&request, Priority::Sweep, None).await;
            match reply.map(|answered| answered.answer) {
                Ok(Reply::Results(page)) => {
                    record.past_runs(&page.rows, now);
                    progress(page.rows.len());
                    // One that goes round in a circle, or has no end, has shown what it has.
                    let is_more = pages.turn(page.rows.len(), page.next_token).is_ok();
                    if !is_more || pages.token.is_none() {
                        break;
                    }
                }
                Ok(Reply::Invocations(_)) => break,
                Err(error) if matches!(error.reason, Reason::Denied | Reason::Rejected) => {
                    tracing::warn!(
                        invoke_id = &*invoke_id,
                        code = error.code.as_deref(),
                        request_id = error.request_id.as_deref(),
                        error = error.what,
                        "the history of a schedule is refused: its earlier runs are missing"
                    );
                    refused += 1;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(refused)
}

/// Asks one by one for names that a single poll would have left to the next ones.
async fn names<C: Cloud>(cloud: &C, record: &mut Record) {
    for id in record.unnamed_past() {
        let request = Request {
            question: Question::Names(Lookup::Command(id.clone())),
            token: None,
        };
        let reply = invocations(cloud, &request).await;
        match reply.map(|answered| answered.answer) {
            Ok(Reply::Invocations(page)) => {
                let missing = if page.commands.is_empty() {
                    vec![id]
                } else {
                    Vec::new()
                };
                let naming = Naming {
                    found: page.commands,
                    missing,
                    ..Naming::default()
                };
                // A name that is not listed twice cannot be had.
                record.learn_names(&naming);
                record.learn_names(&naming);
            }
            Ok(Reply::Results(_)) => {}
            // What is left is told by its number.
            Err(_) => return,
        }
    }
}
