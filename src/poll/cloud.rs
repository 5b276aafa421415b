//! Who answers: the API of a region, or a model of it in tests.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

use super::scan::names::Lookup;
use super::scan::{Question, Request};
use crate::aliyun::client::{Action, Answered};
use crate::aliyun::ecs::{Ecs, Query, Which};
use crate::aliyun::error::CallError;
use crate::aliyun::invocations::InvocationsPage;
use crate::aliyun::limit::Priority;
use crate::aliyun::rows::Page;

/// What answers the requests of one scope.
pub trait Cloud: Debug + Send + Sync + 'static {
    /// Asks. Whoever drops the future gives the request up, and nothing else.
    ///
    /// # Errors
    /// As every call of the API; [`crate::aliyun::error::Reason::Timeout`] when `deadline` passes first.
    fn ask(
        &self,
        request: &Request,
        priority: Priority,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Result<Answered<Reply>, CallError>> + Send;

    /// How long the API has asked not to be asked this.
    fn paused_for(&self, action: Action) -> Duration;
}

/// An answer.
#[derive(Debug)]
pub enum Reply {
    /// Of DescribeInvocationResults.
    Results(Page),
    /// Of DescribeInvocations.
    Invocations(InvocationsPage),
}

impl Cloud for Ecs {
    async fn ask(
        &self,
        request: &Request,
        priority: Priority,
        deadline: Option<Instant>,
    ) -> Result<Answered<Reply>, CallError> {
        let next_token = request.token.as_deref();
        match which(&request.question) {
            Some(which) => {
                let page = self.invocations(which, next_token, priority, deadline).await?;
                Ok(page.map(Reply::Invocations))
            }
            None => {
                let query = query(&request.question, next_token);
                let page = self.results(&query, priority, deadline).await?;
                Ok(page.map(Reply::Results))
            }
        }
    }

    fn paused_for(&self, action: Action) -> Duration {
        self.client().paused_for(action)
    }
}

/// What DescribeInvocations is asked for; none where it is not.
fn which(question: &Question) -> Option<Which<'_>> {
    match question {
        Question::Schedules(repeat_mode) => Some(Which::RepeatMode(repeat_mode)),
        Question::Names(Lookup::Newest) => Some(Which::All),
        Question::Names(Lookup::Command(id)) => Some(Which::Command(id)),
        Question::Names(Lookup::Invocation(id)) => Some(Which::Invocation(id)),
        _ => None,
    }
}

fn query<'a>(question: &'a Question, next_token: Option<&'a str>) -> Query<'a> {
    let list = Query {
        next_token,
        ..Query::default()
    };
    match question {
        Question::Running => Query {
            invoke_record_status: Some("Running"),
            ..list
        },
        Question::Invocation {
            invoke_id,
            instance_id,
        } => Query {
            invoke_id: Some(invoke_id),
            instance_id: instance_id.as_deref(),
            ..list
        },
        Question::History {
            invoke_id,
            instance_id,
        } => Query {
            invoke_id: Some(invoke_id),
            instance_id: instance_id.as_deref(),
            include_history: true,
            ..list
        },
        Question::List | Question::Schedules(_) | Question::Names(_) => list,
    }
}
