//! The web configuration file as it is written: `web-configuration.md` of the exporter-toolkit.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::secret::Secret;

/// The whole file. Every key is optional; one that does not exist, or stands twice, is an error at every level.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) tls_server_config: Tls,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) http_server_config: Http,
    /// The bcrypt hash of each user's password.
    #[serde(deserialize_with = "null_is_default")]
    pub(super) basic_auth_users: BTreeMap<String, Option<Secret>>,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) rate_limit: RateLimit,
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
    serde_saphyr::from_str::<Option<File>>(text)
        .map(Option::unwrap_or_default)
        .map_err(|error| {
            let shown = without_values(&error.without_snippet().to_string());
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
