//! Tools that the client executes: a turn ends for them, and the next one begins with their results.

mod answers;
mod offers;
mod windows;

use baton_handoff::event::{ClientCalled, EventKind};
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Message, ModelRequest, ToolDefinition};
use baton_handoff::record::{Meta, WaitingForClient, keys};
use baton_handoff::{Client, ClientResult, ClientTool, Submission};
use serde_json::json;

use crate::model::calls;
use crate::play::{CONVERSATION, Heard, Play, listen, message};

/// A call of the client's tool.
const DOOR: (&str, &str) = ("open_door", r#"{"door":"left"}"#);

const ITEM: (&str, &str) = ("look_up_item", r#"{"search_query":"anvil"}"#);

const NOT_ANSWERED: &str = "Not answered: no result has come from the client.";

fn tool(name: &str) -> ClientTool {
    ClientTool {
        name: name.to_owned(),
        description: "Opens a door of the customer's house.".to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {"door": {"type": "string", "enum": ["left", "right"]}},
            "required": ["door"],
        }),
    }
}

fn result(call: &str, text: &str) -> ClientResult {
    ClientResult {
        call: call.to_owned(),
        result: text.to_owned(),
        failed: false,
    }
}

/// A message of a client that brings this tool.
fn offering(text: &str, name: &str) -> Submission {
    Submission {
        client: Client {
            tools: vec![tool(name)],
            results: Vec::new(),
        },
        ..message(text)
    }
}

/// What a client with the tool sends for the calls that it has executed.
fn answering(results: &[(&str, &str)]) -> Submission {
    let results = results.iter().map(|(call, text)| result(call, text));
    Submission {
        client: Client {
            tools: vec![tool(DOOR.0)],
            results: results.collect(),
        },
        ..message("")
    }
}

fn called(heard: &Heard) -> Vec<ClientCalled> {
    let called = heard.events.iter().filter_map(|event| {
        let EventKind::ClientCalled(called) = &event.kind else {
            return None;
        };
        Some((**called).clone())
    });
    called.collect()
}

/// The conversation waits for its client. Returns the turn that called.
async fn wait_for_client(play: &Play) -> Heard {
    play.model.will([calls(&[DOOR])]);
    let accepted = play.submit(offering("let me in", DOOR.0)).await.unwrap();
    let heard = listen(&accepted).await;
    assert_eq!(called(&heard).len(), 1, "{heard:?}");
    heard
}

/// Answers, and hears the turn.
async fn answer(play: &Play, results: &[(&str, &str)]) -> Heard {
    let accepted = play.submit(answering(results)).await.unwrap();
    listen(&accepted).await
}

fn waiting(play: &Play) -> Option<WaitingForClient> {
    let id = ConversationId::parse(CONVERSATION).unwrap();
    let meta: Meta = play.records.read(&keys::meta(&id));
    meta.waiting_for_client
}

/// The last request without its instructions. In it, as in every one, each call has one result, right behind it.
fn last_request(play: &Play) -> Vec<Message> {
    for request in play.model.requests() {
        let mut open: Vec<String> = Vec::new();
        for message in &request.messages {
            if let Message::Tool { call, .. } = message {
                let at = open.iter().position(|open| open == call);
                open.remove(at.unwrap_or_else(|| panic!("a result without a call: {request:?}")));
                continue;
            }
            assert!(open.is_empty(), "a call without a result: {request:?}");
            if let Message::Assistant { calls, .. } = message {
                open.extend(calls.iter().map(|call| call.id.clone()));
            }
        }
        assert!(open.is_empty(), "a call without a result: {request:?}");
        let ends_well = |message: &Message| !matches!(message, Message::Assistant { .. });
        assert!(request.messages.last().is_some_and(ends_well));
        let two_of_customer = |two: &[Message]| matches!(two, [Message::User(_), Message::User(_)]);
        assert!(!request.messages.windows(2).any(two_of_customer));
    }
    let mut messages = play.model.requests().pop().unwrap().messages;
    messages.remove(0);
    messages
}

/// The results in these messages, by their calls.
fn results_in(messages: &[Message]) -> Vec<(String, String)> {
    let results = messages.iter().filter_map(|message| match message {
        Message::Tool { call, result } => Some((call.clone(), result.to_string())),
        Message::System(_) | Message::User(_) | Message::Assistant { .. } => None,
    });
    results.collect()
}

fn user(text: &str) -> Message {
    Message::User(text.into())
}

/// A request as it is sent.
fn sent(request: &ModelRequest) -> (Vec<Message>, Vec<(String, String, String)>) {
    let definition = |tool: &ToolDefinition| {
        let parameters = tool.parameters.get().to_owned();
        (tool.name.clone(), tool.description.clone(), parameters)
    };
    let tools = request.tools.iter().map(definition).collect();
    (request.messages.clone(), tools)
}

fn names(request: &ModelRequest) -> Vec<&str> {
    request.tools.iter().map(|tool| &*tool.name).collect()
}
