//! Writes events with their numbers, and leaves out those that the client has.

use baton_handoff::event::Position;
use bytes::{BufMut as _, BytesMut};
use serde::Serialize;
use serde_json::Value;

use crate::faces::responses::sequence::Place;

/// The first number within an offset for events before a text: above those of the thing that ends there.
const BEFORE_TEXT: u64 = 12;

pub(super) struct Writer {
    /// The client has all up to here.
    after: Option<u64>,
    /// The client has all of this.
    is_quiet: bool,
    /// The offset of the turn at which the step begins.
    base: u64,
    position: Option<Position>,
    place: Place,
    /// The number of the last event.
    last: u64,
}

impl Writer {
    pub(super) fn new(after: Option<u64>) -> Self {
        Self {
            after,
            is_quiet: after.is_some(),
            base: 0,
            position: None,
            place: Place {
                retracted: after.map_or(0, |after| Place::of(after).retracted),
                offset: 0,
                minor: 0,
                step: 0,
                fence: 0,
            },
            last: after.unwrap_or(0),
        }
    }

    /// Stands at this position. Whether a step begins there.
    pub(super) fn stand_at(&mut self, position: Position) -> bool {
        let before = self.position.replace(position);
        let begins = before.is_none_or(|before| before.step != position.step);
        if begins {
            self.base += before.map_or(0, |before| u64::from(before.offset));
        }
        self.place.offset = self.base + u64::from(position.offset);
        self.place.minor = 0;
        self.place.step = u64::from(position.step);
        // What stands before the first step is the same whoever says it.
        self.place.fence = if position.step == 0 {
            0
        } else {
            position.fence
        };
        begins
    }

    /// Stands before the text that ends here.
    pub(super) fn before(&mut self, text: &str) {
        self.place.offset = self.place.offset.saturating_sub(text.len() as u64);
        self.place.minor = BEFORE_TEXT;
    }

    /// Stands behind the text that begins here.
    pub(super) fn behind(&mut self, text: &str) {
        self.place.offset += text.len() as u64;
        self.place.minor = 0;
    }

    pub(super) fn begin_of_step(&self) -> u64 {
        self.base
    }

    pub(super) fn retracted(&self) -> u64 {
        self.place.retracted
    }

    /// Stands where the step begins.
    pub(super) fn stand_at_begin(&mut self) {
        self.place.offset = self.base;
        self.place.minor = 0;
    }

    /// The text of this step is taken back. The client has nothing of what follows.
    pub(super) fn retract(&mut self) {
        self.after = None;
        self.is_quiet = false;
        self.place.retracted += 1;
        self.stand_at_begin();
    }

    /// The client lacks some of what follows.
    pub(super) fn speak(&mut self) {
        self.is_quiet = false;
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The number of the next event; none if the client has it.
    fn next(&mut self) -> Option<u64> {
        let number = self.place.number();
        self.place.minor += 1;
        if self.is_quiet || self.after.is_some_and(|after| number <= after) {
            return None;
        }
        self.last = number;
        Some(number)
    }

    pub(super) fn event(
        &mut self,
        out: &mut BytesMut,
        name: &str,
        fields: impl FnOnce(&mut BytesMut),
    ) {
        if let Some(number) = self.next() {
            write(out, name, number, fields);
        }
    }

    /// `response.output_item.added` and `done`.
    pub(super) fn item(&mut self, out: &mut BytesMut, what: &str, index: u64, item: &Value) {
        let name = format!("response.output_item.{what}");
        self.event(out, &name, |out| {
            field(out, "output_index", &index);
            field(out, "item", item);
        });
    }

    /// An event about an item, with further texts.
    pub(super) fn of_item(
        &mut self,
        out: &mut BytesMut,
        name: &str,
        index: u64,
        id: &str,
        more: &[(&str, &str)],
    ) {
        self.event(out, name, |out| {
            field(out, "output_index", &index);
            field(out, "item_id", id);
            for (name, text) in more {
                field(out, name, text);
            }
        });
    }

    pub(super) fn part(
        &mut self,
        out: &mut BytesMut,
        name: &str,
        index: u64,
        id: &str,
        part: &Value,
    ) {
        self.event(out, name, |out| {
            of_part(out, index, id);
            field(out, "part", part);
        });
    }

    /// What the client lacks of a text that ends here.
    pub(super) fn delta(&mut self, out: &mut BytesMut, index: u64, id: &str, text: &str) {
        let begin = self.place.offset.saturating_sub(text.len() as u64);
        let had = self.after.map_or(0, |after| Place::of(after).offset);
        let had = usize::try_from(had.saturating_sub(begin)).unwrap_or(usize::MAX);
        let lacks = text.get(text.floor_char_boundary(had)..);
        self.whole_delta(out, index, id, lacks.unwrap_or_default());
    }

    /// A text that is never cut.
    pub(super) fn whole_delta(&mut self, out: &mut BytesMut, index: u64, id: &str, text: &str) {
        self.event(out, "response.output_text.delta", |out| {
            of_part(out, index, id);
            field(out, "delta", text);
            out.put_slice(b",\"logprobs\":[]");
        });
    }

    pub(super) fn text_done(&mut self, out: &mut BytesMut, index: u64, id: &str, text: &str) {
        self.event(out, "response.output_text.done", |out| {
            of_part(out, index, id);
            field(out, "text", text);
            out.put_slice(b",\"logprobs\":[]");
        });
    }

    /// An event without a number of its own.
    pub(super) fn bare(out: &mut BytesMut, name: &str, data: &Value) {
        out.put_slice(b"event: ");
        out.put_slice(name.as_bytes());
        out.put_slice(b"\ndata: ");
        put(out, data);
        out.put_slice(b"\n\n");
    }
}

fn write(out: &mut BytesMut, name: &str, number: u64, fields: impl FnOnce(&mut BytesMut)) {
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: {\"type\":\"");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\",\"sequence_number\":");
    put(out, &number);
    fields(out);
    out.put_slice(b"}\n\n");
}

fn of_part(out: &mut BytesMut, index: u64, id: &str) {
    field(out, "item_id", id);
    field(out, "output_index", &index);
    out.put_slice(b",\"content_index\":0");
}

fn field<T: Serialize + ?Sized>(out: &mut BytesMut, name: &str, value: &T) {
    out.put_slice(b",\"");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\":");
    put(out, value);
}

fn put<T: Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    // Writing to a growing buffer cannot fail, and JSON has no line breaks that would end the event.
    let _ = serde_json::to_writer(out.writer(), value);
}
