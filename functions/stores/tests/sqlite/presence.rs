//! Who is told to have ended, and who is not.

use std::fs::File;
use std::time::{Duration, SystemTime};

use baton_stores::presence::Presence;

use crate::folder::Folder;

fn file_of(folder: &Folder, presence: &Presence) -> std::path::PathBuf {
    folder
        .path()
        .join(format!("baton.db-process-{}", presence.name()))
}

#[test]
fn a_process_has_ended_once_its_lock_is_free_and_not_before() {
    let folder = Folder::new();
    let data = folder.path().join("baton.db");
    let (one, other) = (
        Presence::beside(&data).unwrap(),
        Presence::beside(&data).unwrap(),
    );
    assert_ne!(one.name(), other.name());
    assert!(!one.has_ended(other.name()) && !other.has_ended(one.name()));
    assert!(!one.has_ended(one.name()), "it asks itself");
    let name = other.name().to_owned();
    drop(other);
    assert!(one.has_ended(&name));
    assert!(one.has_ended(&name), "asking changes nothing");
}

#[test]
fn nothing_is_concluded_from_a_file_that_is_not_there() {
    let folder = Folder::new();
    let data = folder.path().join("baton.db");
    let (one, other) = (
        Presence::beside(&data).unwrap(),
        Presence::beside(&data).unwrap(),
    );
    let file = file_of(&folder, &other);
    let name = other.name().to_owned();
    drop(other);
    std::fs::remove_file(file).unwrap();
    assert!(!one.has_ended(&name));
    for foreign in ["", "../baton.db", &"x".repeat(32)] {
        assert!(!one.has_ended(foreign), "{foreign:?}");
    }
}

#[test]
fn files_of_the_long_dead_are_removed_and_those_of_the_living_are_not() {
    let folder = Folder::new();
    let data = folder.path().join("baton.db");
    let [dead, fresh, alive] = [(); 3].map(|()| Presence::beside(&data).unwrap());
    let files = [&dead, &fresh, &alive].map(|presence| file_of(&folder, presence));
    let long_ago = SystemTime::now() - Duration::from_hours(2);
    for file in [&files[0], &files[2]] {
        File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    drop((dead, fresh));
    let _new = Presence::beside(&data).unwrap();
    assert_eq!(files.map(|file| file.exists()), [false, true, true]);
    drop(alive);
}

#[cfg(unix)]
#[test]
fn the_lock_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let one = Presence::beside(&folder.path().join("baton.db")).unwrap();
    let lock = std::fs::metadata(file_of(&folder, &one)).unwrap();
    assert_eq!(lock.permissions().mode() & 0o777, 0o600);
}
