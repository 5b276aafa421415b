//! The credentials of accounts.

use std::time::SystemTime;

use crate::expose::point::{Family, Sink};
use crate::view::Accounts;

const EXPIRY: Family<'_> = Family::gauge(
    "cloud_assistant_exporter_credentials_expiry_timestamp_seconds",
    "When the account's temporary credentials end unless renewed, in Unix time; absent for lasting ones.",
);

const REFRESH_FAILURES: Family<'_> = Family::counter(
    "cloud_assistant_exporter_credentials_refresh_failures",
    "How often the account's credentials could not be had or renewed.",
);

pub(in crate::expose) fn of_accounts(accounts: &Accounts, to: &mut dyn Sink) {
    to.family(&EXPIRY);
    for (account, shown) in accounts {
        if let Some(at) = shown.credentials.expiry {
            let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            to.of(&[("account", &**account)]);
            to.point(&[], at.as_secs().into());
        }
    }
    to.family(&REFRESH_FAILURES);
    for (account, shown) in accounts {
        to.of(&[("account", &**account)]);
        to.point(&[], shown.credentials.refresh_failures.into());
    }
}
