//! Files that others write: configurations, certificates, keys. Only regular files are opened, and no more is read of
//! them than they may hold, so that a pipe, a device or a log in place of one costs an error and nothing else.
//!
//! What may hang all the same is a file system of elsewhere that does not answer: what runs on an async thread reads
//! by way of `spawn_blocking`, with a deadline.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{OFlags, makedev};

/// Reads a file of at most `longest` bytes. Errors do not name it.
///
/// # Errors
/// When it cannot be read, is not a regular file ("not a regular file"), or is longer.
pub fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
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
}
