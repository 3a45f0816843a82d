//! What can go wrong with the database, in sentences that say what to do.

/// A failure of the store. Sentences are for people; the variant is what code decides by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What was asked for by name is not there.
    #[error("{0}")]
    NotFound(String),
    /// Something else has that name, account or slug already; says which.
    #[error("{0}")]
    Conflict(String),
    /// A pushed metric's numbers would not fit any more with more digits behind the point; names it.
    #[error("values of {0} are kept that are too large for more digits behind the point")]
    TooLarge(String),
    /// Another worker has claimed the connection, or it was deleted. Whatever this claim still wants to write is void.
    #[error(
        "another worker has taken over this connection, or it was deleted; nothing of this run is written any more"
    )]
    FenceLost,
    /// The database cannot be used now: locked, read only, full, unreachable. Nothing was written; it may be tried
    /// again.
    #[error("{0}")]
    Unavailable(String),
    /// The file is damaged, or holds what this program never wrote.
    #[error("{0}")]
    Corrupt(String),
    /// The database was migrated by a newer program.
    #[error(
        "the database has schema {found} but this version of dashtray knows only up to {known}; \
         install the version that made it, or a newer one, or restore a backup made before the upgrade"
    )]
    NewerSchema {
        /// The schema of the database.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
}
