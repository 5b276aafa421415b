//! The number of an account, by which events name it.

use std::time::Duration;

use tokio::time::sleep;

use crate::aliyun::credentials::Provider;
use crate::config::is_account_id;

/// Between two questions to STS: it may be out of reach for long, and polls do not need it.
const AGAIN: Duration = Duration::from_secs(60);

/// Asks STS whose credentials these are, until it answers. The first answer in vain is logged.
pub(super) async fn learn(provider: &Provider) -> String {
    let mut is_told = false;
    loop {
        let why = match provider.identity().await {
            Ok(identity) if is_account_id(&identity.account_id) => return identity.account_id,
            Ok(_) => "STS has named an account that is no number".to_owned(),
            Err(error) => error.to_string(),
        };
        if !is_told {
            is_told = true;
            tracing::warn!(
                error = why,
                "the account's number cannot be had, by which events name it; set account_id, or wait: STS is asked \
                 again each minute"
            );
        }
        sleep(AGAIN).await;
    }
}
