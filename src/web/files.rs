//! Files that are read again when they change.
//!
//! The exporter-toolkit reads its files for every request and every handshake. Here they are looked at as often, but
//! read only when one of them is another than before, which to a client is the same.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};

use crate::regular_file::Seen;

/// Files that are not good are looked at again for so long before anybody is refused: certificate and key cannot be
/// replaced at the same instant, and a file that is written in place is cut off for a moment.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long one look may take, the moment to become good included.
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// Between two looks at them.
const PAUSE: Duration = Duration::from_millis(25);

/// Reads files, and remembers what each looked like before.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    seen: Vec<Seen>,
}

impl Reader {
    /// The bytes of a file. Errors do not name it.
    pub(crate) fn read(&mut self, path: &Path, longest: u64) -> io::Result<Vec<u8>> {
        let (bytes, seen) = Seen::read(path, longest);
        self.seen.push(seen);
        bytes
    }
}

/// Makes a value out of files; the error is a reason to show.
type Load<T> = Box<dyn Fn(&mut Reader) -> Result<Arc<T>, String> + Send + Sync>;

/// A value that follows its files.
pub(crate) struct Live<T> {
    followed: Arc<Followed<T>>,
    /// What was answered last, for when the files do not.
    known: ArcSwapOption<T>,
    /// A look has not ended in time.
    is_overdue: AtomicBool,
}

struct Followed<T> {
    load: Load<T>,
    /// Held during a look: a second one would only do the same work again.
    last: Arc<Mutex<Option<Last<T>>>>,
    what: &'static str,
}

/// The last value, and what it was made of.
struct Last<T> {
    seen: Vec<Seen>,
    value: Result<Arc<T>, String>,
    failing_since: Option<Instant>,
    /// The error that was logged.
    told: Option<String>,
}

/// The files are not good, but may be in a moment.
struct NotYet;

impl<T: Send + Sync + 'static> Live<T> {
    /// `what` names the value in logs.
    pub(crate) fn new(
        what: &'static str,
        load: impl Fn(&mut Reader) -> Result<Arc<T>, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            followed: Arc::new(Followed {
                load: Box::new(load),
                last: Arc::default(),
                what,
            }),
            known: ArcSwapOption::empty(),
            is_overdue: AtomicBool::new(false),
        }
    }

    /// The value as the files say now; none, which is logged once, when they are not good and stay so.
    ///
    /// Where the files can be neither read nor said to be wrong, because their file system does not answer, it is
    /// the value of before.
    pub(crate) async fn get(&self) -> Option<Arc<T>> {
        let deadline = Instant::now() + LONGEST_LOOK;
        loop {
            let look = async {
                let last = Arc::clone(&self.followed.last);
                let last = match self.is_overdue.load(Ordering::Relaxed) {
                    true => last.try_lock_owned().ok()?,
                    false => last.lock_owned().await,
                };
                self.is_overdue.store(false, Ordering::Relaxed);
                Some(self.followed.look(last).await)
            };
            match timeout_at(deadline, look).await {
                Ok(Some(Ok(value))) => {
                    self.known.store(value.clone());
                    return value;
                }
                Ok(Some(Err(NotYet))) => sleep(PAUSE).await,
                Ok(None) => return self.known.load_full(),
                Err(_) => {
                    if !self.is_overdue.swap(true, Ordering::Relaxed) {
                        let what = self.followed.what;
                        tracing::error!(
                            "the files of {what} cannot be looked at; it stays as it was until they can"
                        );
                    }
                    return self.known.load_full();
                }
            }
        }
    }
}

impl<T: Send + Sync + 'static> Followed<T> {
    /// One look, off the async threads. Should it never end, it keeps the lock, so that there is one at most.
    async fn look(
        self: &Arc<Self>,
        mut kept: OwnedMutexGuard<Option<Last<T>>>,
    ) -> Result<Option<Arc<T>>, NotYet> {
        let followed = Arc::clone(self);
        let looked = spawn_blocking(move || {
            let last = match kept.take() {
                Some(current) if !current.seen.iter().any(Seen::is_touched) => current,
                previous => followed.reload(previous),
            };
            (last, kept)
        });
        match looked.await {
            Ok((last, mut kept)) => self.answer(kept.insert(last)),
            // It has panicked, or the process ends.
            Err(_) => Ok(None),
        }
    }

    fn answer(&self, last: &mut Last<T>) -> Result<Option<Arc<T>>, NotYet> {
        match (&last.value, last.failing_since) {
            (Err(_), Some(since)) if since.elapsed() < PATIENCE => Err(NotYet),
            (Err(reason), _) => {
                if last.told.as_ref() != Some(reason) {
                    tracing::error!(reason, "{} is not usable; refusing until it is", self.what);
                    last.told = Some(reason.clone());
                }
                Ok(None)
            }
            (Ok(value), _) => {
                if last.told.take().is_some() {
                    tracing::info!("{} is usable again", self.what);
                }
                Ok(Some(Arc::clone(value)))
            }
        }
    }

    fn reload(&self, previous: Option<Last<T>>) -> Last<T> {
        let mut reader = Reader::default();
        let value = (self.load)(&mut reader);
        let (failing_since, told) = previous.map_or((None, None), |last| (last.failing_since, last.told));
        let failing_since = value.is_err().then(|| failing_since.unwrap_or_else(Instant::now));
        Last {
            seen: reader.seen,
            value,
            failing_since,
            told,
        }
    }
}

impl<T> std::fmt::Debug for Live<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Live")
            .field("what", &self.followed.what)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bad_file_has_a_moment_to_become_good() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        let live = Live::new("the test", move |reader| {
            let text = reader.read(&path, 100).map_err(|error| error.to_string())?;
            if text.is_empty() {
                Err("empty".to_owned())
            } else {
                Ok(Arc::new(text))
            }
        });
        let start = Instant::now();
        assert_eq!(live.get().await, None);
        assert!(start.elapsed() >= PATIENCE);
        let start = Instant::now();
        assert_eq!(live.get().await, None);
        assert_eq!(start.elapsed(), Duration::ZERO, "it had its moment");
        fs::write(file.path(), "good").unwrap();
        assert_eq!(live.get().await.as_deref(), Some(&b"good".to_vec()));
        fs::write(file.path(), "x".repeat(101)).unwrap();
        assert_eq!(live.get().await, None, "too long");
    }
    #[tokio::test]
    async fn files_that_do_not_answer_leave_the_value_of_before() {
        let (may_go_on, answers) = std::sync::mpsc::channel();
        let answers = std::sync::Mutex::new(answers);
        let live = Live::new("the test", move |_| {
            let answered: Result<u32, _> = answers.lock().unwrap().recv();
            answered.map(Arc::new).map_err(|error| error.to_string())
        });
        // The value has no files, so it would be kept as it is for ever.
        let forget = async || *live.followed.last.lock().await = None;
        may_go_on.send(1).unwrap();
        assert_eq!(live.get().await.as_deref(), Some(&1));

        forget().await;
        let start = Instant::now();
        assert_eq!(live.get().await.as_deref(), Some(&1));
        assert!(start.elapsed() >= LONGEST_LOOK);
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(live.get().await.as_deref(), Some(&1));
        }
        assert!(start.elapsed() < LONGEST_LOOK, "waited for once");

        may_go_on.send(2).unwrap();
        forget().await;
        may_go_on.send(3).unwrap();
        assert_eq!(live.get().await.as_deref(), Some(&3), "followed again");
    }
}
