//! Chooses the next answer: the first matching scene of the script. Knows the request only: no sockets, no clock, no state.
//!
//! `conversation` gives texts their names, `results` reads results, `scenes` is the file.
//! A reply consists of the file's words, the customer's own words, and fields named in the file. It never contains instructions,
//! descriptions, notes or whole results, which are written for a model.

mod conversation;
mod results;
mod scenes;

use crate::arguments;
use crate::conversation::{Conversation, Tool};
use crate::reply::{Called, Reply};
use conversation::{Fact, Texts, opening};
pub use scenes::{BadScenes, Scenes};
use scenes::{Call, Scene, Script, Test, spaced};

/// The most words of a value from a conversation.
const VALUE_BYTES_MAX: usize = 200;
/// A shorter word would match every message.
const WORD_BYTES_MIN: usize = 4;

/// The next answer. Equal requests get equal answers.
pub(crate) fn reply(scenes: &Scenes, request: &Conversation) -> Reply {
    let script = scenes.script();
    let (texts, to_answer) = conversation::read(script, request);
    let mut player = Player {
        script,
        request,
        texts,
    };
    for (name, texts) in &script.texts {
        player.texts.insert(name, player.shuffled(texts));
    }
    let replies = to_answer.into_iter().map(|fact| player.answer(fact));
    let mut reply = replies.fold(Reply::default(), Reply::and);
    if reply.text.is_empty() && reply.calls.is_empty() {
        reply = player.answer(Fact::default());
    }
    if let Some(tool) = reply.demanded(request) {
        let said = player.value("said").unwrap_or_default();
        let arguments = arguments::for_tool(tool, &[], &said).to_string();
        reply = Reply::default();
        reply.calls.push(Called::new(&tool.name, arguments));
    }
    reply
}

struct Player<'a> {
    script: &'a Script,
    request: &'a Conversation,
    texts: Texts<'a>,
}

impl Player<'_> {
    /// The reply of the first matching scene.
    fn answer(&mut self, (kind, text): Fact) -> Reply {
        self.texts.insert("result", vec![text]);
        let mut scenes = self.script.scenes.iter().filter(|scene| scene.on == kind);
        let reply = scenes.find_map(|scene| self.perform(scene));
        reply.unwrap_or_default()
    }

    /// The scene's reply, if its conditions hold and its slots have values and its calls tools.
    fn perform(&self, scene: &Scene) -> Option<Reply> {
        let passes = |(name, test): (&String, &Test)| self.script.passes(test, &self.values(name));
        let mut when = scene.when.iter();
        if !scene.when.is_empty() && !when.any(|when| when.iter().all(passes)) {
            return None;
        }
        let template = self.shuffled(&scene.reply).into_iter().next();
        let template = template.unwrap_or_default();
        let mut reply = Reply::says(self.fill(&template)? + &scene.verbatim);
        reply.thoughts.clone_from(&scene.thoughts);
        if let Some(count) = &scene.repeat {
            let count = self.value(count)?.parse().ok()?;
            let words: Vec<_> = reply.text.split(' ').cycle().take(count).collect();
            reply.text = words.join(" ");
        }
        let calls = scene.calls.iter().map(|call| self.call(call));
        let written = scene.as_written.as_ref();
        let written = written.map_or_else(Vec::new, |calls| self.as_written(calls));
        reply.calls = calls.chain(written).collect::<Option<_>>()?;
        Some(reply)
    }

    fn call(&self, call: &Call) -> Option<Called> {
        let said = self.value("said").unwrap_or_default();
        let tried = self.values("tried").concat();
        let is_tried = |tool: &Tool| tried.contains(&opening(&tool.name));
        let is_meant =
            |tool: &&Tool| call.tool.regex.is_match(&tool.name) && (call.again || !is_tried(tool));
        let score = |tool: &&Tool| if call.fits { fit(tool, &said) } else { 1 };
        // The last of the reversed list: equal tools are in the order of the request.
        let tools = self.request.tools.iter().rev().filter(is_meant);
        let tool = tools.max_by_key(score).filter(|tool| score(tool) > 0)?;
        let known = call.arguments.iter();
        let known = known.map(|(name, text)| Some((name, self.fill(text)?)));
        let arguments = arguments::for_tool(tool, &known.collect::<Option<Vec<_>>>()?, &said);
        Some(Called::new(&tool.name, arguments.to_string()))
    }

    /// The calls in the message, with unchanged arguments; none for a tool that is not offered.
    fn as_written(&self, written: &Test) -> Vec<Option<Called>> {
        let said = self.values("said").concat();
        let calls = written.regex.captures_iter(&said).map(|groups| {
            let (_, [name, arguments]) = groups.extract();
            let is_offered = self.request.tools.iter().any(|tool| tool.name == name);
            let none = arguments.is_empty().then_some("{}");
            is_offered.then(|| Called::new(name, none.unwrap_or(arguments)))
        });
        calls.collect()
    }

    /// The template with its slots filled. A part in brackets is left out if a slot has no value.
    fn fill(&self, template: &str) -> Option<String> {
        let parts = template.split(['[', ']']).enumerate();
        let filled = parts.map(|(at, part)| {
            let pieces = part.split(['{', '}']).enumerate();
            let filled = pieces.map(|(at, piece)| match (at % 2, piece.split_once('|')) {
                (0, _) => Some(piece.to_owned()),
                (_, None) => self.value(piece),
                (_, Some((slot, "title"))) => Some(title(&self.value(slot)?)),
                (_, Some((slot, _))) => dollars(&self.value(slot)?),
            });
            let optional = (at % 2 == 1).then(String::new);
            filled.collect::<Option<String>>().or(optional)
        });
        filled.collect()
    }

    /// The start of a text's or slot's first value.
    fn value(&self, name: &str) -> Option<String> {
        let value = self.values(name).into_iter().next()?;
        let (value, _) = value.split_at(value.floor_char_boundary(VALUE_BYTES_MAX));
        Some(value.trim().to_owned())
    }

    fn values(&self, name: &str) -> Vec<String> {
        let mut sources = self.script.slots.get(name).into_iter().flatten();
        let of_slot = || Vec::from_iter(sources.find_map(|source| self.source(source)));
        self.texts.get(name).cloned().unwrap_or_else(of_slot)
    }

    /// `TEXTS`, `TEXTS -> PATTERN`, `TEMPLATE`; all of them with `!= SLOT` behind.
    fn source(&self, source: &str) -> Option<String> {
        let (source, unlike) = source.split_once(" != ").unwrap_or((source, ""));
        let (name, pattern) = source.split_once(" -> ").unwrap_or((source, ""));
        let filled = || Vec::from_iter(self.fill(name));
        let texts = self.texts.get(name).cloned().unwrap_or_else(filled);
        let mut found = texts.into_iter().filter_map(|text| match pattern {
            "" => Some(text),
            _ => self.script.find(pattern, &text),
        });
        let other = self.value(unlike).unwrap_or_default();
        found.find(|text| unlike.is_empty() || !other.eq_ignore_ascii_case(text))
    }

    /// All texts, rotated to start at the one that the conversation's hash chooses.
    fn shuffled(&self, several: &[String]) -> Vec<String> {
        let mut several = several.to_vec();
        let count = u64::try_from(several.len()).unwrap_or_default().max(1);
        several.rotate_left(usize::try_from(self.request.hash() % count).unwrap_or_default());
        several
    }
}

/// How many words of the message are in the tool's name or description, with or without a plural's s.
fn fit(tool: &Tool, said: &str) -> usize {
    let name = tool.name.replace('_', " ");
    let about = spaced(&format!("{name} {}", tool.description));
    let stem = |word: &'_ str| word.trim_end_matches('s').to_owned();
    let about: Vec<_> = about.split(' ').map(stem).collect();
    let is_about = |word: &String| word.len() >= WORD_BYTES_MIN && about.contains(word);
    spaced(said).split(' ').map(stem).filter(is_about).count()
}

/// A product's name in its written form: "rocket-powered unicycle" becomes "Rocket-Powered Unicycle".
fn title(name: &str) -> String {
    let words = name.split_inclusive([' ', '-']).map(|word| {
        let (first, rest) = word.split_at(word.ceil_char_boundary(1));
        first.to_uppercase() + rest
    });
    words.collect()
}

/// US dollars in their written form: "$1,000,000", "$12.50".
fn dollars(amount: &str) -> Option<String> {
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, ""));
    let whole = whole.parse::<u64>().ok()?.to_string();
    let thousands = whole.as_bytes().rchunks(3).rev();
    let thousands: Vec<_> = thousands.map(String::from_utf8_lossy).collect();
    let written = format!("${}.{cents:0<2}", thousands.join(","));
    Some(written.trim_end_matches(".00").to_owned())
}

#[cfg(test)]
mod tests;
