//! What the official credentials package is compared with the exporter in: an account for each way to get a key.

use crate::{AccessKey, Clock, Cloud, Role, unix_now};

/// The cloud that `tests/sdk/test_credentials.py` knows.
///
/// The accounts `environment`, `cli`, `ini` and `base` have a key that lasts, `NAME-key` with `NAME-secret`; those of
/// `role`, `chained`, `oidc`, `node` and `uri` are temporary, from roles, the metadata service and a credentials URI.
pub fn credentials() -> Cloud {
    let mut cloud = Cloud::new(Clock::Manual(unix_now()));
    for name in [
        "environment",
        "cli",
        "ini",
        "base",
        "role",
        "chained",
        "oidc",
        "node",
        "uri",
    ] {
        cloud.add_account(
            name,
            AccessKey::new(&format!("{name}-key"), &format!("{name}-secret")),
        );
        cloud.region(name, "cn-hangzhou");
    }
    cloud.add_account(
        "environment",
        AccessKey::with_token("STS.environment", "environment-secret", "environment-token"),
    );
    cloud.add_account("cli", AccessKey::with_token("STS.cli", "cli-secret", "cli-token"));
    for name in ["role", "chained", "oidc"] {
        let role = Role::new(&format!("acs:ram::123456789012:role/{name}"), name);
        cloud.add_role(role.with_oidc("acs:ram::123456789012:oidc-provider/rrsa", "oidc-token"));
    }
    cloud.metadata.role = Some(("node-role".to_owned(), "node".to_owned()));
    cloud.serve_credentials("/credentials/uri", "uri");
    cloud
}
