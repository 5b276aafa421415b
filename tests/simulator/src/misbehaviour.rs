//! What the API shows that is not so: rows that are not listed for a while, histories that lag, numbers that jump,
//! pages that are refused. Only answers are changed by it; the truth knows nothing of it.
//!
//! ```
//! # use simulator::{AccessKey, Clock, Cloud, List, Misbehaviour, Outcome};
//! # let mut cloud = Cloud::new(Clock::Manual(1_767_323_045));
//! # cloud.add_account("a", AccessKey::new("id", "secret"));
//! # let region = cloud.region("a", "cn-hangzhou");
//! # let invoke_id = region.schedule("backup", "rate(60s)", 3);
//! // Three answers without any row.
//! region.misbehave(Misbehaviour::hides().for_answers(3));
//! // A row that pages do not list until it is lifted; whoever asks for its InvokeId sees it.
//! let unlisted = region.misbehave(Misbehaviour::hides().of(&invoke_id).on("i-1").only(List::Pages));
//! // A history that lags two runs behind, and a number that jumps.
//! region.misbehave(Misbehaviour::hides().of(&invoke_id).newest_runs(2));
//! region.misbehave(Misbehaviour::shows("Repeats", 1_000_000).of(&invoke_id).for_answers(1));
//! region.lift(unlisted);
//! region.behave();
//! ```

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use crate::listing::Subject;
use crate::{ApiError, Region};

/// One of the lists that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// What DescribeInvocationResults lists from the front.
    Pages,
    /// What it answers to an InvokeId.
    Question,
    /// What it lists of one InvokeRecordStatus.
    Status,
    /// The runs of a schedule.
    History,
    /// What DescribeInvocations lists.
    Invocations,
}

impl List {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::Pages,
        Self::Question,
        Self::Status,
        Self::History,
        Self::Invocations,
    ];
}

/// What is done to an answer.
#[derive(Clone, Debug, PartialEq)]
enum Effect {
    /// What is chosen is not in it.
    Hide,
    /// What is chosen has this value in this field.
    Show(String, Value),
    /// It is refused.
    Refuse(ApiError),
}

/// Which runs of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runs {
    Number(u32),
    /// The last so many numbers, up to the Repeats of the row.
    Newest(u32),
}

/// Something that is wrong with the answers of one region: until it is lifted, or it has been shown often enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Misbehaviour {
    effect: Effect,
    lists: Vec<List>,
    invoke_id: Option<String>,
    instance_id: Option<String>,
    runs: Option<Runs>,
    /// One row in so many, by a seed.
    share: Option<(u64, u64)>,
    behind: usize,
    from: i64,
    until: i64,
    answers: usize,
}

impl Misbehaviour {
    /// Rows and runs are not listed: all of them, unless some are chosen.
    pub fn hides() -> Self {
        Self::new(Effect::Hide, &List::ALL)
    }

    /// Rows have this value in a field, whatever they are; runs have it if some are chosen.
    pub fn shows(field: &str, value: impl Into<Value>) -> Self {
        let lists = [List::Pages, List::Question, List::Status];
        Self::new(Effect::Show(field.to_owned(), value.into()), &lists)
    }

    /// Answers are refused: all of them, unless some are chosen.
    pub fn refuses(error: ApiError) -> Self {
        Self::new(Effect::Refuse(error), &List::ALL)
    }

    /// Page tokens that lead further than so many rows are not accepted, as if they had expired on the way.
    pub fn tokens_end_behind(rows: usize) -> Self {
        Self::refuses(ApiError::invalid("NextToken")).behind(rows.max(1))
    }

    fn new(effect: Effect, lists: &[List]) -> Self {
        Self {
            effect,
            lists: lists.to_vec(),
            invoke_id: None,
            instance_id: None,
            runs: None,
            share: None,
            behind: 0,
            from: i64::MIN,
            until: i64::MAX,
            answers: usize::MAX,
        }
    }

    /// Only in this list.
    pub fn only(self, list: List) -> Self {
        Self {
            lists: vec![list],
            ..self
        }
    }

    /// Only what is of this invocation.
    pub fn of(self, invoke_id: &str) -> Self {
        let invoke_id = Some(invoke_id.to_owned());
        Self { invoke_id, ..self }
    }

    /// Only what is of this instance.
    pub fn on(self, instance_id: &str) -> Self {
        let instance_id = Some(instance_id.to_owned());
        Self { instance_id, ..self }
    }

    /// Only this run, in the history.
    pub fn run(self, number: u32) -> Self {
        let runs = Some(Runs::Number(number));
        Self { runs, ..self }.only(List::History)
    }

    /// Only the last so many runs, in the history.
    pub fn newest_runs(self, runs: u32) -> Self {
        let runs = Some(Runs::Newest(runs));
        Self { runs, ..self }.only(List::History)
    }

    /// Only one row in `rows`, the same ones in each list; another seed chooses others.
    pub fn one_in(self, rows: u64, seed: u64) -> Self {
        let share = Some((rows.max(1), seed));
        Self { share, ..self }
    }

    /// Only answers that begin behind so many rows are refused.
    pub fn behind(self, rows: usize) -> Self {
        Self { behind: rows, ..self }
    }

    /// Not before this time of the cloud's clock.
    pub fn from(self, time: i64) -> Self {
        Self { from: time, ..self }
    }

    /// No longer at this time of the cloud's clock.
    pub fn until(self, time: i64) -> Self {
        Self { until: time, ..self }
    }

    /// Only in the next so many answers that it can change; each page is one.
    pub fn for_answers(self, answers: usize) -> Self {
        Self { answers, ..self }
    }

    /// Whether it can change an answer, `now`, of a list; of one invocation's if that was asked for.
    fn concerns(&self, list: List, invoke_id: Option<&str>, now: i64) -> bool {
        let other = |wanted: &str| invoke_id.is_some_and(|asked| asked != wanted);
        (self.from..self.until).contains(&now)
            && self.lists.contains(&list)
            && !self.invoke_id.as_deref().is_some_and(other)
    }

    fn chooses(&self, subject: &Subject<'_>) -> bool {
        let Subject {
            invocation,
            instance,
            run,
        } = subject;
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let in_share = |(rows, seed): (u64, u64)| {
            let mut hasher = DefaultHasher::new();
            (seed, invocation.invoke_id.as_str(), &instance.instance_id).hash(&mut hasher);
            instance.container_id.hash(&mut hasher);
            hasher.finish().is_multiple_of(rows)
        };
        let number = run.map_or(0, |run| run.repeats);
        let is_run = |runs: Runs| match runs {
            Runs::Number(wanted) => number == wanted,
            Runs::Newest(runs) => u64::from(number) + u64::from(runs) > u64::from(instance.repeats),
        };
        is(&self.invoke_id, &invocation.invoke_id)
            && is(&self.instance_id, &instance.instance_id)
            && self.share.is_none_or(in_share)
            && self.runs.is_none_or(is_run)
    }
}

/// The misbehaviour of a region, in the order in which it began.
#[derive(Debug, Default)]
pub(crate) struct Misbehaviours {
    all: Vec<(u64, Misbehaviour)>,
    begun: u64,
}

impl Misbehaviours {
    /// What is wrong with one answer. It counts as shown by this.
    pub(crate) fn of_answer(&mut self, list: List, invoke_id: Option<&str>, now: i64) -> Wrong {
        let mut wrong = Vec::new();
        for (number, misbehaviour) in &mut self.all {
            if !misbehaviour.concerns(list, invoke_id, now) {
                continue;
            }
            wrong.push((*number, misbehaviour.clone()));
            if !matches!(misbehaviour.effect, Effect::Refuse(_)) {
                misbehaviour.shown();
            }
        }
        self.all.retain(|(_, misbehaviour)| misbehaviour.answers > 0);
        Wrong(wrong)
    }

    /// Whether an answer that begins behind so many rows is refused. What refuses it counts as shown by this.
    pub(crate) fn refuse(&mut self, wrong: &Wrong, first: usize) -> Result<(), ApiError> {
        for (number, misbehaviour) in &wrong.0 {
            if let Effect::Refuse(error) = &misbehaviour.effect
                && first >= misbehaviour.behind
            {
                let refusing = self.all.iter_mut().filter(|(other, _)| other == number);
                refusing.for_each(|(_, misbehaviour)| misbehaviour.shown());
                self.all.retain(|(_, misbehaviour)| misbehaviour.answers > 0);
                return Err(error.clone());
            }
        }
        Ok(())
    }
}

impl Misbehaviour {
    fn shown(&mut self) {
        if self.answers != usize::MAX {
            self.answers = self.answers.saturating_sub(1);
        }
    }
}

/// What is wrong with one answer.
#[derive(Debug, Default)]
pub(crate) struct Wrong(Vec<(u64, Misbehaviour)>);

impl Wrong {
    /// Whether anything may be hidden.
    pub(crate) fn hides_anything(&self) -> bool {
        self.0
            .iter()
            .any(|(_, misbehaviour)| misbehaviour.effect == Effect::Hide)
    }

    /// Whether a row or run is not listed.
    pub(crate) fn hides(&self, subject: &Subject<'_>) -> bool {
        self.0
            .iter()
            .any(|(_, misbehaviour)| misbehaviour.effect == Effect::Hide && misbehaviour.chooses(subject))
    }

    /// Changes what is sent for a row or run.
    pub(crate) fn change(&self, subject: &Subject<'_>, sent: &mut Value) {
        for (_, misbehaviour) in &self.0 {
            if let Effect::Show(field, value) = &misbehaviour.effect
                && misbehaviour.chooses(subject)
                && let Some(fields) = sent.as_object_mut()
            {
                fields.insert(field.clone(), value.clone());
            }
        }
    }
}

impl Region {
    /// From now on its answers are wrong like this. Returns a number to lift it by.
    pub fn misbehave(&mut self, misbehaviour: Misbehaviour) -> u64 {
        let held = &mut self.misbehaviours;
        held.begun += 1;
        held.all.push((held.begun, misbehaviour));
        held.begun
    }

    /// One misbehaviour ends, if it has not ended by itself.
    pub fn lift(&mut self, number: u64) {
        self.misbehaviours.all.retain(|(other, _)| *other != number);
    }

    /// All misbehaviour ends.
    pub fn behave(&mut self) {
        self.misbehaviours.all.clear();
    }

    /// The misbehaviour that has not ended, each with its number.
    pub fn misbehaviours(&self) -> impl Iterator<Item = (u64, &Misbehaviour)> {
        let all = self.misbehaviours.all.iter();
        all.map(|(number, misbehaviour)| (*number, misbehaviour))
    }
}

#[cfg(test)]
mod tests;
