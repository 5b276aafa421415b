//! The environment variables of the official SDKs, and the access key that they may hold.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::error::CredentialsError;
use super::{Credentials, Obtained};
use crate::secret::Secret;

/// Where the access key is.
pub(super) const ACCESS_KEY_ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
const ACCESS_KEY_SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
const SECURITY_TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";

/// What every STS session is called in the audit trail unless configured.
const DEFAULT_SESSION_NAME: &str = "cloud-assistant-exporter";

/// The environment variables at start. A variable that is set to nothing counts as not set; a line break at the end,
/// as Kubernetes hands on what an editor has written, is not a part of any value.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value of a variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim_end_matches(['\r', '\n']))
            .filter(|value| !value.is_empty())
    }

    /// Whether a switch is on: set to `true`, as the official SDKs compare it.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A path below the home directory, where there is one.
    pub(super) fn in_home(&self, path: &str) -> Option<PathBuf> {
        self.get("HOME").map(|home| PathBuf::from(home).join(path))
    }

    /// The profile to use of either file.
    pub(super) fn profile(&self) -> Option<&str> {
        self.get("ALIBABA_CLOUD_PROFILE")
    }

    /// The session name: the configured one, else that of the environment, else our own.
    pub(super) fn session_name<'a>(&'a self, configured: Option<&'a str>) -> &'a str {
        configured
            .or_else(|| self.get("ALIBABA_CLOUD_ROLE_SESSION_NAME"))
            .unwrap_or(DEFAULT_SESSION_NAME)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Shows which variables there are, not their values.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// The access key of the environment. Nothing where neither half of it is set; one half alone is a mistake.
pub(super) fn obtain(environment: &Environment) -> Result<Option<Obtained>, CredentialsError> {
    let (id, secret) = (environment.get(ACCESS_KEY_ID), environment.get(ACCESS_KEY_SECRET));
    let (missing, set) = match (id, secret) {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => {
            let credentials = Credentials {
                access_key_id: id.to_owned(),
                access_key_secret: Secret::new(secret),
                security_token: environment.get(SECURITY_TOKEN).map(Secret::new),
                expiration: None,
            };
            return Ok(Some(Obtained {
                credentials,
                origin: String::from("environment variables"),
            }));
        }
        (None, Some(_)) => (ACCESS_KEY_ID, ACCESS_KEY_SECRET),
        (Some(_), None) => (ACCESS_KEY_SECRET, ACCESS_KEY_ID),
    };
    Err(CredentialsError::broken(
        "environment variables",
        format!("{set} is set, but {missing} is not"),
        "set both, or neither to use the next source",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn both_halves_are_a_key_and_one_is_a_mistake() {
        let both = [
            (ACCESS_KEY_ID, "id"),
            (ACCESS_KEY_SECRET, "hunter2"),
            (SECURITY_TOKEN, "token"),
        ];
        let obtained = obtain(&environment(&both)).unwrap().unwrap();
        assert_eq!(obtained.credentials.access_key_id, "id");
        assert_eq!(obtained.credentials.security_token, Some(Secret::new("token")));
        let without_token = obtain(&environment(&both[..2])).unwrap().unwrap();
        assert_eq!(without_token.credentials.security_token, None);

        assert_eq!(obtain(&environment(&[])), Ok(None));
        assert_eq!(
            obtain(&environment(&[(ACCESS_KEY_ID, ""), (ACCESS_KEY_SECRET, "")])),
            Ok(None)
        );
        let error = obtain(&environment(&both[1..])).unwrap_err().to_string();
        assert_eq!(
            error,
            "environment variables: ALIBABA_CLOUD_ACCESS_KEY_SECRET is set, but ALIBABA_CLOUD_ACCESS_KEY_ID is not; \
             set both, or neither to use the next source"
        );
        let error = obtain(&environment(&both[..1])).unwrap_err().to_string();
        assert!(
            error.contains("ALIBABA_CLOUD_ACCESS_KEY_SECRET is not;"),
            "{error}"
        );
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", environment(&[(ACCESS_KEY_SECRET, "hunter2")]));
        assert_eq!(shown, "{\"ALIBABA_CLOUD_ACCESS_KEY_SECRET\"}");
    }
}
