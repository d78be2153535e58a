//! What must hold of summaries and windows: a turn keeps the window that it began with, and no summary outlives an erasure.

use baton_handoff::ids::TurnNumber;
use baton_handoff::ports::{Change, Message, ModelRequest, Stored};
use baton_handoff::record::{Meta, SummaryRecord, TurnRecord, TurnState, decode};

use super::{Audit, Books};
use crate::model::tag;
use crate::world::lock;

impl Audit {
    /// A model is asked by this process: all requests of a turn by those who own it begin alike. An attempt to accept a message that
    /// another process has overtaken asks as well, and nobody hears the answer.
    ///
    /// Returns the turn, if it is known which one asks.
    pub(crate) fn asked(
        &self,
        process: usize,
        request: &ModelRequest,
    ) -> Option<(String, TurnNumber)> {
        let messages = &request.messages;
        let is_users = |message: &Message| matches!(message, Message::User(_));
        let last = messages.iter().rposition(is_users)?;
        let tag = messages.iter().find_map(tag)?;
        let conversation = tag.trim_matches(['[', ']']).to_owned();
        // What another service wants back is not for this one.
        let line = |message: &Message| match message {
            Message::System(_) => String::new(),
            Message::User(text) => format!("user {text}"),
            Message::Assistant { text, calls, .. } => format!("assistant {text} {calls:?}"),
            Message::Tool { call, result } => format!("tool {call} {result}"),
        };
        let opening: Vec<_> = messages[..last].iter().map(line).collect();
        let words = line(&messages[last]);
        let mut books = lock(&self.books);
        let lease = books.leases.get(&conversation);
        let now = self.world.now();
        if lease.is_none_or(|(owner, until)| *owner != process || *until <= now) {
            return None;
        }
        let turn = books.metas.get(&conversation)?.running.as_ref()?.turn;
        let asks = (conversation.clone(), turn);
        if books.shortened.contains(&asks) || books.teams_differ {
            return Some(asks);
        }
        let known = books
            .openings
            .entry((conversation.clone(), turn, words))
            .or_insert_with(|| opening.clone());
        self.require(*known == opening, || {
            format!("turn {turn} of {conversation} asks with {opening:?} after {known:?}")
        });
        Some(asks)
    }

    /// Some processes have another team file from now on.
    pub(crate) fn teams_differ(&self) {
        lock(&self.books).teams_differ = true;
    }

    /// Whether some processes have another team file than others.
    pub(crate) fn do_teams_differ(&self) -> bool {
        lock(&self.books).teams_differ
    }

    /// A model calls a request of this turn too long: from now on it may have fewer turns.
    pub(crate) fn called_too_long(&self, turn: Option<(String, TurnNumber)>) {
        lock(&self.books).shortened.extend(turn);
    }

    /// A turn that begins gets its window once.
    pub(super) fn opens_window(before: Option<&Stored>, after: &TurnRecord) -> bool {
        let before = before.and_then(|before| decode::<TurnRecord>(before).ok());
        before.is_some_and(|before| {
            let opened = TurnRecord {
                window: after.window,
                ..before.clone()
            };
            before.window.is_none() && after.state == TurnState::Accepted && opened == *after
        })
    }

    /// A turn keeps its window to its end.
    pub(super) fn check_window(&self, place: &str, before: Option<&Stored>, after: &TurnRecord) {
        let before = before.and_then(|before| decode::<TurnRecord>(before).ok());
        let Some(window) = before.and_then(|before| before.window) else {
            return;
        };
        let same = after
            .window
            .is_some_and(|now| (now.summary, now.from) == (window.summary, window.from));
        self.require(same, || {
            format!("{place} began with {window:?} and has {:?}", after.window)
        });
    }

    /// A summary is written once, with META, and removed by an erasure only.
    pub(super) fn check_summary(
        &self,
        books: &Books,
        conversation: &str,
        before: Option<&Stored>,
        after: Option<&Stored>,
        changes: &[Change],
    ) {
        let known = books.metas.get(conversation);
        let Some(after) = after else {
            let upto: Option<u32> =
                before.and_then(|before| before.key.sort.strip_prefix("Z#")?.parse().ok());
            let erased = known
                .zip(upto)
                .is_some_and(|(meta, upto)| upto < meta.erased_below);
            return self.require(erased, || {
                format!("the summary of {upto:?} of {conversation} was removed")
            });
        };
        let Ok(summary) = decode::<SummaryRecord>(after) else {
            return;
        };
        let meta = changes.iter().find_map(|change| match change {
            Change::Replace(key, version, record) if key.sort == "META" => Some(Stored {
                key: key.clone(),
                version: *version,
                record: record.clone(),
            }),
            Change::Replace(..) | Change::Create(..) | Change::Remove(..) | Change::Require(..) => {
                None
            }
        });
        let meta = meta.and_then(|meta| decode::<Meta>(&meta).ok());
        let counts = meta.is_some_and(|meta| {
            meta.summarised == summary.upto && summary.upto >= meta.erased_below
        });
        self.require(counts && before.is_none(), || {
            format!(
                "the summary of {} of {conversation} was written apart from META",
                summary.upto
            )
        });
    }
}
