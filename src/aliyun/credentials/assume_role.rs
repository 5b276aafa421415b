//! A role assumed with other credentials (STS AssumeRole).

use std::time::Duration;

use super::error::CredentialsError;
use super::http::Services;
use super::{Obtained, sts};
use crate::config::Endpoints;
use crate::shown::cut;

/// The parameters of a session.
pub(super) struct Session<'a> {
    pub(super) role_arn: &'a str,
    pub(super) session_name: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    pub(super) policy: Option<&'a str>,
    pub(super) duration: Duration,
}

impl Session<'_> {
    /// What errors of the source are told after.
    pub(super) fn source_name(&self) -> String {
        format!("source of {}", cut(self.role_arn))
    }

    /// Assumes the role with the credentials of its source, which are fetched for this and not kept.
    pub(super) async fn obtain(
        &self,
        source: Obtained,
        endpoints: &Endpoints,
        services: &Services,
    ) -> Result<Obtained, CredentialsError> {
        let origin = format!("{} assumed by {}", cut(self.role_arn), source.origin);
        let duration = self.duration.as_secs().to_string();
        let mut form = vec![
            ("RoleArn", self.role_arn),
            (
                "RoleSessionName",
                services.environment.session_name(self.session_name),
            ),
            ("DurationSeconds", &duration),
        ];
        let external_id = self
            .external_id
            .or_else(|| services.environment.get("ALIBABA_CLOUD_EXTERNAL_ID"));
        form.extend(external_id.map(|external_id| ("ExternalId", external_id)));
        form.extend(self.policy.map(|policy| ("Policy", policy)));
        let endpoint = sts::endpoint(endpoints, services).await?;
        let key = Some(&source.credentials);
        let credentials = sts::session(services, &endpoint, &origin, self.role_arn, &form, key).await?;
        Ok(Obtained { credentials, origin })
    }
}
