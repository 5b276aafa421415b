//! An access key that is configured, by value or by file.

use std::path::Path;

use super::error::CredentialsError;
use super::files::Files;
use super::key::{LINE_BREAK, key_in};
use super::{Credentials, Obtained};
use crate::config::Given;
use crate::secret::Secret;
use crate::shown;

const ORIGIN: &str = "access key of the configuration";

/// Reads the parts of a key; files are read anew.
pub(super) async fn obtain(
    access_key_id: &Given<String>,
    access_key_secret: &Given<Secret>,
    security_token: Option<&Given<Secret>>,
    files: &mut Files,
) -> Result<Obtained, CredentialsError> {
    let credentials = Credentials {
        access_key_id: match access_key_id {
            Given::Value(id) => id.clone(),
            Given::File(path) => read(files, path).await?,
        },
        access_key_secret: secret(files, access_key_secret).await?,
        security_token: match security_token {
            Some(token) => Some(secret(files, token).await?),
            None => None,
        },
        expiration: None,
    };
    Ok(Obtained {
        credentials,
        origin: String::from(ORIGIN),
    })
}

async fn secret(files: &mut Files, given: &Given<Secret>) -> Result<Secret, CredentialsError> {
    match given {
        Given::Value(secret) => Ok(secret.clone()),
        Given::File(path) => read(files, path).await.map(Secret::new),
    }
}

async fn read(files: &mut Files, path: &Path) -> Result<String, CredentialsError> {
    let text = files.read(path).await.map_err(|error| {
        CredentialsError::broken(
            ORIGIN,
            format!("{} cannot be read: {error}", shown::path(path)),
            "check the path, and that the exporter's user may read it",
        )
    })?;
    if let Some(key) = key_in(&text) {
        return Ok(key.to_owned());
    }
    let (what, advice) = match text.trim_end_matches(LINE_BREAK) {
        "" => ("is empty", "write the value into it"),
        _ => (
            "holds spaces, line breaks or other characters that no key has",
            "let it hold the value alone",
        ),
    };
    let what = format!("{} {what}", shown::path(path));
    Err(CredentialsError::broken(ORIGIN, what, advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_read_and_mistakes_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let obtain = async || {
            let mut files = Files::default();
            let secret = Given::File(path.clone());
            obtain(&Given::Value(String::from("id")), &secret, None, &mut files).await
        };
        let error = obtain().await.unwrap_err().to_string();
        assert!(error.starts_with("access key of the configuration: "), "{error}");
        assert!(error.contains("secret cannot be read: "), "{error}");

        for (content, expected) in [
            ("hunter2\n", Ok("hunter2")),
            ("hunter2\r\n", Ok("hunter2")),
            ("hunter2", Ok("hunter2")),
            ("\n", Err("is empty")),
            ("hunter2\nhunter2\n", Err("that no key has")),
            (" hunter2", Err("that no key has")),
        ] {
            std::fs::write(&path, content).unwrap();
            match (obtain().await, expected) {
                (Ok(obtained), Ok(secret)) => {
                    assert_eq!(obtained.credentials.access_key_secret.expose(), secret);
                }
                (Err(error), Err(expected)) => {
                    let error = error.to_string();
                    assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
                }
                (found, expected) => panic!("{content:?}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
