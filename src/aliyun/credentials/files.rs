//! Files that credentials are read from, and whether they have changed since.

use std::io;
use std::path::Path;

use crate::regular_file::{Seen, in_time};

/// Larger than any key or token; a device or a log given by mistake is not read to its end.
const MAXIMUM_KEY_BYTES: u64 = 64 << 10;
/// Larger than any file of profiles: the CLI keeps those of hundreds of accounts in one.
const MAXIMUM_PROFILES_BYTES: u64 = 4 << 20;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The files that one set of credentials depends on, those that did not exist included.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<Seen>);

impl Files {
    /// Reads a file that holds a key or a token, and remembers it.
    pub(super) async fn read(&mut self, path: &Path) -> io::Result<String> {
        self.read_up_to(path, MAXIMUM_KEY_BYTES).await
    }

    /// The same of a file that holds profiles.
    pub(super) async fn read_profiles(&mut self, path: &Path) -> io::Result<String> {
        self.read_up_to(path, MAXIMUM_PROFILES_BYTES).await
    }

    async fn read_up_to(&mut self, path: &Path, maximum: u64) -> io::Result<String> {
        let looked_at = path.to_owned();
        let (bytes, seen) = in_time(path, move || Seen::read(&looked_at, maximum))
            .await
            .unwrap_or_else(|error| (Err(error), Seen::unread(path, maximum)));
        self.0.push(seen);
        text(bytes.map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => io::Error::other(format!("larger than {} KiB", maximum >> 10)),
            _ => error,
        })?)
    }

    /// Whether any of the files has another content now. One that cannot be looked at is what it was.
    pub(super) async fn changed(&self) -> bool {
        for seen in &self.0 {
            let kept = seen.clone();
            if in_time(seen.path(), move || kept.has_changed())
                .await
                .unwrap_or(false)
            {
                return true;
            }
        }
        false
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a file says, without the mark that some editors put before it.
fn text(bytes: Vec<u8>) -> io::Result<String> {
    let mut text = String::from_utf8(bytes).map_err(|_| io::Error::other("not a text file"))?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_are_seen_and_odd_files_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let mut files = Files::default();
        assert!(files.read(&path).await.is_err());
        assert!(!files.changed().await);
        std::fs::write(&path, "one").unwrap();
        assert!(files.changed().await, "a file that appeared");

        let mut files = Files::default();
        assert_eq!(files.read(&path).await.unwrap(), "one");
        assert!(!files.changed().await);
        std::fs::write(&path, "two").unwrap();
        assert!(files.changed().await);

        assert_eq!(
            files.read(directory.path()).await.unwrap_err().to_string(),
            "not a regular file"
        );
        std::fs::write(&path, vec![b'a'; 70_000]).unwrap();
        assert_eq!(
            files.read(&path).await.unwrap_err().to_string(),
            "larger than 64 KiB"
        );
        assert_eq!(files.read_profiles(&path).await.unwrap().len(), 70_000);
        std::fs::write(&path, vec![b'a'; (4 << 20) + 1]).unwrap();
        assert_eq!(
            files.read_profiles(&path).await.unwrap_err().to_string(),
            "larger than 4096 KiB"
        );
        std::fs::write(&path, "\u{feff}key\n").unwrap();
        assert_eq!(files.read(&path).await.unwrap(), "key\n");
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(
            files.read(&path).await.unwrap_err().to_string(),
            "not a text file"
        );
    }
}
