//! Keys: those that last, and temporary ones.

use crate::Cloud;

/// A key that signs requests.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// AccessKeyId.
    pub id: String,
    /// AccessKeySecret.
    pub secret: String,
    /// The token that must come with a temporary key.
    pub security_token: Option<String>,
}

impl AccessKey {
    /// A key that lasts.
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            security_token: None,
        }
    }

    /// A temporary key.
    pub fn with_token(id: &str, secret: &str, security_token: &str) -> Self {
        Self {
            security_token: Some(security_token.to_owned()),
            ..Self::new(id, secret)
        }
    }
}

// A failing test prints what it compared: the secret must not be among it, as in the exporter.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AccessKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What the cloud knows of a key.
#[derive(Clone, Debug)]
pub(crate) struct KnownKey {
    pub(crate) key: AccessKey,
    pub(crate) account: String,
    /// Real unix seconds, whatever the cloud's clock says: signatures live by the real time.
    pub(crate) expires: Option<i64>,
    pub(crate) inactive: bool,
    /// It was issued here.
    pub(crate) issued: Option<Issued>,
}

/// A temporary key that the simulator has given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// AccessKeyId.
    pub access_key_id: String,
    /// Whose results it may see.
    pub account: String,
    /// `AssumeRole`, `AssumeRoleWithOIDC`, `MetadataCredentials` or `CredentialsUri`.
    pub by: String,
    /// The real time when it was given out.
    pub at: i64,
    /// The real time when it ends.
    pub expires: i64,
}

impl Cloud {
    /// Adds an account, or another key of one.
    pub fn add_account(&mut self, name: &str, key: AccessKey) {
        let number = self.accounts.len() + 1;
        self.accounts.entry(name.to_owned()).or_insert(number);
        self.add_key(name, key, None);
    }

    /// Adds a key of an account that is good until some real time.
    pub fn add_key(&mut self, account: &str, key: AccessKey, expires: Option<i64>) {
        let known = KnownKey {
            key,
            account: account.to_owned(),
            expires,
            inactive: false,
            issued: None,
        };
        self.keys.insert(known.key.id.clone(), known);
    }

    /// Takes a key away: it was never there.
    pub fn remove_key(&mut self, access_key_id: &str) {
        self.keys.remove(access_key_id);
    }

    /// Switches a key off, or on again.
    pub fn set_key_active(&mut self, access_key_id: &str, active: bool) {
        if let Some(known) = self.keys.get_mut(access_key_id) {
            known.inactive = !active;
        }
    }

    /// Lets a temporary key end at this real time.
    pub fn expire_key(&mut self, access_key_id: &str, at: i64) {
        if let Some(known) = self.keys.get_mut(access_key_id) {
            known.expires = Some(at);
        }
    }

    /// The keys that are good and last, each with its account.
    pub fn lasting_keys(&self) -> Vec<(String, AccessKey)> {
        let lasting = |known: &&KnownKey| known.key.security_token.is_none() && !known.inactive;
        let mut keys: Vec<_> = self
            .keys
            .values()
            .filter(lasting)
            .map(|known| (known.account.clone(), known.key.clone()))
            .collect();
        keys.sort_by(|one, other| (&one.0, &one.1.id).cmp(&(&other.0, &other.1.id)));
        keys
    }

    /// The temporary keys given out so far, oldest first, those that have ended included.
    pub fn issued_keys(&self) -> Vec<Issued> {
        let mut issued: Vec<Issued> = self
            .keys
            .values()
            .filter_map(|known| known.issued.clone())
            .collect();
        issued.sort_by(|one, other| one.access_key_id.cmp(&other.access_key_id));
        issued
    }

    /// Ends every temporary key of an account that was given out so far, whatever time it had left.
    pub fn revoke_issued_keys(&mut self, account: &str) {
        for known in self.keys.values_mut() {
            if known.account == account && known.issued.is_some() {
                known.expires = Some(0);
            }
        }
    }

    /// Gives out a temporary key, good from this real time on for so many seconds.
    pub(crate) fn issue_key(&mut self, account: &str, by: &str, now: i64, lifetime: i64) -> (AccessKey, i64) {
        self.keys_issued += 1;
        let number = self.keys_issued;
        let lifetime = self.temporary_key_lifetime.unwrap_or(lifetime);
        let expires = now + lifetime;
        // A real token is long, and has characters that must be encoded in a query.
        let token = format!("CAIS{number:06}/+{}==", "sim+ulated/".repeat(40));
        let key = AccessKey::with_token(
            &format!("STS.sim{number:06}"),
            &format!("temporary-secret-{number:06}"),
            &token,
        );
        let issued = Issued {
            access_key_id: key.id.clone(),
            account: account.to_owned(),
            by: by.to_owned(),
            at: now,
            expires,
        };
        self.add_key(account, key.clone(), Some(expires));
        if let Some(known) = self.keys.get_mut(&key.id) {
            known.issued = Some(issued);
        }
        (key, expires)
    }
}
