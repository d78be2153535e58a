//! A whole conversation, read from its first turn to its last, piece by piece.

use super::history::{Item, Summary, items_of, summary};
use super::open::Conversation;
use crate::ids::TurnNumber;
use crate::ports::StoreError;
use crate::record::journal::{Extent, JournalCursor, read_piece};
use crate::record::keys;

/// Records read for one piece, in bytes. A turn that has more is a piece of its own.
const PIECE_BYTES: usize = 64 * 1024;

/// Turns of one piece.
const PIECE_TURNS: usize = 64;

/// How far an export is. It has the turns that the conversation had when it began.
#[derive(Debug, Clone)]
pub struct Export {
    /// The conversation as the list showed it then.
    pub summary: Summary,
    erased_below: TurnNumber,
    /// Behind the last turn of the export.
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
    /// The store does not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Conversation {
    /// Begins an export. `None`: there is no such conversation, or it was erased.
    pub async fn export(&self) -> Result<Option<Export>, StoreError> {
        let Some((_, meta)) = self.meta().await? else {
            return Ok(None);
        };
        let erased_below = meta.erased_below.max(1);
        Ok(meta.has_turns().then(|| Export {
            summary: summary(self.id.clone(), &meta),
            erased_below,
            end: meta.next_turn,
            // Records of erased turns may still be there: `$` is above the `#` behind which the parts of a turn stand.
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
        // Only the turns behind the export's end would not tell: they are not in it.
        let behind = match turns.last() {
            Some(last) if last.number + 1 < export.end => self.root_of(last.number + 1).await?,
            Some(_) | None => None,
        };
        // Read when all else was read: turns that were erased before are not shown.
        match self.meta().await? {
            Some((_, meta)) if meta.erased_below.max(1) <= export.erased_below => {}
            Some(_) | None => return Err(ExportError::Erased),
        }
        export.after = turns.last().map(|last| last.last_key.clone());
        export.is_over = piece.is_last
            || turns
                .last()
                .is_none_or(|last| last.number + 1 >= export.end);
        Ok(Some(items_of(&turns, behind)))
    }
}
