//! What the model says next: the first scene of `scenes.toml` that fits. Knows the request only: no sockets, no clock, no state.
//!
//! `conversation` gives texts their names, `results` reads results, `arguments` fills a call, `scenes` is the file.
//! A reply is made of the file's words, of the customer's own, and of fields that the file names: never of instructions,
//! descriptions, notes or results as they are, which are written for a model.

mod arguments;
mod conversation;
mod results;
mod scenes;

use std::collections::BTreeMap;

use crate::reply::{Called, Reply};
use crate::request::{ChatRequest, Tool, ToolChoice};
use conversation::{Conversation, Cue};
use scenes::{Call, SCRIPT, Scene, Script, Test, spaced};

/// What a response may hold in the clients that this is made for.
const CALLS_MAX: usize = 16;
/// A slot has a few words, not a letter.
const SLOT_BYTES_MAX: usize = 200;
/// A shorter word fits every message.
const WORD_BYTES_MIN: usize = 4;

/// The next answer. Equal requests get equal answers.
pub(crate) fn reply(request: &ChatRequest) -> Reply {
    let conversation = Conversation::new(&SCRIPT, request);
    let mut reply = Reply::default();
    for cue in &conversation.cues {
        let next = Player::new(request, &conversation, *cue).play();
        if !reply.text.is_empty() && !next.text.is_empty() {
            reply.text.push_str("\n\n");
        }
        reply.text.push_str(&next.text);
        reply.calls.extend(next.calls);
    }
    let player = Player::new(request, &conversation, Cue::default());
    if reply.text.is_empty() && reply.calls.is_empty() {
        reply = player.play();
    }
    let called = |tool: &&Tool| reply.calls.iter().any(|call| call.name == tool.name);
    let mut tools = request.tools.iter();
    let demanded = match &request.choice {
        ToolChoice::Auto | ToolChoice::Forbidden => None,
        ToolChoice::Required => tools.next().filter(|_| reply.calls.is_empty()),
        ToolChoice::Named(name) => tools.find(|tool| tool.name == *name && !called(tool)),
    };
    if let Some(tool) = demanded {
        let said = player.value("said").unwrap_or_default();
        reply = Reply::calls(&tool.name, &arguments::for_tool(tool, &[], &said));
    }
    reply
}

/// Answers one cue.
struct Player<'a> {
    script: &'a Script,
    request: &'a ChatRequest,
    on: &'a str,
    texts: BTreeMap<&'a str, Vec<String>>,
    hash: u64,
}

impl<'a> Player<'a> {
    fn new(request: &'a ChatRequest, conversation: &Conversation<'_>, cue: Cue<'a>) -> Self {
        let mut texts = conversation.texts.clone();
        let (tool, asked) = cue
            .call
            .map_or(("", ""), |call| (&call.name, &call.arguments));
        texts.insert("tool", vec![tool.to_owned()]);
        texts.insert("result", vec![results::lines(cue.text, asked)]);
        Self {
            script: &SCRIPT,
            request,
            on: cue.on,
            texts,
            hash: request.hash(),
        }
    }

    fn play(&self) -> Reply {
        let holds = |when: &BTreeMap<String, Test>| {
            when.iter()
                .all(|(name, test)| self.script.passes(test, &self.values(name)))
        };
        let fits = |scene: &&Scene| scene.when.is_empty() || scene.when.iter().any(holds);
        let mut scenes = self
            .script
            .scenes
            .iter()
            .filter(|scene| scene.on == self.on)
            .filter(fits);
        scenes
            .find_map(|scene| self.perform(scene))
            .unwrap_or_default()
    }

    /// The scene's reply, unless one of its slots has no value or one of its calls no tool.
    fn perform(&self, scene: &'a Scene) -> Option<Reply> {
        let template = self.pick(&scene.reply).next().map_or("", String::as_str);
        let mut reply = Reply::says(self.fill(template)? + &scene.verbatim);
        if let Some(count) = &scene.repeat {
            let count = self.value(count)?.parse().ok()?;
            let words: Vec<&str> = reply.text.split(' ').cycle().take(count).collect();
            reply.text = words.join(" ");
        }
        for call in &scene.calls {
            reply.calls.push(self.call(call)?);
        }
        if let Some(written) = &scene.as_written {
            reply.calls = self.as_written(written)?;
        }
        Some(reply)
    }

    fn call(&self, call: &Call) -> Option<Called> {
        let said = self.value("said").unwrap_or_default();
        let tried = self.values("tried");
        let is_meant = |tool: &&&Tool| call.tool.regex.is_match(&tool.name);
        let tools = self.request.tools.iter().filter(|tool| is_meant(&tool));
        let tools = tools.filter(|tool| !tried.contains(&tool.name));
        let tools = tools.map(|tool| (if call.fits { fit(tool, &said) } else { 1 }, tool));
        // The last of the reversed: among equals the order in the request decides.
        let (score, tool) = tools.rev().max_by_key(|(score, _)| *score)?;
        let arguments = call
            .arguments
            .iter()
            .map(|(name, text)| Some((name, self.fill(text)?)));
        let arguments = arguments::for_tool(tool, &arguments.collect::<Option<Vec<_>>>()?, &said);
        let called = || Called {
            name: tool.name.clone(),
            arguments: arguments.to_string(),
        };
        (score > 0).then(called)
    }

    /// Calls that the message has, with its arguments as they are, if all of them are of offered tools.
    fn as_written(&self, written: &Test) -> Option<Vec<Called>> {
        let said = self.texts.get("said")?.first()?;
        let calls = written
            .regex
            .captures_iter(said)
            .take(CALLS_MAX)
            .map(|groups| {
                let text = |group| Some(groups.get(group)?.as_str().trim().to_owned());
                let (name, arguments) = (text(1)?, text(2).filter(|text| !text.is_empty()));
                let arguments = arguments.unwrap_or_else(|| "{}".to_owned());
                let is_offered = self.request.tools.iter().any(|tool| tool.name == name);
                is_offered.then_some(Called { name, arguments })
            });
        calls
            .collect::<Option<Vec<_>>>()
            .filter(|calls| !calls.is_empty())
    }

    /// The template with its slots filled. A part in brackets is left out where a slot has no value.
    fn fill(&self, template: &str) -> Option<String> {
        let pieces = template.split(['[', ']']).enumerate();
        let filled = pieces.map(|(at, piece)| {
            let optional = (at % 2 == 1).then(String::new);
            self.fill_slots(piece).or(optional)
        });
        filled.collect()
    }

    fn fill_slots(&self, piece: &str) -> Option<String> {
        let pieces = piece.split(['{', '}']).enumerate();
        let filled = pieces.map(|(at, piece)| {
            let (slot, filter) = piece.split_once('|').unwrap_or((piece, ""));
            match (at % 2, filter) {
                (0, _) => Some(piece.to_owned()),
                (_, "title") => Some(title(&self.value(slot)?)),
                (_, "lower") => Some(self.value(slot)?.to_lowercase()),
                (_, "dollars") => dollars(&self.value(slot)?),
                (_, _) => self.value(slot),
            }
        });
        filled.collect()
    }

    /// The start of a text's or slot's first value.
    fn value(&self, name: &str) -> Option<String> {
        let mut value = self.values(name).into_iter().next()?;
        value.truncate(value.floor_char_boundary(SLOT_BYTES_MAX));
        Some(value.trim().to_owned())
    }

    fn values(&self, name: &str) -> Vec<String> {
        let of_slot = || {
            let mut sources = self.script.slots.get(name).into_iter().flatten();
            sources
                .find_map(|source| self.source(source))
                .into_iter()
                .collect()
        };
        self.texts.get(name).cloned().unwrap_or_else(of_slot)
    }

    /// `TEXTS`, `TEXTS -> PATTERN`, `TEMPLATE`; all of them with `!= SLOT` behind.
    fn source(&self, source: &str) -> Option<String> {
        let (source, unlike) = source.split_once(" != ").unwrap_or((source, ""));
        let (name, pattern) = source.split_once(" -> ").unwrap_or((source, ""));
        let texts = match (self.texts.get(name), self.script.texts.get(name)) {
            (Some(texts), _) => texts.clone(),
            (None, Some(texts)) => self.pick(texts).cloned().collect(),
            (None, None) => self.fill(name).into_iter().collect(),
        };
        let other = self.value(unlike);
        let mut found = texts.into_iter().filter_map(|text| match pattern {
            "" => Some(text),
            _ => self.script.find(pattern, &text),
        });
        found.find(|text| {
            other
                .as_ref()
                .is_none_or(|other| !other.eq_ignore_ascii_case(text))
        })
    }

    /// All of several, beginning with the one that the hash of the conversation says.
    fn pick(&self, several: &'a [String]) -> impl Iterator<Item = &'a String> + use<'a> {
        let count = u64::try_from(several.len()).unwrap_or_default().max(1);
        let first = usize::try_from(self.hash % count).unwrap_or_default();
        several.iter().cycle().skip(first).take(several.len())
    }
}

/// How many words of the message are in the tool's name or description, with or without a plural's s.
fn fit(tool: &Tool, said: &str) -> usize {
    let about = spaced(&format!(
        "{} {}",
        tool.name.replace('_', " "),
        tool.description
    ));
    let about: Vec<_> = about
        .split(' ')
        .map(|word| word.trim_end_matches('s'))
        .collect();
    let said = spaced(said);
    let words = said.split(' ').map(|word| word.trim_end_matches('s'));
    words
        .filter(|word| word.len() >= WORD_BYTES_MIN && about.contains(word))
        .count()
}

/// "rocket-powered unicycle" as a product is written: "Rocket-Powered Unicycle".
fn title(name: &str) -> String {
    let words = name.split_inclusive([' ', '-']).map(|word| {
        let (first, rest) = word.split_at(word.ceil_char_boundary(1));
        first.to_uppercase() + rest
    });
    words.collect()
}

/// US dollars as they are written: "$1,000,000", "$12.50".
fn dollars(amount: &str) -> Option<String> {
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, ""));
    let mut written = whole.parse::<u64>().ok()?.to_string();
    for at in (1..written.len())
        .rev()
        .filter(|at| (whole.len() - at).is_multiple_of(3))
    {
        written.insert(at, ',');
    }
    let cents = if cents.is_empty() {
        String::new()
    } else {
        format!(".{cents:0<2}")
    };
    Some(format!("${written}{cents}"))
}

#[cfg(test)]
mod tests;
