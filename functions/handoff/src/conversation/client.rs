//! What a message brings for tools that the client executes itself: their definitions, and the results of calls that wait for them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::message::Refusal;
use crate::ports::Millis;
use crate::record::{CLIENT_WAIT, ClientAnswer, FromClient, Meta, OfferedTool, ToolOutcome, size};
use crate::team::Team;
use crate::team::client::is_name;

/// The client's part of a submission. Nothing, for most.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The tools that the model may call in this turn, and the client executes. At most 16, and 16 KB together.
    pub tools: Vec<ClientTool>,
    /// The results of the calls that wait for the client.
    pub results: Vec<ClientResult>,
}

/// A tool that the client executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTool {
    /// The client's name for it: `[A-Za-z0-9_-]`, at most 64 of them; unique among the client's.
    pub name: String,
    /// When to call it and what it does, for the model.
    pub description: String,
    /// The JSON Schema of the arguments, an object.
    pub parameters: Value,
}

/// The result of a call that the client was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientResult {
    /// The id of the call, as in [`ClientCalled`](crate::event::ClientCalled).
    pub call: String,
    /// The text for the model.
    pub result: String,
    /// The call failed, and the text says why.
    pub failed: bool,
}

impl Client {
    /// Whether this can be taken beside this message, whatever conversation it is for.
    pub(super) fn check(&self, message: &str) -> Result<(), Refusal> {
        let refuse = |sentence: String| Err(Refusal::ClientTools(sentence));
        if self.tools.is_empty() && self.results.is_empty() {
            return Ok(());
        }
        if size::stored_len(message) > 6 * size::MESSAGE - size::CLIENT {
            return refuse(
                "the message is too long to come with tools or results of the client".to_owned(),
            );
        }
        if self.tools.len() > size::CLIENT_TOOLS {
            let (found, most) = (self.tools.len(), size::CLIENT_TOOLS);
            return refuse(format!(
                "the client brings {found} tools, and at most {most} are taken"
            ));
        }
        let mut names = BTreeSet::new();
        for ClientTool {
            name, parameters, ..
        } in &self.tools
        {
            if !is_name(name) {
                return refuse(
                    "a tool's name must be 1 to 64 of the characters A-Z, a-z, 0-9, _ and -"
                        .to_owned(),
                );
            }
            if !names.insert(name) {
                return refuse(format!("two tools have the name {name}"));
            }
            if !parameters.is_object() {
                return refuse(format!(
                    "the parameters of the tool {name} must be a JSON Schema, an object"
                ));
            }
        }
        let tools = self.tools.iter();
        let bytes: usize = tools
            .map(|tool| {
                let schema = tool.parameters.to_string();
                tool.name.len() + size::stored_len(&tool.description) + schema.len()
            })
            .sum();
        if bytes > size::CLIENT_DEFINITIONS {
            let most = size::CLIENT_DEFINITIONS;
            return refuse(format!(
                "the definitions of the client's tools are {bytes} bytes long together, and at most {most} are taken"
            ));
        }
        Ok(())
    }

    /// The record of it, with the results as they were taken.
    pub(super) fn recorded(&self, team: &Team, results: Vec<ClientAnswer>) -> FromClient {
        let names: Vec<_> = self.tools.iter().map(|tool| tool.name.as_str()).collect();
        let tools = self.tools.iter().zip(team.other_names(&names));
        let tools = tools.map(|(tool, other_name)| OfferedTool {
            name: tool.name.clone(),
            other_name,
            description: tool.description.clone(),
            parameters: tool.parameters.clone(),
        });
        FromClient {
            tools: tools.collect(),
            results,
        }
    }
}

/// Whether the conversation waits for each of these results. So it does for none.
pub(super) fn are_awaited(meta: &Meta, results: &[ClientResult], now: Millis) -> bool {
    let mut answered = BTreeSet::new();
    let calls = meta.waiting_for_client.as_ref();
    let calls = calls.filter(|waiting| now < waiting.until);
    let calls = calls.map_or(&[][..], |waiting| &waiting.calls);
    let is_open = |call: &String| calls.iter().any(|open| open.call == *call);
    let mut results = results.iter();
    results.all(|result| is_open(&result.call) && answered.insert(&result.call))
}

/// Takes the results, and closes the calls: by their results, or by a message that brings none. `None`: a result is not awaited.
pub(super) fn answer(
    meta: &mut Meta,
    results: &[ClientResult],
    now: Millis,
) -> Option<Vec<ClientAnswer>> {
    if !are_awaited(meta, results, now) {
        return None;
    }
    let mut stays = results.is_empty() && sabotage!(ClientCallsStayOpen);
    stays |= !results.is_empty() && sabotage!(ClientAnswersTwice);
    let Some(waiting) = meta.waiting_for_client.clone() else {
        return Some(Vec::new());
    };
    if !stays {
        meta.waiting_for_client = None;
    }
    let began = waiting.until.saturating_sub(CLIENT_WAIT);
    let bound = size::result_bound(waiting.calls.len());
    let answers = results.iter().map(|result| {
        let open = waiting.calls.iter().find(|open| open.call == result.call);
        ClientAnswer {
            call: result.call.clone(),
            name: open.map(|open| open.name.clone()).unwrap_or_default(),
            outcome: if result.failed {
                ToolOutcome::Error
            } else {
                ToolOutcome::Ok
            },
            result: size::shorten(&result.result, bound),
            milliseconds: now.saturating_sub(began),
        }
    });
    Some(answers.collect())
}
