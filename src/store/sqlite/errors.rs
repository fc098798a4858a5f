//! What SQLite's errors mean for the caller.

use crate::store::StoreError;

/// SQLite primary result codes (sqlite.org/rescode.html).
mod code {
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CONSTRAINT: u32 = 19;
    pub(super) const NOT_A_DATABASE: u32 = 26;
    /// Extended codes of writes that fail when the file system has no room for them.
    pub(super) const IOERR_WRITE: u32 = 778;
    pub(super) const IOERR_SHMSIZE: u32 = 4874;
}

/// What an error of the driver means. A violated constraint is damage: the group was decided under the lock from what stood.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    let text = error.to_string();
    match error {
        sqlx::Error::Database(database) => {
            let extended = database.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
            match (extended & 0xff, extended) {
                (code::FULL, _) | (_, code::IOERR_WRITE | code::IOERR_SHMSIZE) => StoreError::Full(text),
                (code::CORRUPT | code::NOT_A_DATABASE | code::CONSTRAINT, _) => StoreError::Damaged(text),
                _ => StoreError::Unavailable(text),
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => StoreError::Damaged(text),
        _ => StoreError::Unavailable(text),
    }
}

/// Maps the driver's errors in passing.
pub(super) trait Mapped<T> {
    /// The value, or what its error means.
    fn mapped(self) -> Result<T, StoreError>;
}

impl<T> Mapped<T> for Result<T, sqlx::Error> {
    fn mapped(self) -> Result<T, StoreError> {
        self.map_err(|error| store_error(&error))
    }
}

/// A column that holds what no writer of ours puts there.
pub(super) fn damaged(what: &str, value: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("{what} holds {value}"))
}
