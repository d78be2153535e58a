//! A message while it is being said.

use bytes::BytesMut;
use serde_json::Value;

use super::writer::Writer;
use crate::faces::responses::items::{self, Status, part};

pub(super) struct Message {
    id: String,
    /// Its place in the output, with those that were taken back.
    index: u64,
    text: String,
}

impl Message {
    pub(super) fn new(id: String, index: u64) -> Self {
        Self {
            id,
            index,
            text: String::new(),
        }
    }

    /// One of which something was said.
    pub(super) fn of(id: String, index: u64, text: String) -> Self {
        Self { id, index, text }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn open(&self, out: &mut BytesMut, writer: &mut Writer) {
        let item = items::message(&self.id, None, Status::InProgress);
        writer.item(out, "added", self.index, &item);
        let part = part("");
        writer.part(
            out,
            "response.content_part.added",
            self.index,
            &self.id,
            &part,
        );
    }

    pub(super) fn say(&mut self, out: &mut BytesMut, writer: &mut Writer, text: &str) {
        self.text.push_str(text);
        writer.delta(out, self.index, &self.id, text);
    }

    /// The whole text of a message that no model says.
    pub(super) fn say_at_once(&mut self, out: &mut BytesMut, writer: &mut Writer, text: &str) {
        self.text.push_str(text);
        writer.whole_delta(out, self.index, &self.id, text);
    }

    /// The message as it stays.
    pub(super) fn close(&self, out: &mut BytesMut, writer: &mut Writer, status: Status) -> Value {
        writer.text_done(out, self.index, &self.id, &self.text);
        let part = part(&self.text);
        writer.part(
            out,
            "response.content_part.done",
            self.index,
            &self.id,
            &part,
        );
        let item = items::message(&self.id, Some(&self.text), status);
        writer.item(out, "done", self.index, &item);
        item
    }
}
