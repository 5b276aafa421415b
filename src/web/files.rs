//! Files that are read again when they change.
//!
//! The exporter-toolkit reads its files for every request and every handshake. Here they are looked at as often, but
//! read only when one of them is another than before, which to a client is the same.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

use crate::regular_file;

/// A file that was changed so shortly before it was read may have changed again within the same tick of the clock
/// of its file system, so it is read at the next look too.
const RACY: Duration = Duration::from_secs(1);
/// Files that are not good are looked at again for so long before anybody is refused: certificate and key cannot be
/// replaced at the same instant, and a file that is written in place is cut off for a moment.
const PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks at them.
const PAUSE: Duration = Duration::from_millis(25);

/// Reads files, and remembers what each looked like before.
#[derive(Debug, Default)]
pub(super) struct Reader {
    seen: Vec<(PathBuf, Option<Stamp>)>,
}

impl Reader {
    /// The bytes of a file. Errors do not name it.
    pub(super) fn read(&mut self, path: &Path, longest: u64) -> io::Result<Vec<u8>> {
        self.seen.push((path.to_owned(), Stamp::of(path)));
        regular_file::read(path, longest)
    }
}

/// What is remembered of a file; another stamp means other contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds: of the contents, which tools can set back, and of the inode, which they cannot.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|found| Self::new(&found))
    }

    fn new(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    fn is_racy(&self, read_at: SystemTime) -> bool {
        let changed = Duration::from_secs(self.changed.0.max(0).unsigned_abs());
        read_at
            .duration_since(UNIX_EPOCH + changed)
            .map_or(true, |age| age <= RACY + Duration::from_secs(1))
    }
}

/// Makes a value out of files; the error is a reason to show.
type Load<T> = Box<dyn Fn(&mut Reader) -> Result<Arc<T>, String> + Send + Sync>;

/// A value that follows its files.
pub(super) struct Live<T> {
    load: Load<T>,
    last: Mutex<Option<Last<T>>>,
    what: &'static str,
}

/// The last value, and what it was made of.
struct Last<T> {
    seen: Vec<(PathBuf, Option<Stamp>)>,
    read_at: SystemTime,
    value: Result<Arc<T>, String>,
    failing_since: Option<Instant>,
    /// The error that was logged.
    told: Option<String>,
}

impl<T> Live<T> {
    /// `what` names the value in logs.
    pub(super) fn new(
        what: &'static str,
        load: impl Fn(&mut Reader) -> Result<Arc<T>, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            load: Box::new(load),
            last: Mutex::new(None),
            what,
        }
    }

    /// The value as the files say now; none, which is logged once, when they are not good and stay so.
    pub(super) async fn get(&self) -> Option<Arc<T>> {
        loop {
            if let Some(settled) = self.look() {
                return settled;
            }
            sleep(PAUSE).await;
        }
    }

    /// One look; none when the files are not good, but may be in a moment.
    fn look(&self) -> Option<Option<Arc<T>>> {
        // Held while a few small files are read. A second reader would only do the same work again.
        let mut kept = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = match kept.take() {
            Some(current) if current.is_current() => current,
            previous => self.reload(previous),
        };
        let answer = match (&last.value, last.failing_since) {
            (Err(_), Some(since)) if since.elapsed() < PATIENCE => None,
            (Err(reason), _) => {
                if last.told.as_ref() != Some(reason) {
                    tracing::error!(reason, "{} is not usable; refusing until it is", self.what);
                    last.told = Some(reason.clone());
                }
                Some(None)
            }
            (Ok(value), _) => {
                if last.told.take().is_some() {
                    tracing::info!("{} is usable again", self.what);
                }
                Some(Some(Arc::clone(value)))
            }
        };
        *kept = Some(last);
        answer
    }

    fn reload(&self, previous: Option<Last<T>>) -> Last<T> {
        let read_at = SystemTime::now();
        let mut reader = Reader::default();
        let value = (self.load)(&mut reader);
        let (failing_since, told) = previous.map_or((None, None), |last| (last.failing_since, last.told));
        let failing_since = value.is_err().then(|| failing_since.unwrap_or_else(Instant::now));
        Last {
            seen: reader.seen,
            read_at,
            value,
            failing_since,
            told,
        }
    }
}

impl<T> Last<T> {
    fn is_current(&self) -> bool {
        self.seen.iter().all(|(path, stamp)| {
            *stamp == Stamp::of(path) && !stamp.is_some_and(|stamp| stamp.is_racy(self.read_at))
        })
    }
}

impl<T> std::fmt::Debug for Live<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Live")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_changed_may_change_again_unseen() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = Stamp::of(file.path()).unwrap();
        let now = SystemTime::now();
        assert!(stamp.is_racy(now));
        assert!(
            stamp.is_racy(now - Duration::from_secs(60)),
            "the clock was set back"
        );
        assert!(!stamp.is_racy(now + Duration::from_secs(3)));
    }

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
}
