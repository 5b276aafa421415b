//! Credentials: where they come from, and keeping them fresh.
//!
//! A [`Source`] knows how to obtain credentials, one file for each kind; a [`Provider`] holds the newest ones of one
//! source and renews them. What a source depends on outside the program is passed in as [`Services`]: two HTTP
//! clients and the environment.
//!
//! No error, log line or `Debug` of this module holds a secret, or anything that a service answered but an error code
//! and a request id.

mod access_key;
mod assume_role;
mod cache;
mod chain;
mod cli_profile;
mod ecs_role;
mod environment;
mod error;
mod files;
mod home;
mod http;
mod ini;
mod ini_profile;
mod key;
mod lookup;
mod metadata;
mod oidc;
mod profile;
mod sts;
mod uri;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::config::{self, Origin};
use crate::secret::Secret;

pub use environment::Environment;
pub use error::{CredentialsError, Problem};
pub use home::home_region;
pub use http::{Services, metadata_client};
pub use sts::Identity;

use cache::Cache;
use files::Files;

/// How often a provider looks by itself whether a renewal is due. Longer than a source is left alone after a failure,
/// and short enough to try again within 5 s, and to find a changed file within 15 s.
const KEEP_INTERVAL: Duration = Duration::from_millis(3500);

/// What requests are signed with.
#[derive(Debug, Clone, PartialEq)]
pub struct Credentials {
    /// The id of the key; not a secret.
    pub access_key_id: String,
    /// The secret of the key.
    pub access_key_secret: Secret,
    /// The token that must go with a temporary key.
    pub security_token: Option<Secret>,
    /// When a temporary key stops working; nothing for one that lasts.
    pub expiration: Option<SystemTime>,
}

/// A way to obtain credentials.
#[derive(Debug, Clone)]
pub struct Source {
    credentials: config::Credentials,
    services: Services,
}

/// The credentials of one source, renewed in time. Cheap to ask for as often as requests are signed.
#[derive(Debug)]
pub struct Provider {
    source: Source,
    cache: Cache,
}

/// Credentials just obtained.
#[derive(Debug, Clone, PartialEq)]
struct Obtained {
    credentials: Credentials,
    /// Which source they came from, for people.
    origin: String,
}

/// What came of asking a source that may not be set up.
enum Step {
    Found(Obtained),
    /// It is not set up, for this reason.
    Passed(String),
}

// === impl Source ===

impl Source {
    /// The source that the configuration of an account asks for. Nothing is read or sent yet.
    pub fn new(credentials: config::Credentials, services: Services) -> Self {
        Self {
            credentials,
            services,
        }
    }

    /// Obtains credentials, with the files that they depend on.
    async fn obtain(&self) -> (Result<Obtained, CredentialsError>, Files) {
        let mut files = Files::default();
        let obtained = obtain(&self.credentials, &self.services, &mut files).await;
        (obtained, files)
    }
}

type Obtaining<'a> = Pin<Box<dyn Future<Output = Result<Obtained, CredentialsError>> + Send + 'a>>;

/// Obtains what a configuration asks for. Boxed, since a role's source and a profile lead back here.
fn obtain<'a>(
    credentials: &'a config::Credentials,
    services: &'a Services,
    files: &'a mut Files,
) -> Obtaining<'a> {
    let endpoints = &credentials.endpoints;
    Box::pin(async move {
        match &credentials.origin {
            Origin::Chain => chain::obtain(endpoints, services, files).await,
            Origin::AccessKey {
                access_key_id,
                access_key_secret,
                security_token,
            } => access_key::obtain(access_key_id, access_key_secret, security_token.as_ref(), files).await,
            Origin::EcsRamRole { role_name } => {
                let step = ecs_role::obtain(role_name.as_deref(), endpoints, services).await?;
                step.expect_found(
                    "ecs_ram_role",
                    "check that the exporter runs on an ECS instance with a RAM role",
                )
            }
            Origin::Oidc {
                role_arn,
                provider_arn,
                token_file,
                session_name,
                policy,
                duration,
            } => {
                let exchange = oidc::Exchange {
                    role_arn,
                    provider_arn,
                    token_file,
                    session_name: session_name.as_deref(),
                    policy: policy.as_deref(),
                    duration: *duration,
                };
                exchange.obtain(endpoints, services, files).await
            }
            Origin::AssumeRole {
                role_arn,
                session_name,
                external_id,
                policy,
                duration,
                source,
            } => {
                let session = assume_role::Session {
                    role_arn,
                    session_name: session_name.as_deref(),
                    external_id: external_id.as_deref(),
                    policy: policy.as_deref(),
                    duration: *duration,
                };
                let source = obtain(source, services, files).await;
                let source = source.map_err(|error| error.within(&session.source_name()))?;
                session.obtain(source, endpoints, services).await
            }
            Origin::CredentialsUri { uri } => uri::obtain(uri.expose(), services).await,
            Origin::Profile { name, file } => {
                let (name, file) = (name.as_deref(), file.as_deref());
                let step = profile::configured(name, file, endpoints, services, files).await?;
                step.expect_found(
                    "profile",
                    "correct the name of the profile or the file, or add the profile",
                )
            }
        }
    })
}

// === impl Step ===

impl Step {
    /// For a source that was asked for by name: not to be set up is a mistake then.
    fn expect_found(self, origin: &str, advice: &str) -> Result<Obtained, CredentialsError> {
        match self {
            Self::Found(obtained) => Ok(obtained),
            Self::Passed(reason) => Err(CredentialsError::broken(origin, reason, advice)),
        }
    }
}

// === impl Provider ===

impl Provider {
    /// A provider that holds nothing yet.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            cache: Cache::default(),
        }
    }

    /// The same, that tells when they are renewed or could not be: their end and the count of failures are then others.
    #[must_use]
    pub fn telling(mut self, changed: Arc<Notify>) -> Self {
        self.cache.tell(changed);
        self
    }

    /// The newest credentials: those held, or new ones where there are none, where their end is near, or where a file
    /// that they came from has changed.
    ///
    /// # Errors
    ///
    /// When none are held and none can be obtained. Asking again helps once the cause is mended; for 3 s after a
    /// failure its error is repeated without asking the source.
    pub async fn current(&self) -> Result<Arc<Credentials>, CredentialsError> {
        self.cache.current(|| self.source.obtain()).await
    }

    /// Renews what is held when it is due, between the times when requests ask for it too, for as long as somebody
    /// holds the provider: polls may be an hour apart, but a renewal that failed must not wait for the next.
    pub fn keep_fresh(self: &Arc<Self>) {
        let provider = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(KEEP_INTERVAL).await;
                let Some(provider) = provider.upgrade() else {
                    return;
                };
                if provider.cache.is_held() {
                    // What goes wrong is logged and counted there, and told to the next who asks.
                    let _ = provider.current().await;
                }
            }
        });
    }

    /// Newer credentials than those that the API has just refused as expired or unknown (`InvalidSecurityToken.*`).
    ///
    /// Of several callers with the same refused credentials only the first asks the source, and not sooner than 3 s
    /// after it was last asked. A source that can only give the same ones again gives them.
    ///
    /// # Errors
    ///
    /// When no others can be obtained.
    pub async fn renew(&self, refused: &Credentials) -> Result<Arc<Credentials>, CredentialsError> {
        self.cache.renew(refused, || self.source.obtain()).await
    }

    /// Other credentials than those that the API has just refused, where there are some already: by a renewal
    /// meanwhile, or in a file that has changed. Nothing where the source was not touched since.
    pub async fn replaced(
        &self,
        refused: &Credentials,
    ) -> Option<Result<Arc<Credentials>, CredentialsError>> {
        if !self.cache.is_replaced(refused).await {
            return None;
        }
        Some(self.renew(refused).await)
    }

    /// Whose credentials these are, by asking STS, which needs no permission; for `--config.check-credentials`.
    ///
    /// # Errors
    ///
    /// When there are no credentials, or STS cannot be reached or refuses them.
    pub async fn identity(&self) -> Result<Identity, CredentialsError> {
        let credentials = self.current().await?;
        sts::caller_identity(
            &self.source.services,
            &self.source.credentials.endpoints,
            &credentials,
        )
        .await
    }

    /// When the credentials that are held stop working; nothing where they last, or where there are none.
    pub fn expiry(&self) -> Option<SystemTime> {
        self.cache.expiry()
    }

    /// How often the source was asked in vain.
    pub fn refresh_failures(&self) -> u64 {
        self.cache.failures()
    }

    /// Which source the credentials that are held came from, for people.
    pub fn origin(&self) -> Option<String> {
        self.cache.origin()
    }
}

#[cfg(test)]
mod tests;
