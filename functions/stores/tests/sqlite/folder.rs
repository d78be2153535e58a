//! A folder that goes when the test ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A fresh folder for databases.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    files: AtomicU32,
}

impl Folder {
    pub(crate) fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("baton-sqlite-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self {
            path,
            files: AtomicU32::new(0),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file that is not there yet.
    pub(crate) fn next_file(&self) -> PathBuf {
        self.path
            .join(format!("{}.db", self.files.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Copies the file that a program of schema version 1 made.
pub(crate) fn copy_of_version_1(file: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/b43035b/all.db");
    std::fs::copy(fixture, file).unwrap();
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over is in the system's folder for such things.
        let _left_over = std::fs::remove_dir_all(&self.path);
    }
}
