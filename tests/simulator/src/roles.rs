//! Roles, and who may assume them.

use crate::Cloud;

/// A role that gives temporary keys of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `acs:ram::123456789012:role/exporter`.
    pub arn: String,
    /// The account that its keys belong to.
    pub account: String,
    /// Only these accounts may assume it; empty for all.
    pub trusted_accounts: Vec<String>,
    /// Only who knows this may assume it.
    pub external_id: Option<String>,
    /// The longest session in seconds.
    pub max_duration: i64,
    /// The ARN of the provider whose OIDC tokens it takes.
    pub oidc_provider: Option<String>,
    /// The OIDC tokens that it takes, each as the file has it.
    pub oidc_tokens: Vec<String>,
    /// OIDC tokens that it once took.
    pub expired_oidc_tokens: Vec<String>,
}

impl Role {
    /// A role that every account may assume for an hour.
    pub fn new(arn: &str, account: &str) -> Self {
        Self {
            arn: arn.to_owned(),
            account: account.to_owned(),
            trusted_accounts: Vec::new(),
            external_id: None,
            max_duration: 3_600,
            oidc_provider: None,
            oidc_tokens: Vec::new(),
            expired_oidc_tokens: Vec::new(),
        }
    }

    /// Assumed with an OIDC token as well.
    pub fn with_oidc(mut self, provider_arn: &str, token: &str) -> Self {
        self.oidc_provider = Some(provider_arn.to_owned());
        self.oidc_tokens.push(token.to_owned());
        self
    }
}

impl Cloud {
    /// Adds a role, or puts it in place of the one with its ARN.
    pub fn add_role(&mut self, role: Role) {
        self.roles.insert(role.arn.clone(), role);
    }

    /// A role, to change it.
    ///
    /// # Panics
    /// If there is none with this ARN.
    pub fn role_mut(&mut self, arn: &str) -> &mut Role {
        let Some(role) = self.roles.get_mut(arn) else {
            panic!("there is no role {arn}")
        };
        role
    }

    /// From now on an OIDC token is out of date, and this one is good in its place.
    ///
    /// # Panics
    /// If there is no role with this ARN.
    pub fn rotate_oidc_token(&mut self, role_arn: &str, token: &str) {
        let role = self.role_mut(role_arn);
        role.expired_oidc_tokens.append(&mut role.oidc_tokens);
        role.oidc_tokens.push(token.to_owned());
    }
}
