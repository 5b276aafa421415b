//! Which failures of what is tried again and again are worth a line of the log: changes, and a reminder now and then.

use std::time::Duration;

use tokio::time::Instant;

use crate::requests::Reason;
use crate::view::Failed;

/// How often it is said again that something still fails.
const REMIND_EVERY: Duration = Duration::from_secs(3600);

/// What the log has been told of something that fails: the polls of a scope, the discovery of an account.
#[derive(Debug, Default)]
pub struct Telling {
    told: Option<Told>,
}

#[derive(Debug)]
struct Told {
    reason: Reason,
    code: Option<String>,
    /// When that was.
    at: Instant,
    /// Tries that have failed in a row.
    tries: u64,
}

/// What is to be said of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It fails, or fails for another reason.
    Fails,
    /// It still fails, after so many tries.
    StillFails(u64),
    /// Nothing that has not been said.
    None,
}

impl Telling {
    /// A try has failed.
    pub fn failed(&mut self, failed: &Failed, now: Instant) -> News {
        let tries = self.told.as_ref().map_or(0, |told| told.tries) + 1;
        if let Some(told) = &mut self.told
            && (told.reason, &told.code) == (failed.reason, &failed.code)
        {
            told.tries = tries;
            if now.duration_since(told.at) < REMIND_EVERY {
                return News::None;
            }
            told.at = now;
            return News::StillFails(tries);
        }
        self.told = Some(Told {
            reason: failed.reason,
            code: failed.code.clone(),
            at: now,
            tries,
        });
        News::Fails
    }

    /// A try has succeeded; how many had failed before it.
    pub fn succeeded(&mut self) -> Option<u64> {
        self.told.take().map(|told| told.tries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn changes_are_told_and_what_lasts_once_an_hour() {
        let failed = |reason, code: &str| Failed {
            at: 1,
            reason,
            what: "status 403".to_owned(),
            code: Some(code.to_owned()),
            request_id: Some(format!("{code}-1")),
        };
        let mut telling = Telling::default();
        let begin = Instant::now();
        let denied = failed(Reason::Denied, "Forbidden.RAM");
        assert_eq!(telling.succeeded(), None);
        assert_eq!(telling.failed(&denied, begin), News::Fails);
        let minutes = |number| begin + Duration::from_secs(60 * number);
        let told: Vec<u64> = (1..=125)
            .filter(|minute| telling.failed(&denied, minutes(*minute)) != News::None)
            .collect();
        assert_eq!(told, [60, 120]);
        assert_eq!(telling.failed(&denied, minutes(180)), News::StillFails(127));
        let other = failed(Reason::Denied, "InvalidAccessKeyId.NotFound");
        assert_eq!(telling.failed(&other, minutes(181)), News::Fails);
        assert_eq!(telling.succeeded(), Some(128));
        assert_eq!(telling.failed(&other, minutes(182)), News::Fails);
    }
}
