//! An agent of a team that this script does not know: its instructions' first sentence, and its lookup tools.

use serde_json::Value;

use crate::reply::Reply;
use crate::request::Tool;

use super::outcome::{self, Outcome};
use super::prompts::as_list;
use super::scene::{Moment, Scene};
use super::words::Words;
use super::{TRANSFER, arguments, reception};

const LOOKUP_VERBS: &[&str] = &[
    "look*", "get", "find*", "search*", "list*", "check*", "fetch*", "read*", "show*", "query",
];
const SENTENCE_CHARS_MAX: usize = 200;
/// A shorter word fits every message.
const WORD_CHARS_MIN: usize = 4;

pub(super) fn reply(scene: &Scene<'_>) -> Reply {
    match scene.moment {
        Moment::Results => tell_results(scene),
        Moment::Spoken | Moment::Noted => answer(scene),
    }
}

fn answer(scene: &Scene<'_>) -> Reply {
    if let Some(tool) = reception::fitting_transfer(scene) {
        return Reply::calls(&tool.name, &arguments::for_tool(tool, &[], scene.said()));
    }
    if let Some(tool) = fitting_lookup(scene) {
        return Reply::calls(&tool.name, &arguments::for_tool(tool, &[], scene.said()));
    }
    if Words::of(scene.said()).parts() {
        return Reply::says("You are welcome. Come back any time.");
    }
    Reply::says(format!(
        "{} What can I do for you?",
        introduction(scene.instructions)
    ))
}

fn fitting_lookup<'a>(scene: &Scene<'a>) -> Option<&'a Tool> {
    let lookups = scene
        .request
        .tools
        .iter()
        .filter(|tool| !tool.name.starts_with(TRANSFER) && is_lookup(tool));
    lookups
        .filter(|tool| !scene.called_since_spoken(&tool.name))
        .map(|tool| (fit(tool, scene.said()), tool))
        .filter(|(fit, _)| *fit > 0)
        // The first of equals, so that the order in the request decides.
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, tool)| tool)
}

fn is_lookup(tool: &Tool) -> bool {
    let name = Words::of(&tool.name.replace('_', " "));
    name.any(LOOKUP_VERBS)
        || Words::of(&tool.description)
            .iter()
            .next()
            .is_some_and(|verb| Words::of(verb).any(LOOKUP_VERBS))
}

/// How many words of the message are in the tool's name or description, with or without a plural's s.
pub(super) fn fit(tool: &Tool, message: &str) -> usize {
    let about = Words::of(&format!(
        "{} {}",
        tool.name.replace('_', " "),
        tool.description
    ));
    let singular = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    let about: Vec<String> = about
        .iter()
        .map(singular)
        .filter(|word| word.len() >= WORD_CHARS_MIN)
        .collect();
    Words::of(message)
        .iter()
        .map(singular)
        .filter(|word| about.contains(word))
        .count()
}

/// "You are the concierge of X." as the agent would say it.
pub(super) fn introduction(instructions: &str) -> String {
    let first = instructions
        .trim()
        .split(['\n', '!', '?'])
        .next()
        .unwrap_or_default();
    let first = first
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim()
        .trim_end_matches('.');
    let first = first
        .get(..first.floor_char_boundary(SENTENCE_CHARS_MAX))
        .unwrap_or(first);
    match first.strip_prefix("You are ") {
        Some(who) => format!("Hello, I am {who}."),
        None if first.is_empty() => "Hello.".to_owned(),
        None => format!("Hello. My task here: {first}."),
    }
}

/// Tells what tools found or did, one after the other.
pub(super) fn tell_results(scene: &Scene<'_>) -> Reply {
    let told = scene.results.iter().map(|(call, result)| {
        let name = call.name.replace('_', " ");
        match outcome::read(result) {
            Outcome::Done(_) => found(&name, result),
            outcome @ (Outcome::Refused(_)
            | Outcome::Pending
            | Outcome::NeedsApproval
            | Outcome::Unknown) => outcome::tell(&format!("the step *{name}*"), &outcome),
        }
    });
    Reply::says(told.collect::<Vec<_>>().join("\n\n"))
}

fn found(name: &str, result: &str) -> String {
    match serde_json::from_str::<Value>(result) {
        Ok(value @ Value::Object(_)) => {
            format!("This is what *{name}* says:\n\n{}", as_list(&value))
        }
        Ok(Value::String(text)) => format!("This is what *{name}* says: {text}"),
        Ok(_) | Err(_) => format!("This is what *{name}* says: {}", arguments::query(result)),
    }
}
