//! What must hold of calls that the client executes: who waits for what, and that each result is taken once and sent to the model.

use std::collections::BTreeSet;

use baton_handoff::ids::TurnNumber;
use baton_handoff::ports::{Change, Key, Message, ModelRequest, Record, Stored};
use baton_handoff::record::keys::{TurnPart, parse_turn_part};
use baton_handoff::record::{Meta, Origin, TurnRecord, TurnState, decode};

use super::{Audit, Books, SKEW};
use crate::clients::{RESULT, is_offered};
use crate::model::tag;
use crate::world::lock;

impl Audit {
    /// A conversation waits from the end of the turn that called to the next message, whatever that brings. Each call has one result
    /// at most, while it waits.
    pub(super) fn check_client(
        &self,
        books: &mut Books,
        conversation: &str,
        after: &Meta,
        changes: &[Change],
    ) {
        let before = books.metas.get(conversation);
        let was = before.and_then(|before| before.waiting_for_client.clone());
        let now = &after.waiting_for_client;
        let began = changes.iter().find_map(|change| match change {
            Change::Create(key, record) => turn(key, record),
            Change::Replace(..) | Change::Remove(..) | Change::Require(..) => None,
        });
        let Some((number, record)) = began else {
            let ended = changes.iter().find_map(|change| match change {
                Change::Replace(key, _, record) => turn(key, record),
                Change::Create(..) | Change::Remove(..) | Change::Require(..) => None,
            });
            let ends = |(number, record): (TurnNumber, TurnRecord)| {
                record.state == TurnState::Committed
                    && now.as_ref().is_some_and(|now| now.turn == number)
            };
            let erased = before.is_some_and(|before| after.erased_below > before.erased_below);
            let right = was == *now || (now.is_none() && erased) || ended.is_some_and(ends);
            return self.require(right, || {
                format!("{conversation} waited for {was:?} and waits for {now:?}")
            });
        };
        if record.origin == Origin::LateResult {
            return self.require(was == *now, || {
                format!("turn {number} of {conversation} closed {was:?}")
            });
        }
        self.require(now.is_none(), || {
            format!("turn {number} of {conversation} leaves {now:?} open")
        });
        if record.origin != Origin::Customer {
            return;
        }
        let open = was.filter(|was| self.world.now() < was.until + SKEW);
        for answer in &record.client.results {
            let turn = open.as_ref().and_then(|open| {
                let is_open = open.calls.iter().any(|call| call.call == answer.call);
                is_open.then_some(open.turn)
            });
            let place = (conversation.to_owned(), turn, answer.call.clone());
            let is_new = books.answered.insert(place);
            self.require(turn.is_some() && is_new, || {
                format!("turn {number} of {conversation} took {answer:?}")
            });
        }
    }

    /// A model is asked by this process: all requests of a turn by those who own it offer the same tools of the client.
    pub(crate) fn offered(&self, process: usize, request: &ModelRequest) {
        let is_users = |message: &&Message| matches!(message, Message::User(_));
        let words = request.messages.iter().rfind(is_users);
        let Some((words, tag)) = words.zip(request.messages.iter().find_map(tag)) else {
            return;
        };
        let conversation = tag.trim_matches(['[', ']']).to_owned();
        let tools = request.tools.iter().map(|tool| tool.name.clone());
        let tools: Vec<_> = tools.filter(|name| is_offered(name)).collect();
        let mut books = lock(&self.books);
        let lease = books.leases.get(&conversation);
        let now = self.world.now();
        if lease.is_none_or(|(owner, until)| *owner != process || *until <= now) {
            return;
        }
        let meta = books.metas.get(&conversation);
        let Some(running) = meta.and_then(|meta| meta.running.as_ref()) else {
            return;
        };
        let place = (conversation, running.turn, format!("{words:?}"));
        let known = books.offered.entry(place.clone());
        let known = known.or_insert_with(|| tools.clone());
        self.require(*known == tools, || {
            format!("{place:?} offers {tools:?} after {known:?}")
        });
    }

    /// A model is sent a result of a client once in a request.
    pub(crate) fn sent_results(&self, request: &ModelRequest) {
        let mut found = BTreeSet::new();
        for message in &request.messages {
            let (Message::User(text) | Message::Tool { result: text, .. }) = message else {
                continue;
            };
            let is_part = |c: char| c == '-' || c.is_ascii_alphanumeric();
            let words = text.split(|c: char| !is_part(c));
            for word in words.filter(|word| word.starts_with(RESULT)) {
                self.require(found.insert(word.to_owned()), || {
                    format!("a request has {word} twice")
                });
            }
        }
        lock(&self.books).sent_results.extend(found);
    }

    /// Whether a model was ever sent this result of a client.
    pub(crate) fn was_sent(&self, result: &str) -> bool {
        lock(&self.books).sent_results.contains(result)
    }
}

/// The turn that is written here.
fn turn(key: &Key, record: &Record) -> Option<(TurnNumber, TurnRecord)> {
    let (number, TurnPart::Turn) = parse_turn_part(&key.sort)? else {
        return None;
    };
    let stored = Stored {
        key: key.clone(),
        version: 1,
        record: record.clone(),
    };
    Some((number, decode(&stored).ok()?))
}
