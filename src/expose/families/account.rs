//! The credentials of accounts.

use std::time::SystemTime;

use crate::expose::point::{Family, Sink};
use crate::view::{Accounts, CredentialsView};

const EXPIRY: Family<'_> = Family::gauge(
    "cloud_assistant_exporter_credentials_expiry_timestamp_seconds",
    "When the account's temporary credentials end unless renewed, in Unix time; absent for lasting ones.",
);

const REFRESH_FAILURES: Family<'_> = Family::counter(
    "cloud_assistant_exporter_credentials_refresh_failures",
    "How often the account's credentials could not be had or renewed.",
);

/// Gives their families; those without points are left out.
pub(in crate::expose) fn of_accounts(accounts: &Accounts, to: &mut dyn Sink) {
    let expiry = |credentials: CredentialsView| {
        let at = credentials.expiry?.duration_since(SystemTime::UNIX_EPOCH);
        Some(at.unwrap_or_default().as_secs())
    };
    family(&EXPIRY, accounts, expiry, to);
    family(
        &REFRESH_FAILURES,
        accounts,
        |credentials| Some(credentials.refresh_failures),
        to,
    );
}

fn family(
    family: &Family<'_>,
    accounts: &Accounts,
    value: impl Fn(CredentialsView) -> Option<u64>,
    to: &mut dyn Sink,
) {
    let values = accounts.iter();
    let mut values = values
        .filter_map(|(account, shown)| Some((account, value(shown.credentials)?)))
        .peekable();
    if values.peek().is_some() {
        to.family(family);
    }
    for (account, value) in values {
        to.of(&[("account", &**account)]);
        to.point(&[], value.into());
    }
}
