//! Why the saved state cannot be used, and what to do.

use std::path::PathBuf;

/// A failure of the store. Its text names the file and the way out.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it.
    #[error(
        "the state in {} is in use by {owner}; stop that one, or give this one another state.path", path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Which process, as far as it has said so.
        owner: String,
    },
    /// It is not what this program wrote.
    #[error(
        "the state file {} is damaged ({what}); put back a copy of its directory, or empty that to begin again from \
         nothing: counters then start at 0",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// It lacks what was saved last.
    #[error(
        "the state file {} lacks what was saved last: it has save {revision}, and the last was {last}, so that counters \
         would go back; it is damaged, or an older copy; put back a newer one, or remove {} to go on from this one all \
         the same",
        path.display(),
        revision_file.display()
    )]
    Behind {
        /// The file.
        path: PathBuf,
        /// The number of its last save.
        revision: u64,
        /// The number of the last one.
        last: u64,
        /// Where that is noted.
        revision_file: PathBuf,
    },
    /// It has been here before.
    #[error(
        "the state file {} is missing, although it has been saved before; put it back, or remove {} to begin again from \
         nothing: counters then start at 0",
        path.display(),
        revision_file.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// What says so.
        revision_file: PathBuf,
    },
    /// The number of the last save cannot be read.
    #[error(
        "{} is damaged: it has the number of the last save, to tell whether the state file lacks it; remove it to go on \
         from the state file as it is",
        path.display()
    )]
    Revision {
        /// The file.
        path: PathBuf,
    },
    /// It is a sound file of something else.
    #[error("{} is not a state file of cloud-assistant-exporter; give it another state.path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error(
        "the state file {} has format {version}, which is newer than this program reads ({supported}); run the \
         version of the program that wrote it, or a later one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Of the file.
        version: u64,
        /// Of this program.
        supported: u64,
    },
    /// The file system refused.
    #[error("the state in {} cannot be {doing}: {what}; check its permissions and the space on its disk", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// `opened`, `read` or `saved`.
        doing: &'static str,
        /// What the system said.
        what: String,
    },
    /// The database did not do it.
    #[error("the state in the database cannot be {doing}: {error}")]
    Database {
        /// `opened`, `read` or `saved`.
        doing: &'static str,
        /// Why.
        error: DatabaseError,
    },
    /// It is not what this program wrote.
    #[error(
        "the schema {schema} of the database is damaged ({what}); restore it from a backup, or drop it to begin again from \
         nothing: counters then start at 0"
    )]
    DamagedDatabase {
        /// `state.postgres.name`.
        schema: String,
        /// What was found.
        what: String,
    },
    /// A later version wrote it.
    #[error(
        "the schema {schema} of the database has format {version}, which is newer than this program reads ({supported}); \
         run the version of the program that wrote it, or a later one"
    )]
    NewerDatabase {
        /// `state.postgres.name`.
        schema: String,
        /// Of the schema.
        version: u64,
        /// Of this program.
        supported: u64,
    },
}

/// Why a database did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// It cannot be used as it is, however often it is asked; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// It did not do this one thing; the session goes on.
    #[error("{0}")]
    Failed(String),
    /// The session is over, or there was none: another one may work.
    #[error("{0}")]
    Gone(String),
}

impl DatabaseError {
    pub(super) fn while_being(self, doing: &'static str) -> StateError {
        StateError::Database { doing, error: self }
    }
}
