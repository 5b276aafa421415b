//! Where an account is asked from, and the addresses that stand instead.

use reqwest::Url;

use super::fields::Value;

/// Where an account is asked from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Home {
    /// `network`: default public.
    pub network: Network,
    /// `home_region`: where DescribeRegions is asked, and STS inside of a VPC. Default: cn-hangzhou, or inside of a VPC
    /// the region that the instance metadata service names.
    pub region: Option<String>,
    /// The first of `regions`: the likely home inside of a VPC whose metadata service does not answer.
    pub first_region: Option<String>,
}

/// From where the API is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Over the Internet.
    #[default]
    Public,
    /// From inside a VPC: each region is asked at its own VPC host, which answers inside a VPC of that region only.
    Vpc,
}

/// Whether a text can be the id of a region, and so a part of a host.
pub fn is_region_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Reads `http(s)://host[:port]`, and takes an empty text for absent. Wrong ones are not shown, for they may hold a
/// password.
pub(super) fn base_url(value: &Value<'_>, may_hold_region: bool) -> Result<Option<String>, String> {
    let text = value.text()?;
    if text.is_empty() {
        return Ok(None);
    }
    let form = if may_hold_region {
        "http(s)://host[:port], in which {region_id} may stand for the region"
    } else {
        "http(s)://host[:port]"
    };
    let example = if may_hold_region {
        text.replace("{region_id}", "region")
    } else {
        text.clone()
    };
    let url = match Url::parse(&example) {
        Ok(url) if !example.contains(['{', '}']) => url,
        _ => return Err(format!("is not a URL; expected {form}")),
    };
    let problem = if !matches!(url.scheme(), "http" | "https") {
        "begins with neither http:// nor https://"
    } else if !url.username().is_empty() || url.password().is_some() {
        "holds a user name or password, which are not sent"
    } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        "has something after the host"
    } else {
        return Ok(Some(text.trim_end_matches('/').to_owned()));
    };
    Err(format!("{problem}; expected {form}"))
}
