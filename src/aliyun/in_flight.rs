//! How many requests are in flight at once: of the process, of an account, and of the accounts that do not answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::sleep;

use crate::lease::Lease;

/// Of the whole process: what that many answers take in memory is bounded, and a network is not flooded.
const OF_PROCESS: usize = 256;

/// Of all accounts together whose last request was not answered in time. Each of them holds its place for a whole
/// timeout: hundreds of them would otherwise hold all places, and those that answer would wait for one.
const OF_UNANSWERED: usize = OF_PROCESS / 4;

/// Of one account: enough for all its regions, but for hanging ones.
const OF_ACCOUNT: usize = 32;

/// But not fewer, however many accounts there are.
const LEAST_OF_ACCOUNT: usize = 4;

/// How often it is looked whether a lease is held again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The places of the whole process.
#[derive(Debug, Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    unanswered: Arc<Semaphore>,
    /// Without it nothing is asked.
    lease: Option<Lease>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(OF_PROCESS)),
            unanswered: Arc::new(Semaphore::new(OF_UNANSWERED)),
            lease: None,
        }
    }
}

impl Places {
    /// The same places, for as long as a lease is held.
    #[must_use]
    pub fn under(&self, lease: Lease) -> Self {
        Self {
            lease: Some(lease),
            ..self.clone()
        }
    }
}

/// The places of one account among those of the process.
#[derive(Debug)]
pub struct InFlight {
    places: Places,
    account: Semaphore,
    /// Whether the last request that ended was not answered in time.
    unanswered: watch::Sender<bool>,
}

/// A request in flight. Its places are free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    of: &'a InFlight,
    _permits: [Option<SemaphorePermit<'a>>; 3],
}

impl InFlight {
    /// Those of one of so many accounts.
    pub fn new(places: Places, accounts: usize) -> Self {
        Self {
            places,
            account: Semaphore::new(of_one(accounts)),
            unanswered: watch::Sender::new(false),
        }
    }

    /// Waits for a place, in the order of asking. Those that wait behind the accounts that do not answer go on when
    /// theirs has answered again.
    pub(super) async fn enter(&self) -> Place<'_> {
        // The semaphores are never closed, so an error of theirs cannot happen; going on without is harmless.
        let account = self.account.acquire().await.ok();
        let mut flag = self.unanswered.subscribe();
        let unanswered = tokio::select! {
            biased;
            // The sender lives as long as this.
            _ = flag.wait_for(|unanswered| !unanswered) => None,
            place = self.places.unanswered.acquire() => place.ok(),
        };
        let all = self.places.all.acquire().await.ok();
        // Another replica may ask meanwhile. Whoever waits here is about to be stopped, unless the database answers yet.
        while self.places.lease.as_ref().is_some_and(|lease| !lease.is_held()) {
            sleep(LOOK_EVERY).await;
        }
        Place {
            of: self,
            _permits: [account, unanswered, all],
        }
    }
}

impl Place<'_> {
    /// The request has ended.
    pub(super) fn leave(self, answered_in_time: bool) {
        self.of.unanswered.send_if_modified(|unanswered| {
            let before = std::mem::replace(unanswered, !answered_in_time);
            before != *unanswered
        });
    }
}

/// An account's share of the places of the process, so that accounts whose requests all hang leave the others theirs.
fn of_one(accounts: usize) -> usize {
    (OF_PROCESS / accounts.max(1)).clamp(LEAST_OF_ACCOUNT, OF_ACCOUNT)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, timeout};

    use super::*;

    #[test]
    fn accounts_that_hang_leave_the_others_their_share() {
        assert_eq!([1, 8, 20, 1000].map(of_one), [32, 32, 12, 4]);
        for accounts in 1..=64 {
            assert!(of_one(accounts) * accounts <= OF_PROCESS, "{accounts}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_asked_once_the_lease_is_over() {
        let lease = Lease::default();
        let account = InFlight::new(Places::default().under(lease.clone()), 1);
        let enters = async || timeout(Duration::from_secs(60), account.enter()).await.is_ok();
        assert!(!enters().await, "before it is held");
        lease.extend(crate::lease::now() + Duration::from_secs(3600));
        assert!(enters().await);
        lease.end();
        assert!(!enters().await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_lease_is_asked_when_it_is_held_again() {
        let lease = Lease::default();
        lease.extend(Duration::from_nanos(1));
        let account = Arc::new(InFlight::new(Places::default().under(lease.clone()), 1));
        let waiting = tokio::spawn(async move { account.enter().await.leave(true) });
        sleep(Duration::from_secs(60)).await;
        assert!(!waiting.is_finished(), "it has lapsed");
        lease.extend(crate::lease::now() + Duration::from_secs(3600));
        let went_on = timeout(Duration::from_secs(1), waiting).await;
        assert!(went_on.is_ok_and(|task| task.is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn hundreds_of_accounts_that_hang_hold_all_places_once_only() {
        const TIMEOUT: Duration = Duration::from_secs(20);
        let places = Places::default();
        let account = || Arc::new(InFlight::new(places.clone(), 1000));
        for _ in 0..200 {
            let hanging = account();
            for _ in 0..of_one(1000) {
                let hanging = Arc::clone(&hanging);
                tokio::spawn(async move {
                    loop {
                        let place = hanging.enter().await;
                        let answer = timeout(TIMEOUT, pending::<()>()).await;
                        place.leave(answer.is_ok());
                    }
                });
            }
        }
        // By then each of them has hung once: 800 requests, 256 at a time.
        sleep(TIMEOUT * 5).await;
        let fine = account();
        let began = Instant::now();
        for _ in 0..100 {
            let place = fine.enter().await;
            sleep(Duration::from_millis(10)).await;
            place.leave(true);
        }
        assert_eq!(
            began.elapsed(),
            Duration::from_secs(1),
            "one that answers waits for none of them"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_answers_again_waits_no_longer_behind_those_that_do_not() {
        let places = Places::default();
        let hang = || async {
            let hanging = Arc::new(InFlight::new(places.clone(), 1000));
            hanging.enter().await.leave(false);
            // Its next request holds its place for ever.
            tokio::spawn(async move {
                let _place = hanging.enter().await;
                pending::<()>().await;
            });
        };
        for _ in 0..OF_UNANSWERED {
            hang().await;
        }
        let account = Arc::new(InFlight::new(places.clone(), 1000));
        let (slow, lost) = (account.enter().await, account.enter().await);
        lost.leave(false);
        let waiting = tokio::spawn({
            let account = Arc::clone(&account);
            async move { account.enter().await.leave(true) }
        });
        sleep(Duration::from_secs(60)).await;
        assert!(!waiting.is_finished(), "the places of those that hang are taken");
        slow.leave(true);
        let went_on = timeout(Duration::from_secs(1), waiting).await;
        assert!(went_on.is_ok_and(|task| task.is_ok()));
    }
}
