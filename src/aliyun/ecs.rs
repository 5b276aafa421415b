//! The calls of ECS that a scope makes, as questions and answers.
//!
//! Source: API reference of ECS, version 2014-05-26.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::answer::Undocumented;
use super::client::{Action, Answered, Client, Decode};
use super::error::{CallError, Reason};
use super::invocations::{self, InvocationsPage};
use super::limit::Priority;
use super::regions::{self, Regions};
use super::rows::{self, Page};
use crate::fingerprint::Fingerprint;
use crate::selection::Selection;

/// MaxResults of every list: the most that the API gives.
const MAX_RESULTS: &str = "50";

/// Which results of a region belong to an account's scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// ResourceGroupId.
    pub resource_group_id: Option<String>,
    /// Tag.N.Key and Tag.N.Value.
    pub tags: BTreeMap<String, String>,
}

impl Filter {
    /// A number that differs between filters.
    pub fn fingerprint(&self) -> u64 {
        let group = Fingerprint::default().with(self.resource_group_id.as_deref());
        let tags = self.tags.iter().flat_map(|(key, value)| [key, value]);
        tags.fold(group, |fingerprint, text| fingerprint.with(Some(text)))
            .finish()
    }
}

/// One question about results, and the NextToken of the answer before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// InvokeId.
    pub invoke_id: Option<&'a str>,
    /// InstanceId.
    pub instance_id: Option<&'a str>,
    /// IncludeHistory: every run of a schedule; needs `invoke_id`.
    pub include_history: bool,
    /// InvokeRecordStatus.
    pub invoke_record_status: Option<&'a str>,
    /// NextToken.
    pub next_token: Option<&'a str>,
}

/// Which invocations DescribeInvocations is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// Every one.
    All,
    /// With this RepeatMode.
    RepeatMode(&'a str),
    /// Of this CommandId.
    Command(&'a str),
    /// This InvokeId.
    Invocation(&'a str),
}

/// ECS in one region, for one account.
#[derive(Debug)]
pub struct Ecs {
    client: Client,
    region_id: String,
    /// Polled because DescribeRegions lists it, not because the configuration does.
    is_discovered: bool,
    filter: Filter,
    /// Commands whose rows are to be told apart.
    selection: Option<Arc<Selection>>,
    with_ids: bool,
}

impl Ecs {
    /// ECS behind a client of that region.
    pub fn new(client: Client, region_id: &str, filter: Filter, selection: Option<Arc<Selection>>) -> Self {
        Self {
            client,
            region_id: region_id.to_owned(),
            is_discovered: false,
            filter,
            selection,
            with_ids: false,
        }
    }

    /// Keeps the ids of plain successes in lists, for who wants to log them. In histories they are not needed: the
    /// schedule has them.
    #[must_use]
    pub fn with_ids(self, with_ids: bool) -> Self {
        Self { with_ids, ..self }
    }

    /// Advises as for a region that DescribeRegions lists, and no configuration.
    #[must_use]
    pub fn discovered(self, is_discovered: bool) -> Self {
        Self {
            is_discovered,
            ..self
        }
    }

    /// The client, for its pauses.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// DescribeInvocationResults: one page.
    ///
    /// # Errors
    /// As [`Client::call`], and [`Reason::Malformed`] for an answer that is not the documented one.
    pub async fn results(
        &self,
        query: &Query<'_>,
        priority: Priority,
        deadline: Option<Instant>,
    ) -> Result<Answered<Page>, CallError> {
        let mut parameters = self.parameters(query.next_token);
        // The shortest encoding of what is not read anyway.
        push(&mut parameters, "ContentEncoding", Some("Base64"));
        push(&mut parameters, "InvokeId", query.invoke_id);
        push(&mut parameters, "InstanceId", query.instance_id);
        push(
            &mut parameters,
            "IncludeHistory",
            query.include_history.then_some("true"),
        );
        push(&mut parameters, "InvokeRecordStatus", query.invoke_record_status);
        let decode = match self.with_ids && !query.include_history {
            true => rows::decode_with_ids,
            false => rows::decode,
        };
        let selection = self.selection.clone();
        call(
            &self.client,
            Some((&self.region_id, self.is_discovered)),
            Action::DescribeInvocationResults,
            &parameters,
            priority,
            deadline,
            move |body| decode(body, selection.as_deref()),
        )
        .await
    }

    /// DescribeInvocations: one page, without output.
    ///
    /// # Errors
    /// As [`Ecs::results`].
    pub async fn invocations(
        &self,
        which: Which<'_>,
        next_token: Option<&str>,
        priority: Priority,
        deadline: Option<Instant>,
    ) -> Result<Answered<InvocationsPage>, CallError> {
        let mut parameters = self.parameters(next_token);
        match which {
            Which::All => {}
            Which::RepeatMode(mode) => push(&mut parameters, "RepeatMode", Some(mode)),
            Which::Command(id) => push(&mut parameters, "CommandId", Some(id)),
            Which::Invocation(id) => push(&mut parameters, "InvokeId", Some(id)),
        }
        let with_commands = self.selection.is_some();
        call(
            &self.client,
            Some((&self.region_id, self.is_discovered)),
            Action::DescribeInvocations,
            &parameters,
            priority,
            deadline,
            move |body| invocations::decode(body, with_commands),
        )
        .await
    }

    fn parameters(&self, next_token: Option<&str>) -> Vec<(String, String)> {
        let mut parameters = Vec::with_capacity(8);
        push(&mut parameters, "RegionId", Some(&self.region_id));
        push(&mut parameters, "MaxResults", Some(MAX_RESULTS));
        push(&mut parameters, "NextToken", next_token);
        push(
            &mut parameters,
            "ResourceGroupId",
            self.filter.resource_group_id.as_deref(),
        );
        for (place, (key, value)) in self.filter.tags.iter().enumerate() {
            let number = place + 1;
            parameters.push((format!("Tag.{number}.Key"), key.clone()));
            parameters.push((format!("Tag.{number}.Value"), value.clone()));
        }
        parameters
    }
}

/// DescribeRegions: the regions of an account. Needs no region.
///
/// # Errors
/// As [`Ecs::results`].
pub async fn regions(client: &Client) -> Result<Regions, CallError> {
    let found = call(
        client,
        None,
        Action::DescribeRegions,
        &[],
        Priority::Poll,
        None,
        regions::decode,
    )
    .await?
    .answer;
    if found.is_empty() {
        // Every account has regions. To believe this would stop all that is polled.
        return Err(CallError::new(Reason::Malformed, "an answer that names no region").lasting());
    }
    Ok(found)
}

async fn call<T: Send + 'static>(
    client: &Client,
    region: Option<(&str, bool)>,
    action: Action,
    parameters: &[(String, String)],
    priority: Priority,
    deadline: Option<Instant>,
    decode: impl Fn(&[u8]) -> Result<T, Undocumented> + Send + Sync + 'static,
) -> Result<Answered<T>, CallError> {
    let decode: Decode<T> = Arc::new(decode);
    let answer = client.call(action, parameters, priority, deadline, &decode).await;
    answer.map_err(|error| error.for_action(action.as_str(), region))
}

fn push(parameters: &mut Vec<(String, String)>, name: &str, value: Option<&str>) {
    parameters.extend(value.map(|value| (name.to_owned(), value.to_owned())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(resource_group_id: Option<&str>, tags: &[(&str, &str)]) -> Filter {
        let owned = |text: &str| text.to_owned();
        Filter {
            resource_group_id: resource_group_id.map(owned),
            tags: tags
                .iter()
                .map(|(key, value)| (owned(key), owned(value)))
                .collect(),
        }
    }

    #[test]
    fn fingerprints_tell_filters_apart_and_never_change() {
        let filters = [
            filter(None, &[]),
            filter(Some(""), &[]),
            filter(Some("rg-1"), &[]),
            filter(None, &[("a", "bc")]),
            filter(None, &[("ab", "c")]),
            filter(None, &[("a", "b"), ("c", "d")]),
        ];
        let mut seen: Vec<u64> = filters.iter().map(Filter::fingerprint).collect();
        // Saved states have these: another number would be another filter, and a baseline anew.
        assert_eq!(
            (seen[0], seen[2]),
            (9_932_238_384_514_166_846, 5_610_735_667_690_281_254)
        );
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), filters.len());
    }
}
