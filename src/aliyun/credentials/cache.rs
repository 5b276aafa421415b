//! Holds the newest credentials of one source, and decides when to ask it for others.
//!
//! Whoever asks for credentials that are due renews them, one at a time, while the others go on with the old ones. Times are those of tokio's clock, against which the end of life is reckoned
//! when credentials arrive, so that a step of the wall clock neither ends nor prolongs them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::error::{CredentialsError, Problem};
use super::files::Files;
use super::{Credentials, Obtained};

/// Between two times of asking a source, whatever came of the first. Failed renewals are tried again within 5 s of
/// use, and a source that fails is not flooded.
const GAP: Duration = Duration::from_secs(3);
/// Renewal begins when this much of a life is left, or a third of it where that is less.
const LONGEST_LEAD: Duration = Duration::from_secs(15 * 60);
/// Renewal begins up to this part of its lead later, so that accounts that began together do not renew together.
const JITTER: f64 = 0.1;
/// How often files are looked at for changes. With the interval of a poll this finds them within 15 s.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// For asking a source: a chain of roles takes several requests of up to 15 s each.
const OBTAIN_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Never locked across an await.
    state: Mutex<State>,
    /// Held by the one that asks the source.
    turn: tokio::sync::Mutex<()>,
    failures: AtomicU64,
    /// Told each time that the source was asked.
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    /// When the source last answered or failed.
    asked: Option<Instant>,
    /// Why it failed, if it did.
    failure: Option<CredentialsError>,
}

#[derive(Debug)]
struct Held {
    credentials: Arc<Credentials>,
    origin: String,
    /// When they stop working, and when to renew them; nothing for those that last.
    life: Option<Life>,
    files: Arc<Files>,
    looked: Instant,
    /// A file has changed since.
    outdated: bool,
}

#[derive(Debug, Clone, Copy)]
struct Life {
    end: Instant,
    renewal: Instant,
}

/// What is held, seen at one moment.
enum Look {
    Nothing,
    Fresh(Arc<Credentials>),
    Due(Arc<Credentials>),
}

/// What a source gives: credentials or an error, and the files it read either way.
type Answer = (Result<Obtained, CredentialsError>, Files);

impl Cache {
    /// Whom to tell each time that the source was asked.
    pub(super) fn tell(&mut self, changed: Arc<Notify>) {
        self.changed = changed;
    }

    pub(super) async fn current<F: Future<Output = Answer>>(
        &self,
        obtain: impl FnOnce() -> F,
    ) -> Result<Arc<Credentials>, CredentialsError> {
        self.look_at_files().await;
        match self.look() {
            Look::Fresh(credentials) => Ok(credentials),
            Look::Due(old) => {
                let Ok(_turn) = self.turn.try_lock() else {
                    return Ok(old);
                };
                if self.next_turn() > Instant::now() {
                    // Another was quicker, or failed a moment ago.
                    return Ok(self.held().unwrap_or(old));
                }
                let failed_before = self.lock().failure.is_some();
                match self.ask(obtain).await {
                    Ok(new) => Ok(new),
                    Err(error) => {
                        // It is tried every few seconds, and the counter tells how often.
                        if failed_before {
                            tracing::debug!(%error, "credentials could still not be renewed");
                        } else {
                            tracing::warn!(%error, "credentials could not be renewed; the old ones are used while they last");
                        }
                        Ok(old)
                    }
                }
            }
            Look::Nothing => {
                let _turn = self.turn.lock().await;
                if let Look::Fresh(credentials) | Look::Due(credentials) = self.look() {
                    return Ok(credentials);
                }
                if self.next_turn() > Instant::now()
                    && let Some(error) = self.lock().failure.clone()
                {
                    return Err(error);
                }
                self.ask(obtain).await
            }
        }
    }

    pub(super) async fn renew<F: Future<Output = Answer>>(
        &self,
        refused: &Credentials,
        obtain: impl FnOnce() -> F,
    ) -> Result<Arc<Credentials>, CredentialsError> {
        let called = Instant::now();
        let _turn = self.turn.lock().await;
        if let Some(held) = self.held().filter(|held| **held != *refused) {
            return Ok(held);
        }
        // A source that gives the same again need not be asked by each of those who waited for the turn: every scope
        // of an account would wait for all others.
        let answered = {
            let state = self.lock();
            state
                .asked
                .filter(|asked| *asked > called)
                .map(|_| state.failure.clone())
        };
        match answered {
            Some(Some(error)) => return Err(error),
            Some(None) => {
                if let Some(held) = self.held() {
                    return Ok(held);
                }
            }
            None => {}
        }
        // Waiting keeps the request that was refused alive, where failing would lose its poll.
        sleep_until(self.next_turn()).await;
        self.ask(obtain).await
    }

    /// Whether asking would give others than these: others are held, or a file has changed.
    pub(super) async fn is_replaced(&self, refused: &Credentials) -> bool {
        let files = match &self.lock().held {
            Some(held) if *held.credentials == *refused => Arc::clone(&held.files),
            held => return held.is_some(),
        };
        files.changed().await
    }

    pub(super) fn is_held(&self) -> bool {
        self.lock().held.is_some()
    }

    pub(super) fn expiry(&self) -> Option<SystemTime> {
        self.lock()
            .held
            .as_ref()
            .and_then(|held| held.credentials.expiration)
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(super) fn origin(&self) -> Option<String> {
        self.lock().held.as_ref().map(|held| held.origin.clone())
    }

    /// Asks the source, and keeps what it gives. Only with the turn.
    async fn ask<F: Future<Output = Answer>>(
        &self,
        obtain: impl FnOnce() -> F,
    ) -> Result<Arc<Credentials>, CredentialsError> {
        let (obtained, files) = timeout(OBTAIN_TIMEOUT, obtain()).await.unwrap_or_else(|_| {
            let error = CredentialsError {
                origin: String::from("credentials"),
                problem: Problem::Unreachable {
                    host: String::from("what hands them out"),
                    cause: String::from("timed out"),
                },
                advice: String::from("check that this host can reach STS and the metadata service"),
            };
            (Err(error), Files::default())
        });
        let now = Instant::now();
        let held = obtained.and_then(|obtained| Held::new(obtained, files, now, SystemTime::now()));
        let answered = {
            let mut state = self.lock();
            state.asked = Some(now);
            match held {
                Ok(held) => {
                    let credentials = Arc::clone(&held.credentials);
                    state.held = Some(held);
                    state.failure = None;
                    Ok(credentials)
                }
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    state.failure = Some(error.clone());
                    Err(error)
                }
            }
        };
        self.changed.notify_one();
        answered
    }

    fn look(&self) -> Look {
        let now = Instant::now();
        match &self.lock().held {
            Some(held) if held.life.is_none_or(|life| now < life.end) => {
                let due = held.outdated || held.life.is_some_and(|life| now >= life.renewal);
                let credentials = Arc::clone(&held.credentials);
                if due {
                    Look::Due(credentials)
                } else {
                    Look::Fresh(credentials)
                }
            }
            _ => Look::Nothing,
        }
    }

    /// Looks whether a file has changed, where that was not done just now.
    async fn look_at_files(&self) {
        let now = Instant::now();
        let files = match &mut self.lock().held {
            Some(held) if !held.files.is_empty() && now >= held.looked + LOOK_INTERVAL => {
                held.looked = now;
                Arc::clone(&held.files)
            }
            _ => return,
        };
        if files.changed().await
            && let Some(held) = &mut self.lock().held
            && Arc::ptr_eq(&held.files, &files)
        {
            held.outdated = true;
        }
    }

    fn held(&self) -> Option<Arc<Credentials>> {
        self.lock()
            .held
            .as_ref()
            .map(|held| Arc::clone(&held.credentials))
    }

    /// When the source may be asked again.
    fn next_turn(&self) -> Instant {
        self.lock().asked.map_or_else(Instant::now, |asked| asked + GAP)
    }

    /// The state is whole between any two statements that hold the lock, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn new(
        obtained: Obtained,
        files: Files,
        now: Instant,
        wall: SystemTime,
    ) -> Result<Self, CredentialsError> {
        let life = match obtained.credentials.expiration {
            None => None,
            Some(expiration) => match expiration.duration_since(wall) {
                Ok(left) if !left.is_zero() => Some(Life::new(now, left)),
                _ => {
                    return Err(CredentialsError {
                        origin: obtained.origin,
                        problem: Problem::Malformed(String::from("these credentials have expired already")),
                        advice: String::from("check the clock of this host, and what hands them out"),
                    });
                }
            },
        };
        Ok(Self {
            credentials: Arc::new(obtained.credentials),
            origin: obtained.origin,
            life,
            files: Arc::new(files),
            looked: now,
            outdated: false,
        })
    }
}

impl Life {
    fn new(now: Instant, left: Duration) -> Self {
        // Ten years are as good as forever, and can be added to any instant.
        let left = left.min(Duration::from_secs(10 * 365 * 24 * 60 * 60));
        let lead = (left / 3)
            .min(LONGEST_LEAD)
            .mul_f64(1.0 - JITTER * fastrand::f64());
        Self {
            end: now + left,
            renewal: now + left - lead,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::time::advance;

    use super::*;
    use crate::secret::Secret;

    fn error() -> CredentialsError {
        CredentialsError::broken("source", "is out of order", "mend it")
    }

    /// The `number`th credentials, which live for a while or for good.
    fn obtained(number: u32, life: Option<Duration>) -> Obtained {
        let credentials = Credentials {
            access_key_id: number.to_string(),
            access_key_secret: Secret::new("hunter2"),
            security_token: None,
            expiration: life.map(|life| SystemTime::now() + life),
        };
        Obtained {
            credentials,
            origin: String::from("test"),
        }
    }

    /// A source that counts how often it is asked, and can be out of order.
    struct Counter {
        asked: Cell<u32>,
        broken: Cell<bool>,
        life: Option<Duration>,
    }

    impl Counter {
        fn new(life: Option<Duration>) -> Self {
            Self {
                asked: Cell::new(0),
                broken: Cell::new(false),
                life,
            }
        }

        fn ask(&self) -> Answer {
            self.asked.set(self.asked.get() + 1);
            let result = if self.broken.get() {
                Err(error())
            } else {
                Ok(obtained(self.asked.get(), self.life))
            };
            (result, Files::default())
        }

        async fn current(&self, cache: &Cache) -> Result<String, CredentialsError> {
            let credentials = cache.current(|| ready(self.ask())).await?;
            Ok(credentials.access_key_id.clone())
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    async fn advance_to(start: Instant, offset: Duration) {
        advance(start + offset - Instant::now()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn renews_when_a_quarter_of_an_hour_is_left() {
        let (cache, source) = (Cache::default(), Counter::new(Some(HOUR)));
        let start = Instant::now();
        assert_eq!(source.current(&cache).await.unwrap(), "1");
        advance_to(start, Duration::from_secs(44 * 60)).await;
        assert_eq!(source.current(&cache).await.unwrap(), "1");
        // 15 minutes before the end, or up to a tenth of that later.
        advance_to(start, Duration::from_secs(46 * 60 + 31)).await;
        assert_eq!(source.current(&cache).await.unwrap(), "2");
        assert_eq!(source.current(&cache).await.unwrap(), "2");
        assert!(cache.expiry().is_some());
        assert_eq!(cache.failures(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn tells_of_each_answer_of_its_source_and_of_each_failure() {
        let (mut cache, source) = (Cache::default(), Counter::new(None));
        let changed = Arc::new(Notify::new());
        cache.tell(Arc::clone(&changed));
        let is_told = || {
            let told = pin!(changed.notified());
            told.poll(&mut Context::from_waker(Waker::noop())).is_ready()
        };
        assert!(!is_told());
        source.broken.set(true);
        source.current(&cache).await.unwrap_err();
        assert_eq!((is_told(), cache.failures()), (true, 1));
        source.broken.set(false);
        advance(GAP).await;
        source.current(&cache).await.unwrap();
        assert!(is_told());
        source.current(&cache).await.unwrap();
        assert!(!is_told(), "nothing was asked for");
    }

    #[tokio::test(start_paused = true)]
    async fn renews_short_lives_when_a_third_is_left() {
        let (cache, source) = (Cache::default(), Counter::new(Some(Duration::from_secs(90))));
        let start = Instant::now();
        assert_eq!(source.current(&cache).await.unwrap(), "1");
        advance_to(start, Duration::from_secs(59)).await;
        assert_eq!(source.current(&cache).await.unwrap(), "1");
        advance_to(start, Duration::from_secs(64)).await;
        assert_eq!(source.current(&cache).await.unwrap(), "2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_renewal_keeps_the_old_ones_until_they_end() {
        let (cache, source) = (Cache::default(), Counter::new(Some(HOUR)));
        let start = Instant::now();
        assert_eq!(source.current(&cache).await.unwrap(), "1");
        source.broken.set(true);
        advance_to(start, Duration::from_secs(50 * 60)).await;
        assert_eq!(source.current(&cache).await.unwrap(), "1");
        assert_eq!((source.asked.get(), cache.failures()), (2, 1));
        // Not again at once, but within 5 s.
        advance(Duration::from_secs(2)).await;
        assert_eq!(source.current(&cache).await.unwrap(), "1");
        assert_eq!(source.asked.get(), 2);
        advance(Duration::from_secs(2)).await;
        assert_eq!(source.current(&cache).await.unwrap(), "1");
        assert_eq!((source.asked.get(), cache.failures()), (3, 2));
        // At their end the error is told, and repeated for a while without asking.
        advance_to(start, HOUR + Duration::from_secs(1)).await;
        assert_eq!(source.current(&cache).await.unwrap_err(), error());
        assert_eq!(source.current(&cache).await.unwrap_err(), error());
        assert_eq!(source.asked.get(), 4);
        source.broken.set(false);
        advance(GAP).await;
        assert_eq!(source.current(&cache).await.unwrap(), "5");
        assert_eq!(cache.failures(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn one_renews_while_the_others_go_on() {
        let cache = Cache::default();
        let asked = Cell::new(0);
        let slow = || async {
            asked.set(asked.get() + 1);
            let number = asked.get();
            sleep_until(Instant::now() + Duration::from_secs(1)).await;
            (Ok(obtained(number, Some(HOUR))), Files::default())
        };
        // With none held, all wait for the one that asks.
        let (first, second) = tokio::join!(cache.current(slow), cache.current(slow));
        assert_eq!(
            (
                first.unwrap().access_key_id.as_str(),
                second.unwrap().access_key_id.as_str()
            ),
            ("1", "1")
        );
        advance(Duration::from_secs(50 * 60)).await;
        let (first, second) = tokio::join!(cache.current(slow), cache.current(slow));
        assert_eq!(
            (
                first.unwrap().access_key_id.as_str(),
                second.unwrap().access_key_id.as_str()
            ),
            ("2", "1")
        );
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_is_abandoned_leaves_the_turn_to_another() {
        let (cache, source) = (Cache::default(), Counter::new(Some(HOUR)));
        let never = || std::future::pending::<Answer>();
        assert!(
            timeout(Duration::from_secs(1), cache.current(never))
                .await
                .is_err()
        );
        assert_eq!(source.current(&cache).await.unwrap(), "1");
        // One that nobody abandons ends by itself.
        advance(HOUR).await;
        let error = cache.current(never).await.unwrap_err();
        assert!(error.to_string().contains("timed out"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_are_renewed_once_for_all_callers() {
        let (cache, source) = (Cache::default(), Counter::new(Some(HOUR)));
        source.current(&cache).await.unwrap();
        let refused = cache.held().unwrap();
        let start = Instant::now();
        let renew = || cache.renew(&refused, || ready(source.ask()));
        let (first, second) = tokio::join!(renew(), renew());
        assert_eq!(
            (
                first.unwrap().access_key_id.as_str(),
                second.unwrap().access_key_id.as_str()
            ),
            ("2", "2")
        );
        assert_eq!(source.asked.get(), 2);
        // They had been obtained just before, so the source was left alone for a moment.
        assert_eq!(start.elapsed(), GAP);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_gives_the_same_again_is_asked_once_for_all_who_wait() {
        let cache = Cache::default();
        let asked = Cell::new(0);
        let same = || {
            asked.set(asked.get() + 1);
            ready((Ok(obtained(7, None)), Files::default()))
        };
        let refused = cache.current(same).await.unwrap();
        let start = Instant::now();
        let renew = || cache.renew(&refused, same);
        let (one, two, three) = tokio::join!(renew(), renew(), renew());
        assert!(
            [one, two, three]
                .into_iter()
                .all(|renewed| renewed.unwrap() == refused)
        );
        assert_eq!((asked.get(), start.elapsed()), (2, GAP));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_key_is_replaced_when_its_file_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "one").unwrap();
        let cache = Cache::default();
        let read = async || {
            let mut files = Files::default();
            let mut obtained = obtained(1, None);
            obtained.credentials.access_key_id = files.read(&path).await.unwrap();
            (Ok(obtained), files)
        };
        let refused = cache.current(read).await.unwrap();
        assert!(!cache.is_replaced(&refused).await);
        std::fs::write(&path, "two").unwrap();
        assert!(cache.is_replaced(&refused).await);
        assert_eq!(cache.renew(&refused, read).await.unwrap().access_key_id, "two");
        assert!(cache.is_replaced(&refused).await, "others are held");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_key_that_cannot_be_renewed_is_an_error() {
        let (cache, source) = (Cache::default(), Counter::new(None));
        source.current(&cache).await.unwrap();
        let refused = cache.held().unwrap();
        source.broken.set(true);
        assert_eq!(
            cache.renew(&refused, || ready(source.ask())).await.unwrap_err(),
            error()
        );
        // The key may still be good for what comes next.
        assert_eq!(source.current(&cache).await.unwrap(), "1");
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_have_expired_are_not_taken() {
        let cache = Cache::default();
        let mut expired = obtained(1, None);
        expired.credentials.expiration = Some(SystemTime::now() - Duration::from_secs(1));
        let error = cache
            .current(|| ready((Ok(expired), Files::default())))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "test: the answer is not usable: these credentials have expired already; check the clock of this host, \
             and what hands them out"
        );
        assert_eq!(cache.failures(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_picked_up_within_15_seconds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let cache = Cache::default();
        let read = async || {
            let mut files = Files::default();
            let text = files.read(&path).await;
            let result = text.map_err(|_| error()).map(|text| {
                let mut obtained = obtained(0, None);
                obtained.credentials.access_key_id = text;
                obtained
            });
            (result, files)
        };
        let current = async || cache.current(read).await.unwrap().access_key_id.clone();
        std::fs::write(&path, "old").unwrap();
        assert_eq!(current().await, "old");
        std::fs::write(&path, "new").unwrap();
        advance(LOOK_INTERVAL).await;
        assert_eq!(current().await, "new");
        // A file that is away for a moment does no harm, and its return is found.
        std::fs::remove_file(&path).unwrap();
        advance(LOOK_INTERVAL).await;
        assert_eq!(current().await, "new");
        assert_eq!(cache.failures(), 1);
        std::fs::write(&path, "newer").unwrap();
        advance(GAP).await;
        assert_eq!(current().await, "newer");
    }
}
