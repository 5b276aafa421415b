//! The web configuration file of `--web.config.file`: read, checked, and kept for every request.
//!
//! The order of the checks is that of the exporter-toolkit, so that the same file has the same first error: the form
//! of the file with its names of versions, suites and curves; headers; password hashes; TLS.

mod preferences;
pub(super) mod schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bcrypt::HashParts;
use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS, X_XSS_PROTECTION,
};

pub(super) use self::preferences::Preferences;
use super::WebError;
use super::files::Reader;
use crate::duration;
use crate::secret::Secret;
use crate::shown::{cut, shown};

/// No web configuration comes near it; what is longer is another file.
const LONGEST_FILE: u64 = 1 << 20;

/// The headers that may be set, and the values that each may have; none: any.
const HEADERS: [(HeaderName, &str, &[&str]); 5] = [
    (STRICT_TRANSPORT_SECURITY, "Strict-Transport-Security", &[]),
    (X_CONTENT_TYPE_OPTIONS, "X-Content-Type-Options", &["nosniff"]),
    (X_FRAME_OPTIONS, "X-Frame-Options", &["deny", "sameorigin"]),
    (X_XSS_PROTECTION, "X-XSS-Protection", &[]),
    (CONTENT_SECURITY_POLICY, "Content-Security-Policy", &[]),
];

/// Whether a web configuration file turns on TLS.
///
/// # Errors
/// What is wrong with the file.
pub fn is_tls(path: &Path) -> Result<bool, WebError> {
    let settings = Settings::read(path, &mut Reader::default());
    let settings = settings.map_err(|reason| configuration(path, reason))?;
    Ok(settings.tls.is_enabled())
}

pub(super) fn configuration(path: &Path, reason: String) -> WebError {
    WebError::Configuration {
        path: path.to_owned(),
        reason,
    }
}

/// What a valid file says.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Where relative paths begin: the directory of the file.
    pub(super) directory: PathBuf,
    pub(super) tls: schema::Tls,
    pub(super) preferences: Preferences,
    pub(super) http2: bool,
    /// The headers to set where the answer does not set them itself.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The bcrypt hash of each user's password; with none, everybody may ask.
    pub(super) users: BTreeMap<String, Secret>,
    /// Time between two requests and how many may come at once; none: no limit.
    pub(super) rate_limit: Option<(Duration, u32)>,
    /// The file has nothing in it but comments.
    pub(super) is_empty: bool,
}

impl Settings {
    /// Reads and checks everything but TLS, whose files are read at each handshake.
    pub(super) fn read(path: &Path, reader: &mut Reader) -> Result<Self, String> {
        let bytes = reader
            .read(path, LONGEST_FILE)
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8(bytes).map_err(|_| "YAML error: not UTF-8".to_owned())?;
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Self::parse(&text, directory)
    }

    fn parse(text: &str, directory: PathBuf) -> Result<Self, String> {
        let file = schema::parse(text)?;
        let preferences = Preferences::read(&file.tls_server_config)?;
        let interval = duration::parse_go(&file.rate_limit.interval).ok_or_else(|| {
            let text = &file.rate_limit.interval;
            format!(
                "rate_limit.interval: {} is not a duration: expected a number with a unit, such as 500ms or 1m30s",
                shown(text)
            )
        })?;
        let headers = file
            .http_server_config
            .headers
            .iter()
            .map(|(name, value)| header(name, value.as_deref().unwrap_or_default()))
            .collect::<Result<_, _>>()?;
        let users = file
            .basic_auth_users
            .into_iter()
            .map(|(user, hash)| check_hash(&user, hash).map(|hash| (user, hash)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            directory,
            tls: file.tls_server_config,
            preferences,
            http2: file.http_server_config.http2.unwrap_or(true),
            headers,
            users,
            rate_limit: (interval > Duration::ZERO).then_some((interval, file.rate_limit.burst)),
            is_empty: text
                .lines()
                .map(str::trim)
                .all(|line| matches!(line, "" | "---") || line.starts_with('#')),
        })
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let Some((header, _, allowed)) = HEADERS.into_iter().find(|(_, known, _)| *known == name) else {
        return Err(format!("HTTP header {} can not be configured", shown(name)));
    };
    if !allowed.is_empty() && !allowed.contains(&value) {
        return Err(format!(
            "invalid value for {name}. Expected one of: {allowed:?}, but got: {}",
            shown(value)
        ));
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| format!("invalid value for {name}: it holds characters that no header may"))?;
    Ok((header, value))
}

/// The hash itself is in no error, not even when somebody has taken it for the name.
fn check_hash(user: &str, hash: Option<Secret>) -> Result<Secret, String> {
    let is_hash = |text: &str| text.parse::<HashParts>().is_ok();
    if is_hash(user) {
        return Err("basic_auth_users: a hash stands where a user's name should".to_owned());
    }
    hash.filter(|hash| is_hash(hash.expose())).ok_or_else(|| {
        format!(
            "basic_auth_users: the password of {} is malformed; expected a bcrypt hash of 60 bytes, as `htpasswd -nBC 10 \
             {}` makes it",
            shown(user),
            cut(user)
        )
    })
}
