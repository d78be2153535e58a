//! What was said, as items, from the history: the same ids as in responses.

pub(crate) mod routes;

use baton_handoff::event::ClientCalled;
use baton_handoff::history::{Item, Role};
use baton_handoff::ids::TurnNumber;
use baton_handoff::record::ToolOutcome;
use serde_json::{Value, json};

use super::ids::{self, ItemId};
use super::items::{self, ServerCall, Status};

/// An item and where it stands.
pub(super) struct Listed {
    pub(super) at: ItemId,
    pub(super) item: Value,
}

/// The items of consecutive turns, oldest first. Answers that others replaced are left out.
pub(super) fn items(history: &[Item]) -> Vec<Listed> {
    let replaced: Vec<_> = history.iter().filter_map(replaced).collect();
    let mut listed = Vec::new();
    let mut of = (0, 0);
    // Calls of the client end a turn, and stand behind all others of their response.
    let mut history: Vec<_> = history.iter().collect();
    history.sort_by_key(|item| (turn_of(item), is_clients(item)));
    for item in history {
        let turn = turn_of(item);
        if replaced.contains(&turn) {
            continue;
        }
        let (before, place) = of;
        let place = if before == turn { place } else { 0 };
        let item = match item {
            Item::Message {
                role: Role::Customer,
                text,
                ..
            } => {
                let item = items::users_message(&ids::users_message(turn), text);
                listed.push(Listed {
                    at: ItemId { turn, place: None },
                    item,
                });
                of = (turn, place);
                continue;
            }
            Item::Message { text, partial, .. } => {
                let status = if *partial {
                    Status::Incomplete
                } else {
                    Status::Completed
                };
                items::message(&ids::message(turn, place, 0), Some(text), status)
            }
            Item::ToolCall {
                client: true,
                call,
                name,
                arguments,
                ..
            } => {
                let called = ClientCalled {
                    call: call.clone(),
                    name: name.clone(),
                    arguments: arguments.clone().unwrap_or_else(|| "{}".to_owned()),
                };
                items::client_call(&ids::client_call(turn, place), &called, Status::Completed)
            }
            Item::ToolCall {
                name,
                arguments,
                outcome,
                result,
                ..
            } => {
                let status = match outcome {
                    Some(ToolOutcome::Ok | ToolOutcome::Pending | ToolOutcome::HandedOff) => {
                        Status::Completed
                    }
                    Some(ToolOutcome::Error) => Status::Failed,
                    None => Status::Incomplete,
                };
                let call = ServerCall {
                    id: ids::server_call(turn, place),
                    name: name.clone(),
                    arguments: arguments.clone().unwrap_or_else(|| "{}".to_owned()),
                };
                call.item(status, result.as_deref())
            }
            Item::HandOff { to, .. } => {
                let call = ServerCall {
                    id: ids::server_call(turn, place),
                    name: format!("transfer_to_{to}"),
                    arguments: "{}".to_owned(),
                };
                let output = json!({ "assistant": to }).to_string();
                call.item(Status::Completed, Some(&output))
            }
            Item::Action { .. } | Item::Turn { .. } => continue,
        };
        listed.push(Listed {
            at: ItemId {
                turn,
                place: Some(place),
            },
            item,
        });
        of = (turn, place + 1);
    }
    listed
}

fn turn_of(item: &Item) -> TurnNumber {
    match item {
        Item::Message { turn, .. }
        | Item::ToolCall { turn, .. }
        | Item::HandOff { turn, .. }
        | Item::Action { turn, .. }
        | Item::Turn { turn, .. } => *turn,
    }
}

fn is_clients(item: &Item) -> bool {
    matches!(item, Item::ToolCall { client: true, .. })
}

fn replaced(item: &Item) -> Option<TurnNumber> {
    match item {
        Item::Turn {
            turn,
            replaced: true,
            ..
        } => Some(*turn),
        Item::Turn { .. }
        | Item::Message { .. }
        | Item::ToolCall { .. }
        | Item::HandOff { .. }
        | Item::Action { .. } => None,
    }
}
