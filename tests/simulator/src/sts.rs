//! The security token service: AssumeRole, AssumeRoleWithOIDC and GetCallerIdentity.

use serde_json::{Value, json};

use crate::api::Parameters;
use crate::clock::{parse_utc, utc};
use crate::error::{ApiError, documented};
use crate::keys::KnownKey;
use crate::{Cloud, Role};

/// The version of the STS API.
pub(crate) const VERSION: &str = "2015-04-01";

/// A call of STS.
#[derive(Debug)]
pub(crate) struct StsCall<'a> {
    pub(crate) parameters: &'a Parameters,
    pub(crate) request_id: &'a str,
    /// Real unix seconds.
    pub(crate) now: i64,
}

impl StsCall<'_> {
    /// Answers a call whose signature has been checked.
    pub(crate) fn signed(
        &self,
        cloud: &mut Cloud,
        caller: &KnownKey,
        action: &str,
    ) -> Result<Value, ApiError> {
        if cloud.is_denied(&caller.account, action, "") {
            return Err(not_permitted());
        }
        match action {
            "AssumeRole" => self.assume_role(cloud, caller),
            "GetCallerIdentity" => Ok(self.identity(caller, &cloud.account_id(&caller.account))),
            _ => Err(documented("InvalidAction.NotFound")),
        }
    }

    /// AssumeRoleWithOIDC, where the token takes the place of a signature.
    ///
    /// `form` is the body alone: a token in a URL would end up in the logs on its way.
    pub(crate) fn with_oidc(
        &self,
        cloud: &mut Cloud,
        form: &Parameters,
        tolerance: i64,
    ) -> Result<Value, ApiError> {
        if self.parameters.get("Version") != Some(VERSION) {
            return Err(documented("InvalidAction.NotFound"));
        }
        let date = self
            .parameters
            .get("Timestamp")
            .and_then(parse_utc)
            .ok_or_else(|| ApiError::missing("Timestamp"))?;
        if (date - self.now).abs() > tolerance {
            return Err(documented("InvalidTimeStamp.Expired"));
        }
        let token = form
            .get("OIDCToken")
            .ok_or_else(|| ApiError::missing("OIDCToken"))?;
        if !(4..=20_000).contains(&token.len()) {
            return Err(ApiError::invalid("OIDCToken"));
        }
        let provider = self
            .parameters
            .get("OIDCProviderArn")
            .ok_or_else(|| ApiError::missing("OIDCProviderArn"))?;
        let role = self.role(cloud)?;
        if role.oidc_provider.as_deref() != Some(provider) {
            let message = "The specified OIDC Provider does not exist.";
            return Err(ApiError::new(404, "EntityNotExist.OIDCProvider", message));
        }
        if !role.oidc_tokens.iter().any(|good| good == token) {
            let expired = role.expired_oidc_tokens.iter().any(|once| once == token);
            let (reason, message) = if expired {
                ("Expired", "This OIDC token is expired.")
            } else {
                ("Invalid", "This OIDC token is invalid.")
            };
            return Err(ApiError::new(
                400,
                format!("AuthenticationFail.OIDCToken.{reason}"),
                message,
            ));
        }
        self.session(cloud, &role, "AssumeRoleWithOIDC")
    }

    fn assume_role(&self, cloud: &mut Cloud, caller: &KnownKey) -> Result<Value, ApiError> {
        let role = self.role(cloud)?;
        let external_id = self.parameters.get("ExternalId");
        if external_id.is_some_and(|id| !(2..=1_224).contains(&id.len())) {
            return Err(ApiError::invalid("ExternalId"));
        }
        let trusted = role.trusted_accounts.is_empty() || role.trusted_accounts.contains(&caller.account);
        if !trusted
            || role
                .external_id
                .as_deref()
                .is_some_and(|wanted| external_id != Some(wanted))
        {
            return Err(not_permitted());
        }
        self.session(cloud, &role, "AssumeRole")
    }

    fn role(&self, cloud: &Cloud) -> Result<Role, ApiError> {
        let arn = self
            .parameters
            .get("RoleArn")
            .ok_or_else(|| ApiError::missing("RoleArn"))?;
        let role = cloud.roles.get(arn).cloned();
        role.ok_or_else(|| ApiError::new(404, "EntityNotExist.Role", format!("The role not exists: {arn}.")))
    }

    fn session(&self, cloud: &mut Cloud, role: &Role, by: &str) -> Result<Value, ApiError> {
        let name = self
            .parameters
            .get("RoleSessionName")
            .ok_or_else(|| ApiError::missing("RoleSessionName"))?;
        let allowed = |character: char| character.is_ascii_alphanumeric() || ".@_-".contains(character);
        if !(2..=64).contains(&name.len()) || !name.chars().all(allowed) {
            return Err(ApiError::invalid("RoleSessionName"));
        }
        if self
            .parameters
            .get("Policy")
            .is_some_and(|policy| policy.len() > 2_048)
        {
            return Err(ApiError::invalid("Policy"));
        }
        let duration = self
            .parameters
            .get("DurationSeconds")
            .map_or_else(|| Some(3_600.min(role.max_duration)), |text| text.parse().ok());
        let duration = duration.filter(|seconds| (900..=role.max_duration).contains(seconds));
        let duration = duration.ok_or_else(|| ApiError::invalid("DurationSeconds"))?;
        let (key, expires) = cloud.issue_key(&role.account, by, self.now, duration);
        Ok(json!({
            "RequestId": self.request_id,
            "AssumedRoleUser": {
                "Arn": format!("{}/{name}", role.arn.replacen(":role/", ":assumed-role/", 1)),
                "AssumedRoleId": format!("300000000000000001:{name}"),
            },
            "Credentials": {
                "AccessKeyId": key.id,
                "AccessKeySecret": key.secret,
                "SecurityToken": key.security_token,
                "Expiration": utc(expires),
            },
        }))
    }

    fn identity(&self, caller: &KnownKey, account_id: &str) -> Value {
        let kind = if caller.key.security_token.is_some() {
            "AssumedRoleUser"
        } else {
            "RAMUser"
        };
        json!({
            "RequestId": self.request_id,
            "IdentityType": kind,
            "AccountId": account_id,
            "PrincipalId": caller.key.id,
            "UserId": caller.key.id,
            "Arn": format!("acs:ram::{account_id}:user/{}", caller.key.id),
        })
    }
}

fn not_permitted() -> ApiError {
    ApiError::new(
        403,
        "NoPermission",
        "You are not authorized to do this action. You should be authorized by RAM.",
    )
}
