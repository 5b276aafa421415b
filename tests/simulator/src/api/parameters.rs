//! Parameters of a call, and what is wrong with them.

use std::collections::BTreeMap;

use crate::Region;
use crate::error::{ApiError, documented};
use crate::listing::Filter;
use crate::page_token::Place;

use super::Encoding;

/// Parameters by name, from the query and from a form body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Without one of them.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut rest = self.clone();
        rest.0.remove(name);
        rest
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A boolean, as the SDKs write it: Python's says `True`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some("true" | "True") => Ok(Some(true)),
            Some("false" | "False") => Ok(Some(false)),
            Some(_) => Err(ApiError::invalid(name)),
        }
    }

    /// A parameter that has one of a few values.
    pub(crate) fn choice(&self, name: &str, values: &[&str]) -> Result<Option<String>, ApiError> {
        match self.text(name) {
            Some(text) if !values.contains(&text.as_str()) => Err(ApiError::invalid(name)),
            chosen => Ok(chosen),
        }
    }

    pub(crate) fn encoding(&self) -> Result<Encoding, ApiError> {
        let chosen = self.choice("ContentEncoding", &["PlainText", "Base64"])?;
        Ok(if chosen.as_deref() == Some("PlainText") {
            Encoding::PlainText
        } else {
            Encoding::Base64
        })
    }

    /// Tag.N.Key and Tag.N.Value.
    pub(crate) fn tags(&self) -> Result<Vec<(String, Option<String>)>, ApiError> {
        let mut found: BTreeMap<u32, (Option<&str>, Option<&str>)> = BTreeMap::new();
        for (name, value) in &self.0 {
            let Some((number, part)) = name.strip_prefix("Tag.").and_then(|rest| rest.split_once('.')) else {
                continue;
            };
            let number: u32 = number
                .parse()
                .map_err(|_| documented("InvalidTagKey.Malformed"))?;
            let tag = found.entry(number).or_default();
            match part {
                "Key" | "key" => tag.0 = Some(value),
                "Value" | "value" => tag.1 = Some(value),
                _ => {}
            }
        }
        if found.len() > 20 || found.keys().any(|number| !(1..=20).contains(number)) {
            return Err(documented("NumberExceed.Tags"));
        }
        let mut tags: Vec<(String, Option<String>)> = Vec::new();
        for (key, value) in found.into_values() {
            let key = key.ok_or_else(|| documented("MissingParameter.TagKey"))?;
            check_tag(key, value)?;
            if tags.iter().any(|(other, _)| other == key) {
                return Err(documented("Duplicate.TagKey"));
            }
            tags.push((key.to_owned(), value.map(str::to_owned)));
        }
        Ok(tags)
    }
}

impl FromIterator<(String, String)> for Parameters {
    /// Of a name that comes twice the first counts.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut map = BTreeMap::new();
        for (name, value) in pairs {
            map.entry(name).or_insert(value);
        }
        Self(map)
    }
}

fn check_tag(key: &str, value: Option<&str>) -> Result<(), ApiError> {
    let has_address = |text: &str| text.contains("http://") || text.contains("https://");
    let reserved = key.starts_with("aliyun") || key.starts_with("acs:");
    if key.is_empty() || key.chars().count() > 64 || reserved || has_address(key) {
        return Err(documented("InvalidTagKey.Malformed"));
    }
    if value.is_some_and(|value| value.chars().count() > 128 || has_address(value)) {
        return Err(documented("InvalidTagValue.Malformed"));
    }
    Ok(())
}

/// Which page is asked for, by token or by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) place: Place,
    pub(crate) size: usize,
    /// Only when the page is asked for by number.
    pub(crate) number: Option<usize>,
}

impl Asked {
    /// MaxResults and NextToken win over PageNumber and PageSize.
    pub(crate) fn read(parameters: &Parameters, region: &Region, filter: &Filter) -> Result<Self, ApiError> {
        let token = parameters.get("NextToken").filter(|token| !token.is_empty());
        let count = parameters.get("MaxResults").filter(|count| !count.is_empty());
        if token.is_none() && count.is_none() {
            return Self::by_number(parameters);
        }
        let size = count
            .map_or(Some(10), page_size)
            .ok_or_else(|| documented("InvalidParameter.MaxResults"))?;
        let place = match token {
            None => Some(Place::Offset(0)),
            Some(token) => region.place(token, filter),
        };
        let place = place.ok_or_else(|| documented("InvalidParameter.NextToken"))?;
        Ok(Self {
            place,
            size,
            number: None,
        })
    }

    fn by_number(parameters: &Parameters) -> Result<Self, ApiError> {
        let number = parameters
            .get("PageNumber")
            .map_or(Some(1), |text| text.parse::<usize>().ok());
        let number = number
            .filter(|number| *number > 0)
            .ok_or_else(|| documented("InvalidParam.PageNumber"))?;
        let size = parameters.get("PageSize").map_or(Some(10), page_size);
        let size = size.ok_or_else(|| documented("InvalidParam.PageSize"))?;
        Ok(Self {
            place: Place::Offset((number - 1).saturating_mul(size)),
            size,
            number: Some(number),
        })
    }
}

fn page_size(text: &str) -> Option<usize> {
    text.parse().ok().filter(|size| (1..=50).contains(size))
}
