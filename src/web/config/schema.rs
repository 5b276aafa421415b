//! The web configuration file as it is written: `web-configuration.md` of the exporter-toolkit.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::secret::Secret;
use crate::shown::cut;
use crate::yaml;

/// The whole file. Every key is optional; one that does not exist, or stands twice, is an error at every level, but
/// for those at the top that begin with `x-`: they are for anchors.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) tls_server_config: Tls,
    pub(super) http_server_config: Http,
    /// The bcrypt hash of each user's password.
    pub(super) basic_auth_users: BTreeMap<String, Option<Secret>>,
    pub(super) rate_limit: RateLimit,
}

// By hand, since serde has no way to let some unknown keys pass.
impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FileVisitor)
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = File;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("struct File")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<File, A::Error> {
        const KEYS: [&str; 4] = [
            "tls_server_config",
            "http_server_config",
            "basic_auth_users",
            "rate_limit",
        ];
        let mut file = File::default();
        while let Some(key) = items.next_key::<String>()? {
            match key.as_str() {
                "tls_server_config" => file.tls_server_config = value(&mut items)?,
                "http_server_config" => file.http_server_config = value(&mut items)?,
                "basic_auth_users" => file.basic_auth_users = value(&mut items)?,
                "rate_limit" => file.rate_limit = value(&mut items)?,
                key if key.starts_with("x-") => drop(items.next_value::<IgnoredAny>()?),
                key => return Err(A::Error::unknown_field(&cut(key), &KEYS)),
            }
        }
        Ok(file)
    }
}

fn value<'de, A: MapAccess<'de>, T: Default + Deserialize<'de>>(items: &mut A) -> Result<T, A::Error> {
    Ok(items.next_value::<Option<T>>()?.unwrap_or_default())
}

/// `tls_server_config`. An empty text counts as absent, as in Go.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) cert: String,
    pub(crate) key: Option<Secret>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) client_ca: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) cert_file: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) key_file: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) client_ca_file: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) client_auth_type: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) client_allowed_sans: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) min_version: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) max_version: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) cipher_suites: Vec<String>,
    pub(crate) prefer_server_cipher_suites: Option<bool>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) curve_preferences: Vec<String>,
}

impl Tls {
    /// Whether connections are to be encrypted. What merely tunes TLS does not switch it on.
    pub(crate) fn is_enabled(&self) -> bool {
        let texts = [
            &self.cert,
            &self.cert_file,
            &self.key_file,
            &self.client_ca,
            &self.client_ca_file,
            &self.client_auth_type,
        ];
        self.key.as_ref().is_some_and(|key| !key.expose().is_empty())
            || texts.iter().any(|text| !text.is_empty())
    }
}

/// `http_server_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Http {
    pub(super) http2: Option<bool>,
    /// Integers are taken for their text (`X-XSS-Protection: 1`).
    #[serde(deserialize_with = "null_is_default")]
    pub(super) headers: BTreeMap<String, Option<String>>,
}

/// `rate_limit`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RateLimit {
    /// A duration; a bare `0` too.
    #[serde(deserialize_with = "null_is_default")]
    pub(super) interval: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) burst: u32,
}

/// A key without a value is as good as absent.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads the text of a file. An empty one, or one of comments alone, is the default.
///
/// The error tells line and column, and what was expected, but shows nothing of a value: it may be a hash or a key.
pub(super) fn parse(text: &str) -> Result<File, String> {
    // Anything but YAML's `null` for the whole document must be a mapping.
    serde_saphyr::from_str_with_options::<Option<File>>(text, yaml::reading())
        .map(Option::unwrap_or_default)
        .map_err(|error| {
            if let Some(refusal) = yaml::refusal(&error) {
                let place = yaml::location(&error).map(|at| format!(" at line {}", at.line()));
                return format!("YAML error{}: {refusal}", place.unwrap_or_default());
            }
            let shown = with_short_names(&without_values(&error.without_snippet().to_string()));
            if shown.contains("$2") || shown.contains("-----BEGIN") {
                let place = error
                    .location()
                    .map(|at| format!(" at line {}, column {}", at.line(), at.column()));
                return format!("YAML error{}", place.unwrap_or_default());
            }
            format!("YAML error: {shown}")
        })
}

/// Cuts the value out of serde's `invalid type: string "…", expected …`, and advice that is for programmers.
fn without_values(message: &str) -> String {
    const ADVICE: [&str; 2] = [
        ", set DuplicateKeyPolicy in Options if acceptable",
        "; use from_str_multiple or from_str_multiple_with_options",
    ];
    let message = ADVICE
        .iter()
        .fold(message.to_owned(), |message, advice| message.replace(advice, ""));
    let Some(begin) = message.find("string \"") else {
        return message;
    };
    let begin = begin + "string".len();
    let end = message
        .rfind("\", expected")
        .map_or(message.len(), |quote| quote + 1);
    format!("{}{}", &message[..begin], message.get(end..).unwrap_or_default())
}

/// Cuts the name in serde's `unknown field `…`, expected …`, and whatever else a parser quotes so.
fn with_short_names(message: &str) -> String {
    let name = message.find('`').zip(message.rfind("`, "));
    match name.filter(|(begin, end)| begin < end) {
        Some((begin, end)) => format!(
            "{}{}{}",
            &message[..=begin],
            cut(&message[begin + 1..end]),
            &message[end..]
        ),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_short_whatever_is_wrong() {
        let long = "é".repeat(20_000);
        for text in [
            format!("{long}: 1\n"),
            format!("tls_server_config: {{{long}: 1}}\n"),
            format!("rate_limit: {{{long}: 1}}\n"),
            format!("rate_limit: {{burst: {long}}}\n"),
            format!("rate_limit: {{burst: [{long}]}}\n"),
            format!("http_server_config: {{http2: {long}}}\n"),
            format!("tls_server_config: {long}\n"),
            format!("tls_server_config: {{min_version: [{long}]}}\n"),
            format!("{long}: 1\n{long}: 1\n"),
            format!("basic_auth_users: {{{long}: a, {long}: b}}\n"),
            format!("rate_limit: *{}\n", "a".repeat(20_000)),
            format!("rate_limit: !{} a\n", "a".repeat(20_000)),
            format!("{long}\n"),
            format!("a: b: {long}\n"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.len() < 1000, "{} bytes: {error:.300}", error.len());
        }
    }

    #[test]
    fn a_list_is_no_mapping() {
        for text in [
            "[a, b, c, d]\n",
            "tls_server_config: []\n",
            "tls_server_config: [a, b]\n",
            "http_server_config: [true, {}]\n",
            "rate_limit: [1s, 1]\n",
            "basic_auth_users: [a]\n",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn anchors_are_as_many_as_one_likes_and_tags_are_none() {
        let mut text = String::from("x-hash: &hash $2y$10$a\nx-any: {a: [1, {b: ~}]}\nbasic_auth_users:\n");
        for number in 0..1000 {
            text.push_str(&format!("  user{number}: *hash\n"));
        }
        let file = parse(&text).unwrap();
        assert_eq!(file.basic_auth_users.len(), 1000);
        for (text, expected) in [
            (
                "basic_auth_users:\n  a: !vault b\n",
                "YAML error at line 2: there is a tag (!…)",
            ),
            (
                "x: 1\n",
                "unknown field `x`, expected one of tls_server_config, http_server_config,",
            ),
            ("tls_server_config: {x-a: 1}\n", "unknown field `x-a`"),
            ("rate_limit: {}\nrate_limit: {}\n", "duplicate"),
            ("[]\n", "expected"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
