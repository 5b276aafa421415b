//! Files that credentials are read from, and whether they have changed since.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Larger than any key or token; a device or a log given by mistake is not read to its end.
const MAXIMUM_KEY_BYTES: u64 = 64 << 10;
/// Larger than any file of profiles: the CLI keeps those of hundreds of accounts in one.
const MAXIMUM_PROFILES_BYTES: u64 = 4 << 20;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The files that one set of credentials depends on, those that did not exist included.
///
/// Contents are kept as hashes that never leave the process: enough to see a change, whatever a file's time says.
/// Reading is not asynchronous, since these files are small and local, and only regular files are opened, so that
/// a pipe cannot block.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<Seen>);

#[derive(Debug)]
struct Seen {
    path: PathBuf,
    maximum: u64,
    /// Nothing where the file could not be read.
    content: Option<u64>,
}

impl Files {
    /// Reads a file that holds a key or a token, and remembers it.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<String> {
        self.read_up_to(path, MAXIMUM_KEY_BYTES)
    }

    /// The same of a file that holds profiles.
    pub(super) fn read_profiles(&mut self, path: &Path) -> io::Result<String> {
        self.read_up_to(path, MAXIMUM_PROFILES_BYTES)
    }

    fn read_up_to(&mut self, path: &Path, maximum: u64) -> io::Result<String> {
        let text = read(path, maximum);
        self.0.push(Seen {
            path: path.to_path_buf(),
            maximum,
            content: text.as_ref().ok().map(|text| hash(text)),
        });
        text
    }

    /// Whether any of the files has another content now.
    pub(super) fn changed(&self) -> bool {
        self.0
            .iter()
            .any(|seen| read(&seen.path, seen.maximum).ok().map(|text| hash(&text)) != seen.content)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The text of a file, without the mark that some editors put before it.
fn read(path: &Path, maximum: u64) -> io::Result<String> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(maximum + 1)
        .read_to_string(&mut text)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => io::Error::other("not a text file"),
            _ => error,
        })?;
    if text.len() as u64 > maximum {
        return Err(io::Error::other(format!("larger than {} KiB", maximum >> 10)));
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    Ok(text)
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_seen_and_odd_files_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let mut files = Files::default();
        assert!(files.read(&path).is_err());
        assert!(!files.changed());
        std::fs::write(&path, "one").unwrap();
        assert!(files.changed(), "a file that appeared");

        let mut files = Files::default();
        assert_eq!(files.read(&path).unwrap(), "one");
        assert!(!files.changed());
        std::fs::write(&path, "two").unwrap();
        assert!(files.changed());

        assert_eq!(
            files.read(directory.path()).unwrap_err().to_string(),
            "not a regular file"
        );
        std::fs::write(&path, vec![b'a'; 70_000]).unwrap();
        assert_eq!(files.read(&path).unwrap_err().to_string(), "larger than 64 KiB");
        assert_eq!(files.read_profiles(&path).unwrap().len(), 70_000);
        std::fs::write(&path, vec![b'a'; (4 << 20) + 1]).unwrap();
        assert_eq!(
            files.read_profiles(&path).unwrap_err().to_string(),
            "larger than 4096 KiB"
        );
        std::fs::write(&path, "\u{feff}key\n").unwrap();
        assert_eq!(files.read(&path).unwrap(), "key\n");
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(files.read(&path).unwrap_err().to_string(), "not a text file");
    }
}
