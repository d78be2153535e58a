//! The entries of a log: events, and the pieces of a text as one entry.

use crate::event::{Event, EventKind, Position};

/// The pieces of one text that are kept apart at least: the last ones. A listener that lacks more gets the text before them as one
/// piece, which costs less to write than many.
pub(super) const PIECES: usize = 64;

/// Bytes that a text of several pieces makes room for at once, at least.
const LEAST_TEXT: usize = 256;

/// An event, or adjacent pieces of text as one event.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) event: Event,
    /// Of a text in several pieces: the offsets at which the last ones begin.
    pub(super) begins: Vec<u32>,
}

/// The events that a listener has not read yet.
#[derive(Debug, Clone, Copy)]
pub struct Unread<'a> {
    /// An entry that has grown, and the offset up to which the listener has its text.
    pub(super) grown: Option<(&'a Entry, u32)>,
    pub(super) entries: &'a [Entry],
}

impl Entry {
    pub(super) fn of(event: Event) -> Self {
        Self {
            event,
            begins: Vec::new(),
        }
    }

    /// Adds an event that continues this text; returns any other.
    pub(super) fn join(&mut self, event: Event) -> Option<Event> {
        let (last, next) = (self.event.position, event.position);
        let (EventKind::TextDelta(text), EventKind::TextDelta(more)) =
            (&mut self.event.kind, &event.kind)
        else {
            return Some(event);
        };
        let continued = Position {
            offset: last.offset.saturating_add(event.kind.room()),
            ..last
        };
        if next != continued || event.agent != self.event.agent {
            return Some(event);
        }
        if more.is_empty() {
            return None;
        }
        if text.capacity() - text.len() < more.len() {
            // By a quarter, not by doubling: with thousands of open turns the unused half would be most of their memory.
            text.reserve_exact(more.len().max(text.len() / 4).max(LEAST_TEXT));
        }
        let was_empty = text.is_empty();
        text.push_str(more);
        self.event.position = next;
        if was_empty {
            return None;
        }
        if self.begins.len() >= 2 * PIECES {
            self.begins.drain(..PIECES);
        }
        self.begins.push(last.offset);
        None
    }

    /// The whole event if it is in one piece.
    fn whole(&self) -> Option<&Event> {
        self.begins.is_empty().then_some(&self.event)
    }

    /// Where pieces behind this offset begin.
    fn begins_after(&self, offset: u32) -> &[u32] {
        let read = self.begins.partition_point(|begin| *begin <= offset);
        self.begins.get(read..).unwrap_or_default()
    }

    /// Hands each piece of the text behind this offset to `read`.
    fn read_after(&self, offset: u32, read: &mut impl FnMut(&Event)) {
        let EventKind::TextDelta(text) = &self.event.kind else {
            return;
        };
        let end = self.event.position.offset;
        let begin = end.saturating_sub(self.event.kind.room());
        let slice = |from: u32, to: u32| {
            let (from, to) = (from.saturating_sub(begin), to.saturating_sub(begin));
            text.get(from as usize..to as usize).unwrap_or_default()
        };
        let mut piece = Event {
            position: self.event.position,
            agent: self.event.agent.clone(),
            kind: EventKind::TextDelta(String::new()),
        };
        let mut from = offset.max(begin);
        for &to in self.begins_after(from).iter().chain([&end]) {
            piece.position.offset = to;
            piece.kind = EventKind::TextDelta(slice(from, to).to_owned());
            read(&piece);
            from = to;
        }
    }
}

impl Unread<'_> {
    /// The number of events.
    pub fn count(self) -> usize {
        let grown = self
            .grown
            .map_or(0, |(entry, has)| entry.begins_after(has).len() + 1);
        let rest = self.entries.iter().map(|entry| entry.begins.len() + 1);
        grown + rest.sum::<usize>()
    }

    /// Hands each of the events to `read`.
    pub fn for_each(self, mut read: impl FnMut(&Event)) {
        if let Some((entry, has)) = self.grown {
            entry.read_after(has, &mut read);
        }
        for entry in self.entries {
            match entry.whole() {
                Some(event) => read(event),
                None => entry.read_after(0, &mut read),
            }
        }
    }
}

/// The events. Reads a whole log where it is given to [`TurnLog::read`](super::TurnLog::read).
pub fn events_of(unread: Unread<'_>) -> Vec<Event> {
    let mut events = Vec::with_capacity(unread.count());
    unread.for_each(|event| events.push(event.clone()));
    events
}
