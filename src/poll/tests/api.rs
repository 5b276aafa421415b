//! The cloud of these tests as pollers ask it: over nothing, in time that passes when nobody works.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::cloud::Cloud;
use crate::aliyun::client::{Action, Answered};
use crate::aliyun::error::{CallError, Reason};
use crate::aliyun::limit::Priority;
use crate::clock::Moment;
use crate::poll::cloud::{self, Reply};
use crate::poll::scan::{Question, Request};

/// Which requests fail, and how.
type Fault = Box<dyn FnMut(&Request) -> Option<CallError> + Send>;

/// One cloud; clones are the same.
#[derive(Clone)]
pub(crate) struct Api(Arc<Mutex<State>>);

struct State {
    cloud: Cloud,
    fault: Fault,
    slowness: Duration,
    pause: Duration,
    asked: Vec<(Instant, Request, Priority)>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Api")
    }
}

impl Api {
    /// A cloud that behaves, and has run nothing.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            cloud: Cloud {
                now: crate::timestamp::seconds(std::time::SystemTime::now()),
                ..Cloud::default()
            },
            fault: Box::new(|_| None),
            slowness: Duration::ZERO,
            pause: Duration::ZERO,
            asked: Vec::new(),
        })))
    }

    /// So many commands are run, and end so.
    pub(crate) fn settle(&self, count: u32, code: i64) {
        self.with(|state| state.cloud.settle(count, code));
    }

    /// A command is run, and is still under way.
    pub(crate) fn begin(&self) {
        self.with(|state| state.cloud.run(1, true, false));
    }

    /// What is under way ends so.
    pub(crate) fn end(&self, code: i64) {
        self.with(|state| state.cloud.end(code));
    }

    /// So many schedules of one instance each are made.
    pub(super) fn schedule(&self, count: u32) {
        self.with(|state| (0..count).for_each(|_| state.cloud.run(1, true, true)));
    }

    /// Each schedule runs so often more. Every invocation ends with a code of its own.
    pub(super) fn run_schedules(&self, times: u32) {
        self.with(|state| {
            let now = state.cloud.now;
            for instance in &mut state.cloud.instances {
                let code = i64::from(instance.invoke_id);
                if let Some(runs) = &mut instance.runs {
                    let last = runs.last_key_value().map_or(0, |(run, _)| *run);
                    let new = last + 1..=last + times;
                    runs.extend(new.map(|run| (run, super::cloud::End { code, at: now })));
                }
            }
        });
    }

    pub(crate) fn fail(&self, fault: impl FnMut(&Request) -> Option<CallError> + Send + 'static) {
        self.with(|state| state.fault = Box::new(fault));
    }

    pub(crate) fn behave(&self) {
        self.fail(|_| None);
        self.slow_down(Duration::ZERO);
    }

    /// From now on each answer takes so long.
    pub(crate) fn slow_down(&self, slowness: Duration) {
        self.with(|state| state.slowness = slowness);
    }

    /// Until further notice results are not to be asked for, for so long from whenever somebody looks.
    pub(crate) fn pause(&self, pause: Duration) {
        self.with(|state| state.pause = pause);
    }

    /// How many requests there were.
    pub(super) fn requests(&self) -> usize {
        self.with(|state| state.asked.len())
    }

    /// When pages of the list were asked for, and as what.
    pub(crate) fn first_pages(&self) -> Vec<(Instant, Priority)> {
        self.with(|state| {
            let asked = state.asked.iter();
            let first =
                asked.filter(|(_, request, _)| request.question == Question::List && request.token.is_none());
            first.map(|(at, _, priority)| (*at, *priority)).collect()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

impl cloud::Cloud for Api {
    async fn ask(
        &self,
        request: &Request,
        priority: Priority,
        deadline: Option<Instant>,
    ) -> Result<Answered<Reply>, CallError> {
        let (asked, signed) = ((Instant::now(), request.clone(), priority), Moment::now());
        let slowness = self.with(|state| {
            state.asked.push(asked);
            state.slowness
        });
        let answered = Instant::now() + slowness;
        let in_time = timeout_at(deadline.unwrap_or(answered + slowness), sleep(slowness)).await;
        in_time.map_err(|_| CallError::new(Reason::Timeout, "no answer"))?;
        self.with(|state| {
            if let Some(error) = (state.fault)(request) {
                return Err(error);
            }
            let answer = match request.question {
                Question::Schedules(_) | Question::Names(_) => Reply::Invocations(state.cloud.named(request)),
                _ => Reply::Results(state.cloud.page(request)),
            };
            Ok(Answered { answer, signed })
        })
    }

    fn paused_for(&self, action: Action) -> Duration {
        self.with(|state| match action {
            Action::DescribeInvocationResults => state.pause,
            _ => Duration::ZERO,
        })
    }
}
