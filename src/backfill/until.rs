//! Where the files end and the live counters begin.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::record::PastResult;
use crate::result::Seconds;
use crate::scope::Scope;
use crate::timestamp;

/// The join of one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The reading was the exporter's own first look, which ended then: what it has shown settled is in no counter, and
    /// whatever settles later will be.
    OwnLook(Seconds),
    /// Another look began then, of which only that is known: what ended before, by its own time, is in no counter.
    Time(Seconds),
}

/// What becomes of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It belongs into the files, with this time.
    At(Seconds),
    /// It belongs there, and nobody knows when it ended.
    Undated,
    /// The live counters have it.
    Live,
}

impl Until {
    /// The end of the files.
    pub fn at(self) -> Seconds {
        match self {
            Self::OwnLook(at) | Self::Time(at) => at,
        }
    }

    /// Where a result belongs.
    pub fn place(self, result: &PastResult) -> Place {
        match (self, result.time) {
            (Self::OwnLook(_), _) if result.counted => Place::Live,
            (_, None) => Place::Undated,
            // Its clock is ahead of ours: it had settled all the same.
            (Self::OwnLook(at), Some(time)) => Place::At(time.min(at)),
            (Self::Time(at), Some(time)) if time > at => Place::Live,
            (Self::Time(_), Some(time)) => Place::At(time),
        }
    }
}

/// What a running exporter says of its first looks.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Looks {
    /// When they began.
    pub began: BTreeMap<Scope, Seconds>,
    /// Regions that it has found, and whose API does not know Cloud Assistant: there is no look.
    pub set_aside: BTreeSet<Scope>,
}

/// The first looks of a running exporter, by its answer at `/api/v1/status`.
///
/// # Errors
/// When it is none.
pub fn of_status(body: &[u8]) -> Result<Looks, String> {
    #[derive(Deserialize)]
    struct Status {
        accounts: Vec<OfAccount>,
        scopes: Vec<Of>,
    }
    #[derive(Deserialize)]
    struct OfAccount {
        account: String,
        regions_set_aside: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Of {
        account: String,
        region_id: String,
        first_look_at: Option<String>,
    }
    let status: Status = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let began = status.scopes.into_iter().filter_map(|of| {
        let at = timestamp::parse(of.first_look_at.as_deref()?)?;
        Some((Scope::new(&of.account, &of.region_id), at.get()))
    });
    let set_aside = status.accounts.iter().flat_map(|of| {
        let regions = of.regions_set_aside.iter();
        regions.map(|region_id| Scope::new(&of.account, region_id))
    });
    Ok(Looks {
        began: began.collect(),
        set_aside: set_aside.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_live_counters_have_is_not_in_the_files() {
        let result = |time, counted| PastResult {
            class: 0,
            time,
            duration: None,
            counted,
        };
        let table = [
            (Until::OwnLook(100), result(Some(90), false), Place::At(90)),
            (Until::OwnLook(100), result(Some(130), false), Place::At(100)),
            (Until::OwnLook(100), result(Some(90), true), Place::Live),
            (Until::OwnLook(100), result(None, false), Place::Undated),
            (Until::Time(100), result(Some(100), false), Place::At(100)),
            (Until::Time(100), result(Some(101), false), Place::Live),
            // That record was thrown away.
            (Until::Time(100), result(Some(99), true), Place::At(99)),
            (Until::Time(100), result(None, true), Place::Undated),
        ];
        for (until, result, place) in table {
            assert_eq!(until.place(&result), place, "{until:?} {result:?}");
        }
    }

    #[test]
    fn first_looks_of_a_status() {
        let body = br#"{"now": "x", "accounts": [{"account": "a", "regions_set_aside": ["t"]}], "scopes": [
            {"account": "a", "region_id": "r", "first_look_at": "2026-01-02T03:04:05Z", "state": "up"},
            {"account": "a", "region_id": "s", "first_look_at": null}]}"#;
        let looks = of_status(body).unwrap();
        assert_eq!(
            looks.began,
            BTreeMap::from([(Scope::new("a", "r"), 1_767_323_045)])
        );
        assert_eq!(looks.set_aside, BTreeSet::from([Scope::new("a", "t")]));
        assert!(of_status(b"<html>").is_err());
    }
}
