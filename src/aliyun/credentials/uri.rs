//! Credentials from a service at a configured address.

use super::Obtained;
use super::error::CredentialsError;
use super::http::{Services, WireCredentials, send_out};

const ORIGIN: &str = "credentials URI";
const ADVICE: &str =
    "check the service at the configured address (credentials.uri or ALIBABA_CLOUD_CREDENTIALS_URI)";

/// Asks the service. The address itself is never shown, for its query may hold a password.
pub(super) async fn obtain(uri: &str, services: &Services) -> Result<Obtained, CredentialsError> {
    // Parsed here as well, since the variable is not checked by the configuration.
    let Some(url) = reqwest::Url::parse(uri)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
    else {
        return Err(CredentialsError::broken(
            ORIGIN,
            "the address does not begin with http:// or https://",
            ADVICE,
        ));
    };
    let answer = send_out(ORIGIN, ADVICE, services.http.client.get(url), services).await?;
    if !answer.is_success() {
        let problem = answer.refusal();
        return Err(CredentialsError {
            origin: String::from(ORIGIN),
            problem,
            advice: String::from(ADVICE),
        });
    }
    let wire: WireCredentials<'_> = answer.object(ORIGIN, ADVICE)?;
    let credentials = wire.into_credentials(ORIGIN, ADVICE)?;
    Ok(Obtained {
        credentials,
        origin: String::from(ORIGIN),
    })
}
