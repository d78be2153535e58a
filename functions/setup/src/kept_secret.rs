//! Secrets that are made at the first start and kept beside the data.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use baton_handoff::ports::Env;
use baton_http::Secret;

/// The shortest secret that is read from a file: a shorter one was not made here.
const SHORTEST: usize = 16;

/// The secret in the file of this name beside the data. The first start makes it: 256 random bits, readable by the owner alone.
/// Processes that start at the same time get the same one.
///
/// # Errors
/// The file can be neither read nor written, or has no secret.
pub fn secret_beside(data: &Path, name: &str, env: &dyn Env) -> anyhow::Result<Secret> {
    let folder = data.parent().unwrap_or_else(|| Path::new(""));
    let path = folder.join(name);
    if let Some(secret) = read(&path)? {
        return Ok(secret);
    }
    if !folder.as_os_str().is_empty() {
        let made = fs::create_dir_all(folder);
        made.with_context(|| format!("cannot make {}", folder.display()))?;
    }
    // Written whole under a name of its own first: nobody reads a part of it.
    let draft = draft(&path, env)?;
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft).with_context(|| format!("cannot remove {}", draft.display()))?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("cannot write {}", path.display()))
        }
        Ok(()) | Err(_) => {
            read(&path)?.with_context(|| format!("{} is gone again", path.display()))
        }
    }
}

fn draft(path: &Path, env: &dyn Env) -> anyhow::Result<PathBuf> {
    let draft = path.with_added_extension(format!("{:032x}", env.random()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let secret = format!("{:032x}{:032x}\n", env.random(), env.random());
    options
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(secret.as_bytes())?;
            file.sync_all()
        })
        .with_context(|| format!("cannot write {}", draft.display()))?;
    Ok(draft)
}

fn read(path: &Path) -> anyhow::Result<Option<Secret>> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().len() < SHORTEST => {
            anyhow::bail!(
                "{} has no secret; remove it, and one is made",
                path.display()
            )
        }
        Ok(text) => Ok(Some(Secret::new(text.trim()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use baton_stores::env::SystemEnv;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_for_its_owner_alone() {
        let folder = std::env::temp_dir().join(format!("baton-secret-{:x}", SystemEnv.random()));
        let data = folder.join("data").join("baton.db");
        let first = secret_beside(&data, "session", &SystemEnv).unwrap();
        assert_eq!(first.expose().len(), 64);
        let again = secret_beside(&data, "session", &SystemEnv).unwrap();
        assert_eq!(first.expose(), again.expose());
        let other = secret_beside(&data, "operator", &SystemEnv).unwrap();
        assert_ne!(first.expose(), other.expose());
        let path = data.with_file_name("session");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(&path, "short").unwrap();
        assert!(secret_beside(&data, "session", &SystemEnv).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
