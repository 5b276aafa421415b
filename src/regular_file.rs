//! Files that others write: configurations, certificates, keys. Only regular files are opened, and no more is read of
//! them than they may hold, so that a pipe, a device or a log in place of one costs an error and nothing else.
//!
//! What may hang all the same is a file system of elsewhere that does not answer: what runs on an async thread looks
//! at files [`in_time`], off the async threads.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{OFlags, makedev};
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A file that was changed so shortly before it was read may have changed again within the same tick of the clock
/// of its file system, so that its stamp says nothing.
const RACY: Duration = Duration::from_secs(1);
/// How long one look at a file may take.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Reads a file of at most `longest` bytes. Errors do not name it.
///
/// # Errors
/// When it cannot be read, is not a regular file ("not a regular file"), or is longer.
pub(crate) fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    // Looked at first, since opening is not without effect on all that is no file: a writer of a pipe would go on.
    refuse_others(&fs::metadata(path)?)?;
    // Should the path have become a pipe meanwhile, the open does not wait for a writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    refuse_others(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {longest} bytes"),
        ));
    }
    Ok(bytes)
}

/// `/dev/null` passes for an empty file, as it does elsewhere.
fn refuse_others(found: &fs::Metadata) -> io::Result<()> {
    let is_null = found.file_type().is_char_device() && found.rdev() == makedev(1, 3);
    match found.is_file() || is_null {
        true => Ok(()),
        false => Err(io::Error::other("not a regular file")),
    }
}

/// A file as it was when it was read, or could not be.
///
/// Its content is kept as a hash that never leaves the process.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    path: PathBuf,
    longest: u64,
    stamp: Option<Stamp>,
    read_at: SystemTime,
    /// Nothing where it could not be read.
    content: Option<u64>,
}

impl Seen {
    /// Reads a file as [`read`] does, and remembers it.
    pub(crate) fn read(path: &Path, longest: u64) -> (io::Result<Vec<u8>>, Self) {
        // The stamp is taken first: what changes in between is a change.
        let mut seen = Self {
            stamp: Stamp::of(path),
            ..Self::unread(path, longest)
        };
        let bytes = read(path, longest);
        seen.content = bytes.as_ref().ok().map(|bytes| hash(bytes));
        (bytes, seen)
    }

    /// A file that could not even be looked at.
    pub(crate) fn unread(path: &Path, longest: u64) -> Self {
        Self {
            path: path.to_owned(),
            longest,
            stamp: None,
            read_at: SystemTime::now(),
            content: None,
        }
    }

    /// Which file it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it may hold something else now, by a look at its inode alone.
    pub(crate) fn is_touched(&self) -> bool {
        let stamp = Stamp::of(&self.path);
        stamp != self.stamp || stamp.is_some_and(|stamp| stamp.is_racy(self.read_at))
    }

    /// Whether it holds something else now. It is read only where it was touched.
    pub(crate) fn has_changed(&self) -> bool {
        self.is_touched() && Self::read(&self.path, self.longest).1.content != self.content
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// What is remembered of an inode; another stamp means other contents.
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
        let found = fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    fn is_racy(&self, read_at: SystemTime) -> bool {
        let changed = Duration::from_secs(self.changed.0.max(0).unsigned_abs());
        read_at
            .duration_since(UNIX_EPOCH + changed)
            .map_or(true, |age| age <= RACY + Duration::from_secs(1))
    }
}

/// Those who look at a file in [`in_time`].
#[derive(Debug, Default)]
struct Lookers {
    /// Held during a look. Should that never end, it is kept, so that a file costs one thread at most.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// A look has not ended in time.
    is_overdue: AtomicBool,
}

/// The files that are looked at just now. The threads that may hang are those of the process, and so is this list.
static LOOKERS: Mutex<BTreeMap<PathBuf, Arc<Lookers>>> = Mutex::new(BTreeMap::new());

/// Looks at a file off the async threads, for two seconds at most; where it did not answer before, not even that.
///
/// # Errors
/// `TimedOut`, when the file system of `path` does not answer.
pub(crate) async fn in_time<T: Send + 'static>(
    path: &Path,
    look: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let lookers = {
        let mut all = LOOKERS.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, lookers| Arc::strong_count(lookers) > 1);
        Arc::clone(all.entry(path.to_owned()).or_default())
    };
    let turn = lookers.take_turn().await.ok_or_else(no_answer)?;
    let kept = Arc::clone(&lookers);
    let looked = spawn_blocking(move || {
        let found = look();
        drop((turn, kept));
        found
    });
    match timeout(LONGEST_LOOK, looked).await {
        Ok(Ok(found)) => Ok(found),
        // It has panicked, or the process ends.
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_) => {
            lookers.is_overdue.store(true, Ordering::Relaxed);
            Err(no_answer())
        }
    }
}

impl Lookers {
    /// Waits while others look, for as long as they get answers.
    async fn take_turn(&self) -> Option<OwnedMutexGuard<()>> {
        let turn = loop {
            let turn = Arc::clone(&self.turn);
            if self.is_overdue.load(Ordering::Relaxed) {
                break turn.try_lock_owned().ok()?;
            }
            if let Ok(turn) = timeout(LONGEST_LOOK, turn.lock_owned()).await {
                break turn;
            }
        };
        self.is_overdue.store(false, Ordering::Relaxed);
        Some(turn)
    }
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "its file system does not answer")
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_of_bounded_length_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let said = |name: &str| {
            let read = read(&directory.path().join(name), 3);
            read.map_err(|error| error.to_string())
        };
        fs::write(directory.path().join("file"), "abc").unwrap();
        assert_eq!(said("file"), Ok(b"abc".to_vec()));
        fs::write(directory.path().join("long"), "abcd").unwrap();
        assert_eq!(said("long"), Err("longer than 3 bytes".to_owned()));

        let other = Err("not a regular file".to_owned());
        let pipe = directory.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(said("pipe"), other, "without waiting for a writer");
        std::os::unix::fs::symlink("pipe", directory.path().join("link")).unwrap();
        assert_eq!(said("link"), other);
        assert_eq!(said(""), other, "a directory");
        assert_eq!(said("/dev/zero"), other);
        assert_eq!(said("/dev/null"), Ok(Vec::new()));
        assert!(said("absent").unwrap_err().starts_with("No such file"));
    }
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

    #[test]
    fn a_file_that_was_touched_has_changed_only_with_its_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let absent = Seen::read(&path, 9).1;
        assert!(!absent.is_touched() && !absent.has_changed());
        fs::write(&path, "one").unwrap();
        assert!(absent.has_changed());

        let (bytes, mut seen) = Seen::read(&path, 9);
        assert_eq!(bytes.unwrap(), b"one");
        // As if it had been read long after it was written.
        seen.read_at += Duration::from_secs(60);
        assert!(!seen.is_touched());
        fs::rename(&path, directory.path().join("old")).unwrap();
        fs::write(&path, "one").unwrap();
        assert!(
            seen.is_touched() && !seen.has_changed(),
            "the same in another file"
        );
        fs::write(&path, "two").unwrap();
        assert!(seen.is_touched() && seen.has_changed());
        fs::remove_file(&path).unwrap();
        assert!(seen.has_changed());
    }

    #[tokio::test]
    async fn a_file_system_that_does_not_answer_costs_one_thread_and_one_wait() {
        let path = Path::new("/of/the/test/that/hangs");
        let (answer, wait) = std::sync::mpsc::channel::<()>();
        let start = std::time::Instant::now();
        let error = in_time(path, move || wait.recv()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= LONGEST_LOOK);

        let start = std::time::Instant::now();
        for _ in 0..1000 {
            let error = in_time(path, || ()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        assert_eq!(in_time(Path::new("/another"), || 1).await.unwrap(), 1);
        assert!(start.elapsed() < LONGEST_LOOK, "nobody waited again");

        answer.send(()).unwrap();
        let deadline = std::time::Instant::now() + LONGEST_LOOK;
        while in_time(path, || ()).await.is_err() {
            assert!(std::time::Instant::now() < deadline, "it answers again");
            tokio::task::yield_now().await;
        }
    }
}
