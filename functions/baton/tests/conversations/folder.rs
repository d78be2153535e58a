//! A folder with a team, conversations and scenes, and the command in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// The folder with the built-in team and its conversation tests.
pub(crate) const TEAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../handoff/teams");

/// Removed when dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

/// What the command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) report: String,
    pub(crate) notes: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("baton-conversations-{}-{number}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    /// The built-in team with changes: each first text stands in its file.
    pub(crate) fn write_team(&self, changes: &[[String; 2]]) {
        let mut text = fs::read_to_string(Path::new(TEAMS).join("acme.toml")).unwrap();
        for [from, to] in changes {
            assert!(text.contains(from), "{from:?} is not in the team file");
            text = text.replacen(from, to, 1);
        }
        self.write("team.toml", &text);
    }

    /// `baton test` with these arguments and no settings but these.
    pub(crate) fn test_with(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Said {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(env!("CARGO_BIN_EXE_baton"))
            .arg("test")
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        Said {
            code: status.code(),
            report: String::from_utf8(stdout).unwrap(),
            notes: String::from_utf8(stderr).unwrap(),
        }
    }

    pub(crate) fn test(&self, arguments: &[&str]) -> Said {
        self.test_with(arguments, &[])
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}
