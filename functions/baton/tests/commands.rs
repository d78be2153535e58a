//! The commands from outside: the program, its files, what it says and how it ends.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use baton_handoff::ids::{ActionId, ConversationId};
use baton_handoff::ports::{Change, Key, Record, Store as _};
use baton_handoff::record::{ActionRecord, ActionState, decode, keys};
use baton_handoff::{Engine, Kind, Overlap, Principal, Role, Scope, Subject, Submission, Tenant};
use baton_setup::Services;
use baton_setup::settings::{Settings, Values};
use baton_stores::env::SystemEnv;
use baton_stores::presence::Presence;
use baton_stores::sqlite::SqliteStore;

/// A folder of its own, in which the program runs.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("baton-commands-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    fn baton(&self, arguments: &[&str]) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_baton"))
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .output()
            .unwrap();
        Answer::from(output)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
struct Answer {
    succeeded: bool,
    said: String,
    /// The result, for programs.
    told: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            succeeded: output.status.success(),
            said: String::from_utf8(output.stderr).unwrap(),
            told: String::from_utf8(output.stdout).unwrap(),
        }
    }
}

fn open(file: &Path) -> SqliteStore {
    SqliteStore::open(file, Arc::new(SystemEnv)).unwrap()
}

fn note(number: u32) -> Change {
    let record = Record::new(1, number.to_string());
    Change::Create(Key::new("N", format!("{number:06}")), record)
}

async fn notes(file: &Path) -> usize {
    let store = open(file);
    let mut found = 0;
    for number in 0_u32.. {
        let key = Key::new("N", format!("{number:06}"));
        if store.get(&key).await.unwrap().is_none() {
            break;
        }
        found += 1;
    }
    store.close().await;
    found
}

#[test]
fn the_built_in_team_and_no_settings_have_no_mistake() {
    let answer = Folder::new().baton(&["check"]);
    assert!(answer.succeeded, "{answer:?}");
    assert_eq!(
        answer.said,
        "ok: team ACME Inc. customer service with 3 agents, model rehearsal\n"
    );
}

#[test]
fn all_mistakes_are_told_at_once_and_a_misspelt_setting_is_a_warning() {
    let folder = Folder::new();
    folder.write(
        ".env",
        "BATON_CONNECTIONS=many\nBATON_LEASE_SECONDS=9999\nBATON_MODLE=gpt\n",
    );
    let answer = folder.baton(&["check"]);
    assert!(!answer.succeeded);
    let lines: Vec<&str> = answer.said.lines().collect();
    assert_eq!(
        lines,
        [
            "error: BATON_CONNECTIONS=many is not a number of connections",
            "error: BATON_LEASE_SECONDS=9999 is not between 1 and 600",
            "warning: BATON_MODLE is set, and Baton has no such setting",
        ]
    );
}

#[test]
fn a_mistake_in_the_team_has_its_line() {
    let folder = Folder::new();
    folder.write("team.toml", "name = \"Shop\"\nentry = \"Nobody\"\n");
    let answer = folder.baton(&["check", "team.toml"]);
    assert!(!answer.succeeded);
    assert!(answer.said.starts_with("error: team.toml:"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_all_that_was_confirmed_before_it() {
    let folder = Folder::new();
    let data = folder.file("baton.db");
    let store = open(&data);
    for number in 0..100 {
        store.commit(vec![note(number)]).await.unwrap();
    }
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 100..1000 {
                store.commit(vec![note(number)]).await.unwrap();
            }
        }
    });
    let answer = folder.baton(&["backup", "copy.db", "--data", "baton.db"]);
    assert!(answer.succeeded, "{answer:?}");
    writer.await.unwrap();
    assert!(notes(&folder.file("copy.db")).await >= 100);
    let again = folder.baton(&["backup", "copy.db", "--data", "baton.db"]);
    assert!(!again.succeeded);
    assert_eq!(again.said, "baton: copy.db exists; choose another name\n");
    let left: Vec<_> = fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".part"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn there_is_no_backup_of_a_file_that_is_not_there_or_not_ours() {
    let folder = Folder::new();
    let absent = folder.baton(&["backup", "copy.db", "--data", "absent.db"]);
    assert_eq!(absent.said, "baton: absent.db does not exist\n");
    folder.write(
        "other.db",
        "not a database, but long enough to look like one",
    );
    let other = folder.baton(&["backup", "copy.db", "--data", "other.db"]);
    assert!(!other.succeeded);
    assert!(!folder.file("copy.db").exists());
}

#[tokio::test]
async fn a_restore_that_would_undo_something_is_refused_until_it_is_told_to() {
    let folder = Folder::new();
    let data = folder.file("baton.db");
    let store = open(&data);
    store.commit(vec![note(0)]).await.unwrap();
    assert!(
        folder
            .baton(&["backup", "copy.db", "--data", "baton.db"])
            .succeeded
    );
    store.commit(vec![note(1)]).await.unwrap();
    store.close().await;
    drop(store);
    let refused = folder.baton(&["restore", "copy.db", "--data", "baton.db"]);
    assert!(!refused.succeeded);
    assert!(
        refused.said.contains("1 other records that copy.db lacks"),
        "{refused:?}"
    );
    assert_eq!(notes(&data).await, 2);
    let restored = folder.baton(&["restore", "copy.db", "--data", "baton.db", "--undo"]);
    assert!(restored.succeeded, "{restored:?}");
    assert_eq!(notes(&data).await, 1);
    assert_eq!(notes(&folder.file("baton.db.before-restore-1")).await, 2);
    // The copy is as it was, for another restore.
    assert!(
        folder
            .baton(&["restore", "copy.db", "--data", "elsewhere.db"])
            .succeeded
    );
    assert_eq!(notes(&folder.file("elsewhere.db")).await, 1);
}

#[tokio::test]
async fn nothing_is_restored_under_a_running_program() {
    let folder = Folder::new();
    let data = folder.file("baton.db");
    let store = open(&data);
    store.commit(vec![note(0)]).await.unwrap();
    assert!(
        folder
            .baton(&["backup", "copy.db", "--data", "baton.db"])
            .succeeded
    );
    let running = Presence::beside(&data).unwrap();
    let refused = folder.baton(&["restore", "copy.db", "--data", "baton.db", "--undo"]);
    assert_eq!(
        refused.said,
        "baton: baton.db is in use by a running program; stop it first\n"
    );
    drop(running);
    drop(store);
    assert!(
        folder
            .baton(&["restore", "copy.db", "--data", "baton.db"])
            .succeeded
    );
}

#[tokio::test]
async fn an_open_action_of_the_copy_counts_as_tried_since_it_was_accepted() {
    let folder = Folder::new();
    let data = folder.file("baton.db");
    let store = open(&data);
    let conversation = ConversationId::parse("c").unwrap();
    let id = ActionId::new(conversation, 1, "execute_refund", "{}", 0);
    let action = ActionRecord {
        id: id.clone(),
        owner: baton_handoff::Owner::none(),
        speaker: baton_handoff::Speaker::default(),
        tool: "execute_refund".to_owned(),
        arguments: "{}".to_owned(),
        amount_cents: None,
        over: None,
        confirmation: None,
        agent: "Issues".to_owned(),
        state: ActionState::Queued,
        accepted_at: 1000,
        ended_at: None,
        due_at: 2000,
        attempts: 0,
        first_try_at: None,
        tried_before: false,
        awaited_until: None,
        place: 1,
        after: None,
        fence: 1,
        holder: String::new(),
        result: None,
        reason: None,
        reason_for_customer: None,
        approvals: Vec::new(),
        decided: None,
        receipt: 0,
    };
    let create = Change::Create(keys::action(&id), action.record());
    store.commit(vec![create]).await.unwrap();
    assert!(
        folder
            .baton(&["backup", "copy.db", "--data", "baton.db"])
            .succeeded
    );
    store.close().await;
    drop(store);
    let restored = folder.baton(&["restore", "copy.db", "--data", "baton.db"]);
    assert!(
        restored.said.contains("1 actions were open in the copy"),
        "{restored:?}"
    );
    let store = open(&data);
    let stored = store.get(&keys::action(&id)).await.unwrap().unwrap();
    let action: ActionRecord = decode(&stored).unwrap();
    assert_eq!(
        (action.first_try_at, action.tried_before),
        (Some(1000), true)
    );
}

#[tokio::test]
async fn an_interrupted_restore_leaves_nothing_in_the_next_one() {
    let folder = Folder::new();
    let data = folder.file("baton.db");
    let store = open(&data);
    store.commit(vec![note(0)]).await.unwrap();
    assert!(
        folder
            .baton(&["backup", "copy.db", "--data", "baton.db"])
            .succeeded
    );
    // The draft and the log of a restore that was killed: another file's.
    store.commit(vec![note(1)]).await.unwrap();
    fs::copy(&data, folder.file("baton.db.restoring")).unwrap();
    fs::copy(
        folder.file("baton.db-wal"),
        folder.file("baton.db.restoring-wal"),
    )
    .unwrap();
    store.close().await;
    drop(store);
    let restored = folder.baton(&["restore", "copy.db", "--data", "baton.db", "--undo"]);
    assert!(restored.succeeded, "{restored:?}");
    assert_eq!(notes(&data).await, 1);
    assert!(!folder.file("baton.db.restoring").exists());
    assert!(!folder.file("baton.db.restoring-wal").exists());
}

/// An engine on the file, as a server has one.
async fn engine(file: &Path) -> (Arc<Engine>, Services) {
    let mut values = Values::default();
    values.set("BATON_DATA", file.display().to_string());
    let services = Services::open(&Settings::read(&values).unwrap())
        .await
        .unwrap();
    (services.engine(), services)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_added_listed_and_removed_and_the_token_is_told_once() {
    let folder = Folder::new();
    let data = folder.file("baton.db");
    let run = |arguments: &[&str]| {
        let all = [&["operator"], arguments, &["--data", "baton.db"]].concat();
        folder.baton(&all)
    };
    let roles = ["--role", "see", "--role", "approve:500"];
    let added = run(&[&["add", "carl", "--tenant", "shop"], roles.as_slice()].concat());
    assert!(added.succeeded, "{added:?}");
    let token = added.told.trim();
    let (known, services) = engine(&data).await;
    let operator = known.operator(token).await.unwrap().unwrap();
    services.close().await;
    assert_eq!(
        (operator.name.as_str(), operator.tenant.as_str()),
        ("carl", "shop")
    );
    assert_eq!(
        operator.roles,
        [
            Role::See,
            Role::Approve {
                up_to: Some(50_000)
            }
        ]
    );
    let listed = run(&["list", "--tenant", "shop"]);
    assert!(
        listed.told.starts_with("carl\tsee,approve:500\tsince 2"),
        "{listed:?}"
    );
    assert!(!listed.told.contains(token));
    assert_eq!(run(&["list"]).told, "", "of another tenant");

    assert!(run(&["remove", "carl"]).succeeded);
    let (known, services) = engine(&data).await;
    assert_eq!(known.operator(token).await.unwrap(), None);
    services.close().await;
    assert!(
        run(&["list", "--tenant", "shop"])
            .told
            .contains("\tremoved 2")
    );
    let unknown = run(&["remove", "dora"]);
    assert!(!unknown.succeeded && unknown.said.contains("there is no operator dora"));
}

#[test]
fn an_operator_without_a_role_or_with_a_name_that_is_none_is_refused() {
    let folder = Folder::new();
    for (arguments, sentence) in [
        (&["add", "carl"] as &[&str], "--role"),
        (
            &["add", "carl", "--role", "admin"],
            "a role is see, approve",
        ),
        (&["add", "carl.x", "--role", "see"], "a name must match"),
        (&["add", "operator", "--role", "see"], "choose another"),
        (
            &["add", "carl", "--role", "see", "--tenant", "a/b"],
            "a tenant must match",
        ),
    ] {
        let refused = folder.baton(&[&["operator"], arguments].concat());
        assert!(
            !refused.succeeded && refused.said.contains(sentence),
            "{refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_created_listed_and_revoked_and_told_once() {
    let folder = Folder::new();
    let data = folder.file("baton.db");
    let run = |arguments: &[&str]| {
        let all = [&["key"], arguments, &["--data", "baton.db"]].concat();
        folder.baton(&all)
    };
    let created = run(&[
        "create",
        "crm",
        "--scope",
        "chat",
        "--scope",
        "customers",
        "--days",
        "30",
    ]);
    assert!(created.succeeded, "{created:?}");
    let secret = created.told.trim();
    let (known, services) = engine(&data).await;
    let key = known.key(secret).await.unwrap().unwrap();
    assert_eq!(key.scopes, [Scope::Chat, Scope::Customers]);
    let days = (key.expires_at.unwrap() - key.created_at) / 86_400_000;
    services.close().await;
    assert!((29..=30).contains(&days), "{days}");
    let listed = run(&["list"]);
    assert!(
        listed.told.starts_with("crm\tchat,customers\tuntil 2"),
        "{listed:?}"
    );
    assert!(!listed.told.contains(secret));

    assert!(run(&["revoke", "crm"]).succeeded);
    let (known, services) = engine(&data).await;
    assert_eq!(known.key(secret).await.unwrap(), None);
    services.close().await;
    assert!(run(&["list"]).told.contains("\trevoked 2"));
    assert!(!run(&["revoke", "crm"]).succeeded, "twice");
    let bad = run(&["create", "crm", "--scope", "all"]);
    assert!(
        bad.said
            .contains("a scope is one of chat, customers, sessions"),
        "{bad:?}"
    );
}

#[test]
fn a_file_of_before_is_migrated_by_opening_it_and_migrate_says_so() {
    let folder = Folder::new();
    let before =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../stores/tests/fixtures/b43035b/all.db");
    fs::copy(before, folder.file("before.db")).unwrap();
    for _ in 0..2 {
        let answer = folder.baton(&["migrate", "--data", "before.db"]);
        assert!(answer.succeeded, "{answer:?}");
        assert!(
            answer.said.contains("before.db is up to date"),
            "{answer:?}"
        );
    }
    let missing = folder.baton(&["migrate", "--data", "none.db"]);
    assert!(!missing.succeeded);
    assert!(missing.said.contains("there is no file"), "{missing:?}");
    assert!(!folder.file("none.db").exists());
}

/// The services on the file that the program takes in this folder.
async fn services(folder: &Folder) -> Services {
    let mut values = Values::default();
    values.set(
        "BATON_DATA",
        folder.file(".baton/baton.db").display().to_string(),
    );
    Services::open(&Settings::read(&values).unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_customer_is_exported_and_erased_and_nothing_of_others() {
    let folder = Folder::new();
    let opened = services(&folder).await;
    let engine = opened.engine();
    let who = |kind, name| Principal::new(Tenant::default(), kind, Subject::parse(name).unwrap());
    let (visitor, ann) = (
        who(Kind::Visitor, "v-1"),
        who(Kind::Customer, "ann@example.com"),
    );
    for (principal, words) in [
        (&visitor, "words of a visitor"),
        (&who(Kind::Customer, "bob"), "words of bob"),
        (&ann, "words of ann"),
    ] {
        if *principal == ann {
            engine.sign_in(&visitor, &ann).await.unwrap();
        }
        let message = Submission {
            message: words.to_owned(),
            message_id: None,
            overlap: Overlap::Queue,
            background: false,
            ..Submission::default()
        };
        let accepted = engine.begin(principal).submit(message).await.unwrap();
        accepted.log.ended().await;
    }
    opened.close().await;

    let exported = folder.baton(&["export", "ann@example.com"]);
    assert!(exported.succeeded, "{exported:?}");
    for words in ["words of ann", "words of a visitor", r#""record":"named""#] {
        assert!(exported.told.contains(words), "{exported:?}");
    }
    assert!(!exported.told.contains("bob"), "{exported:?}");
    let to = folder.baton(&["export", "ann@example.com", "--to", "ann.ndjson"]);
    assert!(to.succeeded && to.told.is_empty(), "{to:?}");
    assert_eq!(
        fs::read_to_string(folder.file("ann.ndjson")).unwrap(),
        exported.told
    );

    let unasked = folder.baton(&["erase", "ann@example.com"]);
    assert!(!unasked.succeeded, "{unasked:?}");
    let erased = folder.baton(&["erase", "ann@example.com", "--yes"]);
    assert!(erased.succeeded, "{erased:?}");
    let again = folder.baton(&["export", "ann@example.com"]);
    assert_eq!(again.told.lines().count(), 1, "{again:?}");
    let bobs = folder.baton(&["export", "bob"]);
    assert!(bobs.told.contains("words of bob"), "{bobs:?}");
    for file in fs::read_dir(folder.file(".baton")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for gone in ["words of ann", "words of a visitor", "ann@example.com"] {
            let found = bytes
                .windows(gone.len())
                .any(|part| part == gone.as_bytes());
            assert!(!found, "{gone} is left");
        }
    }
}
