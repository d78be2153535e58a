//! Whether others than the owner may read or replace the data. Baton makes what only its owner can use; a file or folder that was
//! there before has the rights that somebody gave it.

use std::fs::Metadata;
use std::path::Path;

/// What is open to others, one sentence each. What cannot be looked at is another's mistake to report.
pub(super) fn too_open(file: &Path) -> Vec<String> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let found = [
        (file, 0o077, "can be read or written by other users"),
        (
            folder,
            0o022,
            "can be written by other users, who could replace the database in it",
        ),
    ];
    let sentences = found.into_iter().filter_map(|(path, others, what)| {
        let rights = rights(&std::fs::metadata(path).ok()?);
        (rights & others != 0).then(|| {
            format!(
                "{} {what}: its rights are {rights:o}; take them away with chmod go-rwx",
                path.display()
            )
        })
    });
    sentences.collect()
}

#[cfg(unix)]
fn rights(found: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & 0o777
}

/// Other systems have lists of rights, which a folder passes on.
#[cfg(not(unix))]
fn rights(_: &Metadata) -> u32 {
    0
}
