//! What removed records leave in the file, and its end.
//!
//! SQLite overwrites a deleted row (`secure_delete`), but copies stay in two places: in the unused middle of a page whose rows moved
//! to another page, and in the log, which keeps pages as they were. So after a removal the unused middle of each page is
//! overwritten, a few pages at a time, and then the log is written back and emptied, which other readers may put off.
//! A mark in the file says that this is due. It stands until all is done, whichever process removed the record, and whichever died.

use std::ops::Range;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, Result, Transaction, TransactionBehavior};

use super::schema;

/// The partition of the mark. No record of ours is there.
pub(super) const MARK: &str = "REMOVED";

/// Removals within this time are one.
const AFTER: Duration = Duration::from_secs(1);

/// Pages that are looked at in one transaction: a megabyte, about a millisecond of the writer's time.
const PAGES_AT_ONCE: u32 = 256;

/// The pause behind that.
const PAUSE: Duration = Duration::from_millis(20);

/// How long the log may be read by others before it is tried again: the first time, and the longest.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Pages that the end of a process waits for: 256 MB. Of a larger file the next process does the rest.
const PAGES_AT_END: u32 = 65_536;

/// From so many pages on, 128 GB, the number at the begin of a page of text could look like the type of a page with rows.
const MOST_PAGES: u32 = 1 << 25;

/// What is left to do.
#[derive(Debug)]
pub(super) struct Residue {
    /// When the next step is due; none while nothing is to be done.
    due: Option<Instant>,
    /// The next page to look at; none when all were looked at.
    page: Option<u32>,
    /// The mark when the first page was looked at. A removal since then has changed it.
    seen: Option<i64>,
    retry: Duration,
}

impl Residue {
    /// Nothing to do yet.
    pub(super) fn none() -> Self {
        Self {
            due: None,
            page: None,
            seen: None,
            retry: FIRST_RETRY,
        }
    }

    /// A record was removed. If a round over the pages is under way, the mark tells it to begin anew when it has come to its end, so
    /// that removals without a pause hold nothing up.
    pub(super) fn removed(&mut self) {
        if self.due.is_none() {
            self.page = Some(1);
            self.due = Some(Instant::now() + AFTER);
        }
    }

    /// Finds a mark of another process, or of an earlier one.
    pub(super) fn look(&mut self, db: &Connection) -> Result<()> {
        if self.due.is_none() && marked(db)?.is_some() {
            self.removed();
        }
        Ok(())
    }

    /// When the next step is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// One step, if the check allows it. If it fails, it is due again later.
    pub(super) fn step(
        &mut self,
        db: &mut Connection,
        check: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let done = check().and_then(|()| self.try_step(db));
        let pause = match &done {
            Ok(Step::Done) => None,
            Ok(Step::More) => Some(PAUSE),
            Ok(Step::Again) => Some(AFTER),
            Ok(Step::LogIsRead) | Err(_) => {
                let pause = self.retry;
                self.retry = (pause * 2).min(LONGEST_RETRY);
                Some(pause)
            }
        };
        self.due = pause.map(|pause| Instant::now() + pause);
        done.map(drop)
    }

    fn try_step(&mut self, db: &mut Connection) -> Result<Step> {
        if let Some(page) = self.page {
            if page == 1 {
                self.seen = marked(db)?;
                self.retry = FIRST_RETRY;
            }
            self.page = overwrite(db, page, PAGES_AT_ONCE)?;
            return Ok(Step::More);
        }
        schema::wait_briefly(db)?;
        let emptied = empty_log(db);
        schema::wait_as_usual(db)?;
        if !emptied? {
            return Ok(Step::LogIsRead);
        }
        unmark(db, self.seen)?;
        if marked(db)?.is_some() {
            self.page = Some(1);
            return Ok(Step::Again);
        }
        Ok(Step::Done)
    }
}

/// For the end of a process: overwrites at once. The caller empties the log, and then removes this mark; none if pages are left.
pub(super) fn finish(db: &mut Connection) -> Result<Option<i64>> {
    let Some(mark) = marked(db)? else {
        return Ok(None);
    };
    let left = overwrite(db, 1, PAGES_AT_END)?;
    Ok(left.is_none().then_some(mark))
}

enum Step {
    More,
    Again,
    LogIsRead,
    Done,
}

/// Writes the log into the file and empties it. False: other readers or another writer are in the way.
pub(super) fn empty_log(db: &Connection) -> Result<bool> {
    db.pragma_update_and_check(None, "wal_checkpoint", "truncate", |row| {
        row.get::<_, bool>(0).map(|busy| !busy)
    })
}

/// Sets the mark, in the transaction of the removal. Each removal raises its version.
pub(super) fn mark(db: &Connection) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO records (partition, sort, version, format, body) VALUES (?1, ?1, 1, 1, '') \
         ON CONFLICT DO UPDATE SET version = version + 1",
    )?
    .execute([MARK])
    .map(drop)
}

/// Removes the mark, unless a removal has changed it since it was seen.
pub(super) fn unmark(db: &Connection, seen: Option<i64>) -> Result<()> {
    db.prepare_cached("DELETE FROM records WHERE partition = ?1 AND sort = ?1 AND version = ?2")?
        .execute((MARK, seen))
        .map(drop)
}

/// The version of the mark, if there is one.
fn marked(db: &Connection) -> Result<Option<i64>> {
    db.prepare_cached("SELECT version FROM records WHERE partition = ?1 AND sort = ?1")?
        .query_row([MARK], |row| row.get(0))
        .optional()
}

/// Overwrites the unused middle of so many pages from `first` on. Returns the page to go on with.
fn overwrite(db: &mut Connection, first: u32, most: u32) -> Result<Option<u32>> {
    let transaction = Transaction::new(db, TransactionBehavior::Immediate)?;
    let pages: u32 = transaction.pragma_query_value(None, "page_count", |row| row.get(0))?;
    if pages >= MOST_PAGES {
        tracing::warn!("the file is too large to overwrite what removed records left in it");
        return Ok(None);
    }
    // Somebody else's doing. Such a file has pages of pointers, which look like pages with rows.
    let vacuum: u32 = transaction.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if vacuum != 0 {
        tracing::warn!(
            "the file has auto_vacuum: what removed records left in it is not overwritten"
        );
        return Ok(None);
    }
    let next = first.saturating_add(most);
    {
        let mut read =
            transaction.prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?;
        let mut write =
            transaction.prepare_cached("UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1")?;
        for number in first..next.min(pages + 1) {
            let page: Option<Vec<u8>> = read.query_row([number], |row| row.get(0)).optional()?;
            let Some(mut page) = page else { continue };
            let middle = unused(&page, number).and_then(|unused| page.get_mut(unused));
            let Some(middle) = middle.filter(|middle| middle.iter().any(|byte| *byte != 0)) else {
                continue;
            };
            middle.fill(0);
            write.execute((number, page))?;
        }
    }
    transaction.commit()?;
    Ok((next <= pages).then_some(next))
}

/// The unused middle of a page with rows: behind the places of its rows, before the first row. See "B-tree Pages" in
/// <https://www.sqlite.org/fileformat2.html>. `None`: another kind of page.
fn unused(page: &[u8], number: u32) -> Option<Range<usize>> {
    // The first page begins with the header of the file.
    let header = if number == 1 { 100 } else { 0 };
    let header_bytes = match page.get(header)? {
        2 | 5 => 12,
        10 | 13 => 8,
        _ => return None,
    };
    let number_at = |at: usize| {
        let bytes = page.get(at..at + 2)?.try_into().ok()?;
        Some(usize::from(u16::from_be_bytes(bytes)))
    };
    let begin = header + header_bytes + 2 * number_at(header + 3)?;
    let end = number_at(header + 5)?;
    (begin <= end && end <= page.len()).then_some(begin..end)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::sqlite::open;

    /// A file of many conversations whose rows were written in turn, so that pages were split again and again.
    struct File(PathBuf);

    impl File {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("baton-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder.join("baton.db"))
        }

        /// How often the removed words stand in the file and in its log.
        fn words(&self) -> usize {
            let count = |file: &Path| {
                let bytes = std::fs::read(file).unwrap_or_default();
                bytes.windows(4).filter(|part| part == b"GONE").count()
            };
            count(&self.0) + count(&open::beside(&self.0, "-wal"))
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _left = std::fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    /// Removes every third conversation of 300, with 20 turns each.
    fn removed_from(file: &File) -> Connection {
        let db = open::open_writer(&file.0, 1).unwrap();
        let mut random: u64 = 7;
        let mut next = |below: u64| {
            // Constants of Knuth's MMIX; the high bits are the good ones.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let name = |one: u64| format!("C#{:016x}", one.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        db.execute_batch("BEGIN").unwrap();
        for turn in 0..6_000 {
            let one = next(300);
            let word = if one % 3 == 0 { "GONE" } else { "KEPT" };
            let body = word.repeat(usize::try_from(10 + next(140)).unwrap());
            db.prepare_cached("INSERT INTO records (partition, sort, version, format, body) VALUES (?1, ?2, 1, 1, ?3)")
                .unwrap()
                .execute((name(one), format!("T#{turn:010}"), body))
                .unwrap();
        }
        for one in (0..300).step_by(3) {
            db.execute("DELETE FROM records WHERE partition = ?1", [name(one)])
                .unwrap();
        }
        mark(&db).unwrap();
        db.execute_batch("COMMIT").unwrap();
        db
    }

    fn all_steps(residue: &mut Residue, db: &mut Connection) {
        while residue.due().is_some() && residue.page.is_some() {
            residue.step(db, || Ok(())).unwrap();
        }
        residue.step(db, || Ok(())).unwrap();
    }

    #[test]
    fn no_word_of_a_removed_record_stays_in_the_file() {
        let file = File::new("residue");
        let mut db = removed_from(&file);
        assert!(empty_log(&db).unwrap());
        assert!(
            file.words() > 0,
            "SQLite leaves none, and this part is needless"
        );
        let mut residue = Residue::none();
        residue.look(&db).unwrap();
        all_steps(&mut residue, &mut db);
        assert_eq!((residue.due(), file.words()), (None, 0));
        assert_eq!(marked(&db).unwrap(), None);
        let found: String = db
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, "ok");
        let kept: u32 = db
            .query_row(
                "SELECT COUNT(*) FROM records WHERE body LIKE 'KEPT%'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert!(kept > 3_000, "{kept}");
    }

    #[test]
    fn a_reader_in_another_process_puts_it_off_and_does_not_prevent_it() {
        let file = File::new("residue-read");
        let mut db = removed_from(&file);
        let reader = open::open_reader(&file.0).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        let count = "SELECT COUNT(*) FROM records";
        let _rows: u32 = reader.query_row(count, [], |row| row.get(0)).unwrap();
        let mut residue = Residue::none();
        residue.look(&db).unwrap();
        all_steps(&mut residue, &mut db);
        assert!(residue.due().is_some() && marked(&db).unwrap().is_some());
        assert!(file.words() > 0);
        reader.execute_batch("COMMIT").unwrap();
        residue.step(&mut db, || Ok(())).unwrap();
        assert_eq!((residue.due(), file.words()), (None, 0));
    }

    #[test]
    fn a_removal_during_a_round_begins_another_one() {
        let file = File::new("residue-again");
        let mut db = removed_from(&file);
        let mut residue = Residue::none();
        residue.look(&db).unwrap();
        residue.step(&mut db, || Ok(())).unwrap();
        // Of another process.
        mark(&db).unwrap();
        all_steps(&mut residue, &mut db);
        assert_eq!(residue.page, Some(1));
        all_steps(&mut residue, &mut db);
        assert_eq!((residue.due(), marked(&db).unwrap()), (None, None));
    }

    #[test]
    fn a_file_that_somebody_set_to_auto_vacuum_stays_whole() {
        let file = File::new("residue-vacuum");
        let mut db = removed_from(&file);
        db.execute_batch("PRAGMA auto_vacuum = incremental; VACUUM")
            .unwrap();
        let mut residue = Residue::none();
        residue.look(&db).unwrap();
        all_steps(&mut residue, &mut db);
        let found: String = db
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, "ok");
    }

    #[test]
    fn a_page_of_another_kind_stays_as_it_is() {
        let mut page = vec![7; 4096];
        for first in (0..=u8::MAX).filter(|first| ![2, 5, 10, 13].contains(first)) {
            if let Some(byte) = page.first_mut() {
                *byte = first;
            }
            assert_eq!(unused(&page, 2), None);
        }
    }
}
