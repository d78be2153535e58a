//! Files that are not what they should be: each is an error that names the file, and none is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use baton_handoff::ports::{Order, Range, Store as _, StoreError};
use baton_kit::conformance::TestClock;
use baton_stores::sqlite::{OpenError, SqliteStore};

use super::folder::Folder;
use super::{create, open};

const PAGE: usize = 4096;

/// What opening says; the text must name the file, and the file must stay as it is.
fn refusal(file: &Path) -> OpenError {
    let before = fs::read(file).unwrap();
    let error = SqliteStore::open(file, Arc::new(TestClock::new())).unwrap_err();
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );
    assert_eq!(fs::read(file).unwrap(), before, "the file was changed");
    error
}

/// A good file of some pages.
async fn filled(folder: &Folder) -> PathBuf {
    let file = folder.next_file();
    let store = open(&file);
    for n in 0..10 {
        store
            .commit((0..100).map(|part| create(n * 100 + part)).collect())
            .await
            .unwrap();
    }
    drop(store);
    assert!(fs::metadata(&file).unwrap().len() > 8 * PAGE as u64);
    file
}

#[tokio::test]
async fn a_truncated_file_is_damaged() {
    let folder = Folder::new();
    let file = filled(&folder).await;
    let whole = fs::read(&file).unwrap();
    for kept in [0, 10, 100, PAGE, whole.len() / 2, whole.len() - PAGE] {
        fs::write(&file, &whole[..kept]).unwrap();
        let error = refusal(&file);
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{kept} bytes: {error}"
        );
    }
    fs::write(&file, &whole).unwrap();
    open(&file);
}

#[tokio::test]
async fn a_file_with_a_bad_page_is_damaged() {
    let folder = Folder::new();
    let file = filled(&folder).await;
    let whole = fs::read(&file).unwrap();
    for page in 1..whole.len() / PAGE {
        let mut bad = whole.clone();
        bad[page * PAGE..page * PAGE + 64].fill(0xff);
        fs::write(&file, &bad).unwrap();
        let error = refusal(&file);
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "page {page}: {error}"
        );
    }
}

#[test]
fn a_file_that_is_no_database_is_damaged() {
    let folder = Folder::new();
    let file = folder.next_file();
    fs::write(&file, "Dear diary, ".repeat(1000)).unwrap();
    assert!(matches!(refusal(&file), OpenError::Damaged { .. }));
}

#[tokio::test]
async fn a_log_without_its_file_is_damage() {
    let folder = Folder::new();
    let file = filled(&folder).await;
    fs::rename(&file, folder.path().join("0.db-wal")).unwrap();
    let error = SqliteStore::open(&file, Arc::new(TestClock::new())).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("0.db-wal"), "{error}");
    assert!(!file.exists(), "a silent new start");
}

#[tokio::test]
async fn damage_that_shows_later_is_an_error_of_the_read() {
    let folder = Folder::new();
    let file = filled(&folder).await;
    let store = open(&file);
    let mut bytes = fs::read(&file).unwrap();
    for page in bytes.chunks_mut(PAGE).skip(1) {
        page[..64].fill(0xff);
    }
    fs::write(&file, bytes).unwrap();
    let all = Range {
        partition: "C#1".to_owned(),
        prefix: String::new(),
        after: None,
        order: Order::Ascending,
        limit: 1000,
    };
    match store.range(&all).await {
        Err(StoreError::Damaged(text)) => assert!(text.contains("0.db"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_newer_file_is_refused() {
    let folder = Folder::new();
    let file = folder.next_file();
    drop(open(&file));
    rusqlite::Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let error = refusal(&file);
    assert!(matches!(error, OpenError::Newer { found: 99, .. }));
    assert!(error.to_string().contains("schema version 99"), "{error}");
}

#[test]
fn a_file_that_is_too_old_is_refused() {
    let folder = Folder::new();
    let file = folder.next_file();
    drop(open(&file));
    rusqlite::Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 0)
        .unwrap();
    let error = refusal(&file);
    assert!(matches!(error, OpenError::Older { found: 0, .. }));
    assert!(error.to_string().contains("older program"), "{error}");
}

#[test]
fn another_programs_database_is_refused() {
    let folder = Folder::new();
    let file = folder.next_file();
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .unwrap();
    assert!(matches!(refusal(&file), OpenError::Foreign { .. }));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    let blocker = folder.path().join("file");
    fs::write(&blocker, "").unwrap();
    let error =
        SqliteStore::open(blocker.join("baton.db"), Arc::new(TestClock::new())).unwrap_err();
    assert!(matches!(error, OpenError::Inaccessible { .. }), "{error}");
    assert!(error.to_string().contains("file/baton.db"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn folder_and_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let inner = folder.path().join("a/b");
    let store = open(&inner.join("baton.db"));
    store.commit(vec![create(1)]).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    let names: Vec<PathBuf> = fs::read_dir(&inner)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(
        names.len(),
        3,
        "file, log and index of the log, and no draft: {names:?}"
    );
    for name in names {
        assert_eq!(mode(&name), 0o600, "{}", name.display());
    }
}
