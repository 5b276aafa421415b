//! The token of senders that can do no more than to send one.

use std::path::PathBuf;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::Sha256;

use crate::secret::Secret;
use crate::shown;
use crate::web::Live;

/// As EventBridge sends the token of a target.
const TOKEN: &str = "x-eventbridge-signature-token";

/// Longer than any token.
const LONGEST: u64 = 64 << 10;

/// A token in a file, which is read again when it changes.
#[derive(Debug)]
pub(super) struct TokenFile(Live<Secret>);

impl TokenFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Live::new("events.token_file", move |reader| {
            let bytes = reader
                .read(&path, LONGEST)
                .map_err(|error| format!("{} cannot be read: {error}", shown::path(&path)))?;
            let text =
                String::from_utf8(bytes).map_err(|_| format!("{} is not a text", shown::path(&path)))?;
            token(&text)
                .map(|token| Arc::new(Secret::new(token)))
                .map_err(|why| format!("{} {why}", shown::path(&path)))
        }))
    }

    /// Whether a request has the token. Nobody has it while the file cannot be read.
    pub(super) async fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = self.0.get().await else {
            return false;
        };
        let own = headers.get(TOKEN).map(|value| value.as_bytes());
        let bearer = headers
            .get(AUTHORIZATION)
            .and_then(|value| bearer(value.as_bytes()));
        let sent = own.into_iter().chain(bearer);
        // Both are looked at, whichever it is.
        sent.fold(false, |admitted, sent| {
            admitted | is_same(token.expose().as_bytes(), sent)
        })
    }
}

/// What a file holds beside the mark of an editor and what stands around it; or why that is no token.
fn token(text: &str) -> Result<&str, &'static str> {
    let token = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    match token {
        "" => Err("is empty; write the token into it"),
        // No header can carry it, so that it would keep out whoever has it.
        token if token.contains(is_unsendable) => {
            Err("holds line breaks or other characters that no header can carry; let it hold the token alone")
        }
        token => Ok(token),
    }
}

fn is_unsendable(character: char) -> bool {
    character.is_control() && character != '\t'
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Compares in a time that says nothing of where they differ, nor of their lengths.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    // An HMAC takes a key of any length.
    let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).ok();
    match (keyed(one), keyed(other)) {
        (Some(one), Some(other)) => one.verify(&other.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn either_header_and_nothing_else() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2 \n").unwrap();
        let token = TokenFile::new(file.path().to_owned());
        assert!(!format!("{token:?}").contains("hunter2"));
        for (name, value, is_admitted) in [
            (TOKEN, "hunter2", true),
            ("authorization", "Bearer hunter2", true),
            ("authorization", "bearer  hunter2", true),
            (TOKEN, "hunter", false),
            (TOKEN, "hunter22", false),
            (TOKEN, "", false),
            ("authorization", "Basic hunter2", false),
            ("authorization", "hunter2", false),
            ("authorization", "Béarer", false),
            ("x-token", "hunter2", false),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.insert(hyper::header::HeaderName::from_static(name), value.clone());
            assert_eq!(token.admits(&headers).await, is_admitted, "{name}: {value:?}");
        }
        std::fs::write(file.path(), "\u{feff}another").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(TOKEN, HeaderValue::from_static("another"));
        assert!(token.admits(&headers).await, "it is read again");
        std::fs::write(file.path(), "").unwrap();
        headers.insert(TOKEN, HeaderValue::from_static(""));
        assert!(!token.admits(&headers).await, "an emptied file lets nobody in");
    }

    #[test]
    fn what_no_header_can_carry_is_no_token() {
        for (text, found) in [
            ("hunter2\r\n", Ok("hunter2")),
            ("\u{feff}hunter2\n", Ok("hunter2")),
            ("two words, hünter2", Ok("two words, hünter2")),
            ("\u{feff}\n", Err("is empty")),
            ("hunter2\nhunter3\n", Err("line breaks")),
            ("hun\u{0}ter2", Err("line breaks")),
            ("hun\u{7f}ter2", Err("line breaks")),
            ("hunter2\n\u{feff}", Err("line breaks")),
        ] {
            match (token(text), found) {
                (Ok(token), Ok(expected)) => assert_eq!(token, expected),
                (Err(why), Err(expected)) => assert!(why.contains(expected) && !why.contains("hun"), "{why}"),
                (token, expected) => panic!("{text:?}: {token:?}, expected {expected:?}"),
            }
        }
    }
}
