//! `baton restore`: a copy in the place of the data, and nothing undone that nobody was told of.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use baton_handoff::ports::{Change, Index, Millis, Store as _, Stored};
use baton_handoff::record::keys::{TurnPart, parse_turn_part};
use baton_handoff::record::{ActionRecord, decode};
use baton_stores::env::SystemEnv;
use baton_stores::sqlite::{SqliteStore, copy};

/// Records that are read at once.
const PAGE: usize = 100;

pub(crate) fn run(from: &Path, data: &Path, undo: bool) -> anyhow::Result<ExitCode> {
    copy::refuse_in_use(data)?;
    copy::check(from)?;
    let undone = undone(from, data)?;
    if !undone.is_empty() && !undo {
        anyhow::bail!(
            "{} has {undone} that {} lacks, and restoring would undo it. What was sent to other services stays done. \
             Nothing was changed; restore with --undo if that is what you want",
            data.display(),
            from.display()
        );
    }
    // The copy itself stays as it is, for another restore. A log that an interrupted restore left would be read into the new draft.
    let draft = Draft(beside(data, ".restoring"));
    draft.remove();
    copy::back_up(from, &draft.0)?;
    let open = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(suspect_open_actions(&draft.0))?;
    let kept = copy::put_back(&draft.0, data)?;
    eprintln!("{} is restored from {}", data.display(), from.display());
    if let Some(kept) = kept {
        eprintln!("the file that was there is {}", kept.display());
    }
    if !undone.is_empty() {
        eprintln!("undone: {undone}");
    }
    if open > 0 {
        eprintln!(
            "{open} actions were open in the copy and may have been carried out since: each is tried only while its service is sure to \
             remember the key, and else waits for a person at the desk"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What the data has and the copy lacks, counted by what people know.
#[derive(Default)]
struct Undone {
    turns: usize,
    actions: usize,
    office: usize,
    other: usize,
}

impl Undone {
    fn is_empty(&self) -> bool {
        self.turns + self.actions + self.office + self.other == 0
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.turns, "turns"),
            (self.actions, "changes of actions"),
            (self.office, "orders or refunds"),
            (self.other, "other records"),
        ];
        let named = counts.iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = named
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        f.write_str(&words.join(", "))
    }
}

fn undone(copy_file: &Path, data: &Path) -> anyhow::Result<Undone> {
    let mut undone = Undone::default();
    if !data.try_exists()? {
        return Ok(undone);
    }
    copy::visit_newer(data, copy_file, |partition, sort, _| {
        match parse_turn_part(sort) {
            Some((_, TurnPart::Turn)) => undone.turns += 1,
            Some((_, TurnPart::Action(_))) => undone.actions += 1,
            // A step belongs to a turn that is counted.
            Some((_, TurnPart::Step(_))) => {}
            None if partition.starts_with("B#") => undone.office += 1,
            // Belongs to its turns, as a summary does, and text that is being streamed is kept for a day only.
            None if ["M#", "E#", "Z#", "P#"]
                .iter()
                .any(|kind| sort.starts_with(kind)) => {}
            None if sort == "META" => {}
            None => undone.other += 1,
        }
    })?;
    Ok(undone)
}

/// Notes in each open action that it may have been tried since the copy was made.
async fn suspect_open_actions(file: &Path) -> anyhow::Result<usize> {
    let store = SqliteStore::open(file, Arc::new(SystemEnv))?;
    let mut open = 0;
    let mut after = None;
    loop {
        // An open action of any tenant is due at some time; an action that has ended is not.
        let index = Index::Due(Millis::MAX);
        let page = store.index(&index, after.as_ref(), PAGE).await?;
        for stored in page.records.iter().filter(|stored| is_action(stored)) {
            let mut action: ActionRecord = decode(stored)?;
            action.restore();
            let (key, version) = (stored.key.clone(), stored.version);
            let change = Change::Replace(key, version, action.record());
            store.commit(vec![change]).await?;
            open += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    store.close().await;
    Ok(open)
}

fn is_action(stored: &Stored) -> bool {
    matches!(
        parse_turn_part(&stored.key.sort),
        Some((_, TurnPart::Action(_)))
    )
}

/// The copy that is put in place. Removed when dropped before that.
struct Draft(PathBuf);

impl Draft {
    fn remove(&self) {
        for ending in ["", "-wal", "-shm"] {
            // Most of the time none of them is there.
            let _absent = std::fs::remove_file(beside(&self.0, ending));
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.remove();
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
