//! Where the reading of histories has come to, from poll to poll, and which of them is next.

use std::collections::{HashSet, VecDeque};

use super::history::{HistoryRequest, Place, Progress, UnreadRuns};
use super::request::{Question, Request};
use crate::record::Sought;
use crate::result::{Identity, Row};

/// Where a scope's reading of histories has come to. It outlives the poll: one that is longer than a poll may read is
/// gone on with by the next ones, and everybody gets a turn.
#[derive(Debug, Default)]
pub struct HistoryCursor {
    /// The last reading that was begun: of those for what is new, and of the others.
    last: [Option<Place>; 2],
    /// The one that is not at its end yet.
    pub(super) under_way: Option<Box<UnderWay>>,
    /// One that is for nothing new, and has made way for those that are. There is one at most: it is gone on with
    /// before another such one is begun.
    pub(super) set_aside: Option<Box<UnderWay>>,
}

/// A reading, and what it has brought so far.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub request: HistoryRequest,
    pub progress: Progress,
    pub rows: Vec<Row>,
    pub next_token: Option<String>,
    pub tokens: HashSet<String>,
    /// Rows that have moved since it was begun: its pages may be older than that, and its end is no answer for them.
    pub moved: HashSet<Identity>,
}

impl HistoryCursor {
    /// The next page of the one under way.
    pub(super) fn next_request(&self) -> Option<Request> {
        let under_way = self.under_way.as_ref()?;
        Some(Request {
            question: Question::History {
                invoke_id: under_way.request.invoke_id.clone(),
                instance_id: under_way.request.instance_id.clone(),
            },
            token: under_way.next_token.clone(),
        })
    }

    /// Those that are not at their end.
    pub(super) fn unfinished(&mut self) -> impl Iterator<Item = &mut UnderWay> {
        let unfinished = [&mut self.under_way, &mut self.set_aside];
        unfinished.into_iter().flatten().map(Box::as_mut)
    }

    /// Lets what is new go before a reading for something else.
    pub(super) fn make_way(&mut self, queue: &VecDeque<HistoryRequest>) {
        let is_new = |request: &HistoryRequest| request.is_new();
        if queue.front().is_some_and(is_new)
            && let Some(under_way) = self.under_way.take_if(|under_way| !under_way.request.is_new())
        {
            self.set_aside = Some(under_way);
        }
    }

    /// Goes on with the next reading, if there is one.
    pub(super) fn go_on(&mut self, queue: &mut VecDeque<HistoryRequest>) -> bool {
        if !queue.front().is_some_and(HistoryRequest::is_new) && self.set_aside.is_some() {
            self.under_way = self.set_aside.take();
            return true;
        }
        let next = queue.pop_front();
        next.map(|request| self.begin(request)).is_some()
    }

    /// Begins a reading.
    pub(super) fn begin(&mut self, request: HistoryRequest) {
        self.last[usize::from(request.is_new())] = Some(request.place());
        self.under_way = Some(Box::new(UnderWay {
            progress: Progress::new(&request),
            request,
            rows: Vec::new(),
            next_token: None,
            tokens: HashSet::new(),
            moved: HashSet::new(),
        }));
    }

    /// What is new first; of each kind that which comes after the last that was begun.
    pub(super) fn in_turn(&self, mut requests: Vec<HistoryRequest>) -> VecDeque<HistoryRequest> {
        requests.sort_unstable_by_key(HistoryRequest::place);
        let (new, others): (Vec<_>, Vec<_>) = requests.into_iter().partition(HistoryRequest::is_new);
        let in_turn = [(new, 1), (others, 0)]
            .into_iter()
            .flat_map(|(mut requests, kind)| {
                if let Some(last) = &self.last[kind] {
                    let first = requests.partition_point(|request| request.place() <= *last);
                    let count = requests.len();
                    requests.rotate_left(if first < count { first } else { 0 });
                }
                requests
            });
        in_turn.collect()
    }
}

impl UnderWay {
    /// The rows that its end is an answer for.
    pub(super) fn asked(&self) -> impl Iterator<Item = &UnreadRuns> {
        let rows = self.request.rows.iter();
        // What is missing among the known runs is so wherever the row has moved.
        let is_for_missing = self.request.sought == Sought::Missing;
        rows.filter(move |row| is_for_missing || !self.moved.contains(&row.identity))
    }
}
