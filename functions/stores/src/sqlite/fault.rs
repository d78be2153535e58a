//! The meaning of SQLite's errors for a reader or writer.

use std::path::{Path, PathBuf};

use baton_handoff::ports::{CommitError, StoreError};
use rusqlite::{Error, ErrorCode};

/// Why a write failed. Every text names the file.
#[derive(Debug, Clone)]
pub(super) enum WriteError {
    /// Nothing was written; a later attempt may succeed.
    Unavailable(String),
    /// Written or not: the answer was lost.
    Ambiguous(String),
    /// Nothing was written, and a later attempt will fail too.
    Damaged(String),
}

impl From<WriteError> for CommitError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Unavailable(text) => Self::Unavailable(text),
            WriteError::Ambiguous(text) => Self::Ambiguous(text),
            WriteError::Damaged(text) => Self::Refused(text),
        }
    }
}

/// Puts the file's name into errors.
#[derive(Debug, Clone)]
pub(super) struct FileName(PathBuf);

impl FileName {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// An error of a read.
    pub(super) fn reading(&self, error: &Error) -> StoreError {
        if is_damage(error) {
            StoreError::Damaged(self.text(error))
        } else {
            StoreError::Unavailable(self.text(error))
        }
    }

    /// An error of a write before its COMMIT: it was rolled back.
    pub(super) fn writing(&self, error: &Error) -> WriteError {
        if is_damage(error) {
            WriteError::Damaged(self.text(error))
        } else {
            WriteError::Unavailable(self.text(error))
        }
    }

    /// An error of the COMMIT itself.
    pub(super) fn committing(&self, error: &Error) -> WriteError {
        match error.sqlite_error_code() {
            // Without room or lock, the frame that ends the transaction was not written.
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => self.writing(error),
            // After a failed fsync the frame may still reach the disk.
            Some(_) | None => WriteError::Ambiguous(self.text(error)),
        }
    }

    /// The writer ended before it took a job.
    pub(super) fn closed(&self) -> WriteError {
        WriteError::Unavailable(format!("{} is closed", self.0.display()))
    }

    /// The writer ended with an accepted job.
    pub(super) fn lost(&self) -> WriteError {
        WriteError::Ambiguous(format!(
            "{}: the writer ended without an answer",
            self.0.display()
        ))
    }

    fn text(&self, error: &Error) -> String {
        format!("{}: {error}", self.0.display())
    }
}

/// Whether the error says that the file or its content is not ours.
pub(super) fn is_damage(error: &Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase),
        // Values of another type or out of range come without a code.
        None => true,
    }
}
