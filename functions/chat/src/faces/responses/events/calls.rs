//! Calls as items: those of the server with their results, those of the client, and the customer's cards.

use baton_handoff::event::{ClientCalled, ConfirmationAsked};
use bytes::BytesMut;

use super::Events;
use crate::faces::responses::ids;
use crate::faces::responses::items::{self, ServerCall, Status};

/// A call without a result.
pub(super) struct Open {
    /// The model's id of it.
    call: String,
    /// Its place in the output.
    slot: usize,
    /// And the number that it was told under: texts that are taken back later move it no more.
    index: u64,
    item: ServerCall,
}

impl Events {
    pub(super) fn called(
        &mut self,
        out: &mut BytesMut,
        call: &str,
        name: &str,
        arguments: Option<&str>,
    ) {
        self.close_message(out, Status::Completed);
        let slot = self.take_slot();
        let item = ServerCall {
            id: ids::server_call(self.about.id.turn, self.items),
            name: name.to_owned(),
            arguments: arguments.unwrap_or("{}").to_owned(),
        };
        self.items += 1;
        let index = self.index(slot);
        let writer = &mut self.writer;
        let begun = ServerCall {
            arguments: String::new(),
            ..item.clone()
        };
        writer.item(out, "added", index, &begun.item(Status::InProgress, None));
        writer.of_item(out, "response.mcp_call.in_progress", index, &item.id, &[]);
        writer.of_item(
            out,
            "response.mcp_call_arguments.delta",
            index,
            &item.id,
            &[("delta", &item.arguments)],
        );
        writer.of_item(
            out,
            "response.mcp_call_arguments.done",
            index,
            &item.id,
            &[("arguments", &item.arguments)],
        );
        self.calls.push(Open {
            call: call.to_owned(),
            slot,
            index,
            item,
        });
    }

    pub(super) fn answered(
        &mut self,
        out: &mut BytesMut,
        open: Option<usize>,
        status: Status,
        output: Option<&str>,
    ) {
        let Some(place) = open else {
            return;
        };
        let open = self.calls.remove(place);
        let index = open.index;
        let name = match status {
            Status::Completed => Some("response.mcp_call.completed"),
            Status::Failed => Some("response.mcp_call.failed"),
            Status::InProgress | Status::Incomplete => None,
        };
        if let Some(name) = name {
            self.writer.of_item(out, name, index, &open.item.id, &[]);
        }
        let item = open.item.item(status, output);
        self.writer.item(out, "done", index, &item);
        self.fill(open.slot, &item);
    }

    pub(super) fn call(&self, call: &str) -> Option<usize> {
        self.calls.iter().position(|open| open.call == call)
    }

    /// The call that handed the conversation over: the event names the agent only, and tools are mostly called by it.
    pub(super) fn hand_off_to(&self, to: &str) -> Option<usize> {
        let plain = |name: &str| name.replace(['_', '-', ' '], "").to_lowercase();
        let to = plain(to);
        let is_it = |open: &Open| plain(&open.item.name).contains(&to);
        let named = self.calls.iter().position(is_it);
        named.or_else(|| {
            let is_one = |open: &Open| open.item.name.starts_with("transfer_to");
            self.calls.iter().position(is_one)
        })
    }

    pub(super) fn client_called(&mut self, out: &mut BytesMut, called: &ClientCalled) {
        self.close_message(out, Status::Completed);
        let slot = self.take_slot();
        let id = ids::client_call(self.about.id.turn, self.items);
        self.items += 1;
        let index = self.index(slot);
        let writer = &mut self.writer;
        let begun = items::client_call(&id, called, Status::InProgress);
        writer.item(out, "added", index, &begun);
        let arguments = called.arguments.as_str();
        writer.of_item(
            out,
            "response.function_call_arguments.delta",
            index,
            &id,
            &[("delta", arguments)],
        );
        writer.of_item(
            out,
            "response.function_call_arguments.done",
            index,
            &id,
            &[("name", &called.name), ("arguments", arguments)],
        );
        let item = items::client_call(&id, called, Status::Completed);
        writer.item(out, "done", index, &item);
        self.fill(slot, &item);
    }

    pub(super) fn asked(&mut self, out: &mut BytesMut, asked: &ConfirmationAsked) {
        self.close_message(out, Status::Completed);
        let (turn, hash) = (asked.action.turn, asked.action.hash());
        let text = format!("{}\nPlease confirm.", asked.title);
        self.notice(out, format!("msg_{turn}_ask_{hash}"), &text);
        let id = ids::approval(&asked.action, &asked.arguments_hash);
        let slot = self.take_slot();
        let index = self.index(slot);
        let item = items::approval_request(&id, asked);
        self.writer.item(out, "added", index, &item);
        self.writer.item(out, "done", index, &item);
        self.fill(slot, &item);
    }
}
