//! The conversation as facts: the texts that scenes name, and the facts to answer. Knows no scene.

use std::collections::BTreeMap;

use crate::conversation::{Call, Conversation, Message};

use super::results::lines;
use super::scenes::Script;

/// One fact: its kind (said, called or reported) and its text.
pub(super) type Fact = (&'static str, String);
pub(super) type Texts<'a> = BTreeMap<&'a str, Vec<String>>;

/// The first line of a call and of its result.
pub(super) fn opening(tool: &str) -> String {
    format!("tool={tool}\n")
}

/// All facts, oldest first. Results, notes and calls are in lines.
fn facts(script: &Script, request: &Conversation) -> Vec<Fact> {
    let matches = |pattern, text: &str| script.find(pattern, text).is_some();
    let mut facts: Vec<Fact> = Vec::new();
    let mut open: &[Call] = &[];
    for message in &request.messages {
        match message {
            // The first system message has the instructions; a later one is a note.
            Message::System(text) if of(&facts, &["instructions", "agent"]).is_empty() => {
                facts.push(("instructions", text.clone()));
            }
            Message::User(text) if !matches("note", text) => facts.push(("customer", text.clone())),
            Message::System(text) | Message::User(text) => {
                let listed = text.lines().filter(|line| line.starts_with("- "));
                let whole = listed.clone().next().is_none().then_some(text.as_str());
                facts.extend(listed.chain(whole).map(|note| ("note", lines(note, ""))));
            }
            Message::Assistant { text, calls, .. } => {
                facts.push(("agent", text.clone()));
                let arguments = |call: &Call| lines(&call.arguments, "");
                let called = calls
                    .iter()
                    .map(|call| opening(&call.name) + &arguments(call));
                facts.extend(called.map(|call| ("called", call)));
                open = calls;
            }
            Message::Result { call_id, text } => {
                let call = open.iter().find(|call| call.id == *call_id);
                let (name, asked) = call.map_or(("", ""), |call| (&call.name, &call.arguments));
                let result = opening(name) + &lines(text, asked);
                if !matches("hand_off", name) {
                    facts.push(("result", result));
                } else if script.find("outcome", &result).as_deref() != Some("refused") {
                    let led_here = of(&facts, &["customer"]).into_iter().next();
                    facts.push(("handed over", led_here.unwrap_or_default()));
                }
            }
        }
    }
    facts
}

/// The texts by their names, and the facts to answer; the customer has no kind.
pub(super) fn read<'a>(script: &Script, request: &Conversation) -> (Texts<'a>, Vec<Fact>) {
    let facts = facts(script, request);
    let here = since(&facts, |(kind, _)| *kind == "handed over");
    let closes = |call: &str| script.find("closing", call).is_some();
    let case = since(here, |(kind, text)| *kind == "called" && closes(text));
    let turn = since(&facts, |(kind, _)| *kind == "customer");
    let latest = of(case, &["customer", "handed over"]);
    let tools = request.tools.iter().map(|tool| tool.name.clone());
    let texts = BTreeMap::from([
        ("said", of(turn, &["customer"])),
        ("case", latest.iter().rev().cloned().collect()),
        ("latest", latest),
        ("customer", of(&facts, &["customer"])),
        ("own", of(case, &["agent"])),
        ("answers", of(&facts, &["agent"])),
        ("acted", of(turn, &["agent"])),
        ("arrived", of(turn, &["handed over"])),
        ("called", of(here, &["called"])),
        ("tried", of(turn, &["called"])),
        ("instructions", of(&facts, &["instructions"])),
        ("tools", tools.collect()),
    ]);

    let open = since(&facts, |(kind, _)| *kind == "agent");
    let has = |kind| open.iter().any(|fact| fact.0 == kind);
    let tells = has("result") && !has("customer") && !has("handed over");
    let only_noted = has("note") && !has("customer") && !has("called");
    let answers = |kind: &'static str| open.iter().filter(move |fact| fact.0 == kind).cloned();
    let mut to_answer: Vec<Fact> = answers("note").collect();
    to_answer.extend(answers("result").filter(|_| tells));
    to_answer.extend((!tells && !only_noted).then(Fact::default));
    (texts, to_answer)
}

/// The facts from the last one of this kind on, or all.
fn since(facts: &[Fact], is_first: impl Fn(&Fact) -> bool) -> &[Fact] {
    let first = facts.iter().rposition(is_first).unwrap_or(0);
    facts.get(first..).unwrap_or_default()
}

/// The texts of these kinds, newest first.
fn of(facts: &[Fact], kinds: &[&str]) -> Vec<String> {
    let such = facts.iter().rev().filter(|(kind, _)| kinds.contains(kind));
    such.map(|(_, text)| text.clone()).collect()
}
