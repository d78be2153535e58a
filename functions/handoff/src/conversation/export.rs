//! A whole conversation, read from its first turn to its last, piece by piece.

use super::history::{Item, Summary, items_of, summary};
use super::open::Conversation;
use crate::ids::TurnNumber;
use crate::ports::StoreError;
use crate::principal::Access;
use crate::record::journal::{Extent, JournalCursor, read_piece};
use crate::record::keys;
use crate::shown::{Reader, View};

/// Size of the records read for one piece, in bytes. A larger turn is a piece of its own.
const PIECE_BYTES: usize = 64 * 1024;

/// Turns of one piece.
const PIECE_TURNS: usize = 64;

/// The progress of an export. It covers the turns that the conversation had when the export began.
#[derive(Debug, Clone)]
pub struct Export {
    /// The conversation as listed at that moment.
    pub summary: Summary,
    view: View,
    erased_below: TurnNumber,
    /// The first turn that is not exported.
    end: TurnNumber,
    /// The last record of the last piece.
    after: Option<String>,
    typical: Option<usize>,
    is_over: bool,
}

/// Why an export cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The conversation was erased meanwhile.
    #[error("the conversation was erased while it was exported")]
    Erased,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Conversation {
    /// Begins an export for this reader. `None`: there is no such conversation, or it was erased.
    pub async fn export(&self, view: View) -> Result<Option<Export>, StoreError> {
        let Some((_, meta)) = self.meta(Access::Oversee).await? else {
            return Ok(None);
        };
        let erased_below = meta.erased_below.max(1);
        Ok(meta.has_turns().then(|| Export {
            summary: summary(self.id.clone(), &meta),
            view,
            erased_below,
            end: meta.next_turn,
            // Records of erased turns may still exist: `$` sorts above the `#` that precedes the parts of a turn.
            after: (erased_below > 1).then(|| format!("{}$", keys::turn_prefix(erased_below - 1))),
            typical: None,
            is_over: false,
        }))
    }

    /// The items of the next turns; none at the end.
    pub async fn next_of_export(
        &self,
        export: &mut Export,
    ) -> Result<Option<Vec<Item>>, ExportError> {
        if export.is_over {
            return Ok(None);
        }
        let extent = Extent::of_piece(PIECE_TURNS, PIECE_BYTES, export.typical);
        let cursor = JournalCursor::Behind(export.after.as_deref());
        let piece = read_piece(&*self.engine.store, &self.id, cursor, extent).await?;
        export.typical = piece.typical;
        let mut turns = piece.turns;
        turns.retain(|turn| turn.number < export.end);
        // Only a turn after the end of the export would show this, and the export does not read it.
        let behind = match turns.last() {
            Some(last) if last.number + 1 < export.end => self.record_of(last.number + 1).await?,
            Some(_) | None => None,
        };
        // Read last: turns that were erased during the reads are not shown.
        match self.meta(Access::Oversee).await? {
            Some((_, meta)) if meta.erased_below.max(1) <= export.erased_below => {}
            Some(_) | None => return Err(ExportError::Erased),
        }
        export.after = turns.last().map(|last| last.last_key.clone());
        export.is_over = piece.is_last
            || turns
                .last()
                .is_none_or(|last| last.number + 1 >= export.end);
        let reader = Reader::new(&self.engine.team, export.view);
        Ok(Some(items_of(reader, &turns, behind.as_ref())))
    }
}
