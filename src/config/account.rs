//! An account whose results are read: who asks, where, and for which results.

use std::collections::BTreeMap;

use super::credentials::{Credentials, Endpoints};
use super::events::{QueueSource, account_id};
use super::fields::{Fields, Item, Value};
use super::home::{Home, Network, base_url, is_region_id};
use crate::result::breaks_lines;
use crate::shown::shown;

/// One entry of `accounts`.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// `name`: the value of the `account` label; one name for each account. Default `default`; 1 to 128 characters.
    pub name: String,
    /// `credentials`: who asks. Default: the default chain.
    pub credentials: Credentials,
    /// `regions`: the regions to read, by id. Empty, the default, reads every region that DescribeRegions lists.
    pub regions: Vec<String>,
    /// `exclude_regions`: regions left out of those that were discovered. Default: none.
    pub exclude_regions: Vec<String>,
    /// `network` and `home_region`: which hosts are asked where `endpoint` and `sts_endpoint` do not say.
    pub home: Home,
    /// `endpoint`: where every request goes instead: `http(s)://host[:port]`, in which `{region_id}` stands for the
    /// region asked. Without a slash at its end.
    pub endpoint: Option<String>,
    /// `console`: where links to the console of Alibaba Cloud lead: `http(s)://host[:port]`, without a slash at its end.
    /// Default: `https://ecs.console.aliyun.com`.
    pub console: Option<String>,
    /// `resource_group_id`: only results of this resource group (request parameter ResourceGroupId).
    pub resource_group_id: Option<String>,
    /// `tags`: only results that have all these tags; at most 20 (request parameters Tag.N.Key and Tag.N.Value).
    pub tags: BTreeMap<String, String>,
    /// `account_id`: the account's number, as its events name it. Default: STS is asked, where events are used.
    pub account_id: Option<String>,
    /// `events`: the queue that its events are taken from. Default: none.
    pub events: Option<QueueSource>,
}

/// Longer names make dashboards unreadable and series large.
const MAXIMUM_NAME_CHARACTERS: usize = 128;
/// The bound of the request parameters Tag.N.
const MAXIMUM_TAGS: usize = 20;

impl Default for Account {
    fn default() -> Self {
        Self {
            name: String::from("default"),
            credentials: Credentials::default(),
            regions: Vec::new(),
            exclude_regions: Vec::new(),
            home: Home::default(),
            endpoint: None,
            console: None,
            resource_group_id: None,
            tags: BTreeMap::new(),
            account_id: None,
            events: None,
        }
    }
}

impl Account {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let mut account = Self::default();
        if let Some(value) = fields.value("name") {
            // A wrong name is reported once, and must not look like another account's.
            account.name = value.read(name).unwrap_or_default();
        }
        let credentials = fields.part("credentials");
        let regions = fields
            .part("regions")
            .map(|value| regions(&value))
            .unwrap_or_default();
        let excluded = fields
            .part("exclude_regions")
            .map(|value| self::regions(&value))
            .unwrap_or_default();
        for item in &excluded {
            if regions.iter().any(|region| region.text == item.text) {
                item.value.report(format!(
                    "{} is in regions as well; remove it from one",
                    shown(&item.text)
                ));
            }
        }
        account.regions = regions.into_iter().map(|item| item.text).collect();
        account.exclude_regions = excluded.into_iter().map(|item| item.text).collect();
        account.home.first_region = account.regions.first().cloned();
        fields.set(&mut account.home.network, "network", |value| {
            match value.text()?.as_str() {
                "public" => Ok(Network::Public),
                "vpc" => Ok(Network::Vpc),
                other => Err(format!("expected public or vpc, found {}", shown(other))),
            }
        });
        account.home.region = fields
            .read("home_region", |value| match value.text()? {
                text if text.is_empty() || is_region_id(&text) => Ok(text),
                text => Err(no_region_id(&text)),
            })
            .filter(|region| !region.is_empty());
        let endpoints = Endpoints {
            home: account.home.clone(),
            ..Endpoints::default()
        };
        account.credentials = match credentials {
            Some(value) => value
                .mapping(|fields| Credentials::read(fields, &endpoints))
                .unwrap_or_default(),
            None => Credentials {
                endpoints,
                ..Credentials::default()
            },
        };
        account.endpoint = fields.read("endpoint", |value| base_url(value, true)).flatten();
        account.console = fields.read("console", |value| base_url(value, false)).flatten();
        account.resource_group_id = fields
            .read("resource_group_id", Value::text)
            .filter(|resource_group_id| !resource_group_id.is_empty());
        if let Some(value) = fields.part("tags") {
            account.tags = tags(&value);
        }
        account.account_id = fields.read("account_id", account_id).flatten();
        account.events = fields
            .part("events")
            .and_then(|value| value.mapping(QueueSource::read))
            .flatten();
        account
    }
}

fn name(value: &Value<'_>) -> Result<String, String> {
    let name = value.some_text()?;
    if name.chars().count() > MAXIMUM_NAME_CHARACTERS {
        return Err(format!("must have at most {MAXIMUM_NAME_CHARACTERS} characters"));
    }
    if name.contains(breaks_lines) {
        return Err(String::from(
            "must not hold line breaks or other control characters",
        ));
    }
    Ok(name)
}

/// The well-formed ones of a list of region ids.
fn regions<'a>(value: &Value<'a>) -> Vec<Item<'a>> {
    let mut regions: Vec<Item<'a>> = Vec::new();
    for item in value.items().unwrap_or_default() {
        if !is_region_id(&item.text) {
            item.value.report(no_region_id(&item.text));
        } else if regions.iter().any(|region| region.text == item.text) {
            item.value.report(format!(
                "the region {} occurs twice; remove one",
                shown(&item.text)
            ));
        } else {
            regions.push(item);
        }
    }
    regions
}

fn no_region_id(text: &str) -> String {
    format!("expected a region id such as cn-hangzhou, found {}", shown(text))
}

/// Source: the limits of Tag.N.Key and Tag.N.Value of DescribeInvocationResults.
fn tags(value: &Value<'_>) -> BTreeMap<String, String> {
    let texts = value.texts();
    if texts.len() > MAXIMUM_TAGS {
        value.report(format!(
            "expected at most {MAXIMUM_TAGS} tags, found {}",
            texts.len()
        ));
    }
    let mut tags = BTreeMap::new();
    for (key, value) in texts {
        let is_address = |text: &str| text.contains("http://") || text.contains("https://");
        if key.is_empty() || key.chars().count() > 64 {
            value.report("the key of a tag must have from 1 to 64 characters");
        } else if key.starts_with("aliyun") || key.starts_with("acs:") || is_address(&key) {
            value.report("the key of a tag must not begin with aliyun or acs:, nor hold http:// or https://");
        }
        let Some(text) = value.read(Value::verbatim_or_nothing) else {
            continue;
        };
        if text.chars().count() > 128 || is_address(&text) {
            value.report(
                "the value of a tag must have at most 128 characters, and not hold http:// or https://",
            );
        }
        tags.insert(key, text);
    }
    tags
}
