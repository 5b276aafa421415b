//! `basic_auth_users`: names and passwords.

mod cache;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;

use self::cache::Cache;
use crate::secret::Secret;

/// The hash that unknown users are compared with, so that they wait as long as known ones do. It is the
/// hash of a text which the tests know, and opens nothing.
const DUMMY_HASH: &str = "$2y$10$jHmM9KA3QiCI7i.dg29Uk.GMWi/ZYu8W5PVeJAOpi1KmnWsFB1xsq";

/// Checks credentials; the users are given each time, as they change with the file.
#[derive(Debug, Default)]
pub(super) struct Auth {
    cache: Mutex<Cache>,
    /// bcrypt is made to be slow: whoever sends many wrong passwords may keep one core busy, not all.
    one_at_a_time: AsyncMutex<()>,
}

impl Auth {
    /// Whether the value of an `Authorization` header holds the name and password of one of `users`.
    pub(super) async fn admits(
        &self,
        users: &BTreeMap<String, Secret>,
        authorization: Option<&HeaderValue>,
    ) -> bool {
        let Some((user, password)) = authorization.and_then(credentials) else {
            return false;
        };
        let hash = users.get(&user);
        let is_known = hash.is_some();
        let hash = hash.map_or(DUMMY_HASH, Secret::expose);
        let key = key(&user, hash, password.expose());
        let cached = self.cached(&key);
        let is_right = match cached {
            Some(is_right) => is_right,
            None => self.compare(key, hash, password).await,
        };
        // Whoever knows the text behind the dummy hash is nobody all the same.
        is_right && is_known
    }

    async fn compare(&self, key: [u8; 32], hash: &str, password: Secret) -> bool {
        let _turn = self.one_at_a_time.lock().await;
        // The same credentials may have been compared while these waited.
        if let Some(is_right) = self.cached(&key) {
            return is_right;
        }
        let hash = Secret::new(hash);
        let compared = tokio::task::spawn_blocking(move || bcrypt::verify(password.expose(), hash.expose()));
        let is_right = matches!(compared.await, Ok(Ok(true)));
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, is_right);
        is_right
    }

    fn cached(&self, key: &[u8; 32]) -> Option<bool> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }
}

/// The name and password of `Basic …` (RFC 7617).
fn credentials(authorization: &HeaderValue) -> Option<(String, Secret)> {
    let (scheme, encoded) = authorization.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), Secret::new(password)))
}

/// What an answer is remembered by. A hash, so that no password stays in memory; and each part with its length, so
/// that no part can pass for the end of another (CVE-2022-46146).
fn key(user: &str, hash: &str, password: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [user, hash, password] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
