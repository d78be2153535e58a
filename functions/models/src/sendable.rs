//! A conversation as the strictest service takes it: roles in order, no blank text, names, ids and arguments in the form that every
//! service reads, whatever a model made up.
//! Knows the port's messages; no wire format. Every format writes this list, and not the port's.
//!
//! What comes out, for messages in which every call has its result right behind it:
//!
//! | part | rule |
//! | --- | --- |
//! | instructions | apart, joined; a later system message becomes a user message |
//! | order | the first message is a user's; user and assistant alternate, results stand right behind their calls, and behind results comes an assistant |
//! | text | never blank; empty only beside calls |
//! | name of a call | 1 to 64 of `A-Z`, `a-z`, `0-9`, `_`, `-` |
//! | id of a call | 1 to 40 of the same, once in the whole list, the same at the call and at its result |
//! | arguments | the text of a JSON object |

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use baton_handoff::ports::{Message, ToolCall, ToolDefinition};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The most characters of a call's name.
const NAME: usize = 64;
/// The most characters of a call's id: OpenAI takes 40 in Chat Completions, 64 in Responses.
const ID: usize = 40;
/// Stands between results and the next user message where an answer broke off: some services refuse a user behind a result, and a
/// model should know why there is no answer.
const BROKE_OFF: &str = "(This answer broke off.)";
/// Stands before a conversation that begins with the assistant.
const LEFT_OUT: &str = "(Earlier messages are left out.)";
/// Stands for a blank text of a user.
const BLANK: &str = "…";
/// Stands for a blank result.
const NO_RESULT: &str = "(no result)";
/// Arguments of a call that brought none, or none that is an object. The call's result says what was wrong with them.
const NO_ARGUMENTS: &str = "{}";

/// The list. See the module for what holds in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Sendable<'a> {
    /// The instructions; empty if there are none.
    pub instructions: Cow<'a, str>,
    /// The messages behind them.
    pub messages: Vec<Said<'a>>,
}

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// The user's.
    User(Cow<'a, str>),
    /// The model's.
    Assistant {
        /// The text; empty only if there are calls.
        text: Cow<'a, str>,
        /// The calls; [`Said::Results`] with as many results is right behind them.
        calls: Vec<SentCall<'a>>,
        /// What the service wants back, if it may be sent: see [`Message::Assistant`].
        opaque: Option<&'a str>,
    },
    /// The results of the calls before, in their order.
    Results(Vec<SentResult<'a>>),
}

/// A call.
#[derive(Debug, PartialEq, Eq)]
pub struct SentCall<'a> {
    /// Unique in the list.
    pub id: Cow<'a, str>,
    /// The name.
    pub name: Cow<'a, str>,
    /// A JSON object.
    pub arguments: &'a str,
}

/// A result.
#[derive(Debug, PartialEq, Eq)]
pub struct SentResult<'a> {
    /// The id of its call.
    pub id: Cow<'a, str>,
    /// The name of its call.
    pub name: Cow<'a, str>,
    /// Never blank.
    pub text: &'a str,
}

impl<'a> Sendable<'a> {
    /// These messages, in order.
    pub fn new(messages: &'a [Message]) -> Self {
        let mut list = List {
            instructions: Cow::Borrowed(""),
            messages: Vec::with_capacity(messages.len()),
            ids: HashSet::new(),
            open: Vec::new(),
        };
        for message in messages {
            list.push(message);
        }
        Self {
            instructions: list.instructions,
            messages: list.messages,
        }
    }

    /// The tools to declare: these, or, where there are none and the history has calls, the names that it uses. Some services refuse a
    /// history with calls whose tools are not declared.
    pub fn tools(&self, tools: &Arc<[ToolDefinition]>) -> Arc<[ToolDefinition]> {
        if !tools.is_empty() {
            return Arc::clone(tools);
        }
        let mut names: Vec<&str> = Vec::new();
        for call in self.messages.iter().flat_map(Said::calls) {
            if !names.contains(&&*call.name) {
                names.push(&call.name);
            }
        }
        names.into_iter().filter_map(gone).collect()
    }
}

impl<'a> Said<'a> {
    /// The calls of this message.
    pub fn calls(&self) -> &[SentCall<'a>] {
        match self {
            Self::Assistant { calls, .. } => calls,
            Self::User(_) | Self::Results(_) => &[],
        }
    }
}

/// A tool of the past that nobody here has.
fn gone(name: &str) -> Option<ToolDefinition> {
    /// OpenAI demands the empty list.
    const NOTHING: &str = r#"{"type":"object","properties":{}}"#;
    Some(ToolDefinition {
        name: name.to_owned(),
        description: "Not available any more. Do not call it.".to_owned(),
        parameters: Arc::from(RawValue::from_string(NOTHING.to_owned()).ok()?),
    })
}

struct List<'a> {
    instructions: Cow<'a, str>,
    messages: Vec<Said<'a>>,
    ids: HashSet<Cow<'a, str>>,
    /// The calls that have no result yet, by the id that the model gave them.
    open: Vec<(&'a str, Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> List<'a> {
    fn push(&mut self, message: &'a Message) {
        match message {
            Message::System(text) if self.messages.is_empty() => join(&mut self.instructions, text),
            Message::System(text) | Message::User(text) => self.user(text),
            Message::Assistant {
                text,
                calls,
                opaque,
            } => self.assistant(text, calls, opaque.as_deref()),
            Message::Tool { call, result } => self.result(call, result),
        }
    }

    fn user(&mut self, text: &'a str) {
        match self.messages.last_mut() {
            Some(Said::User(before)) => return join(before, text),
            Some(Said::Results(_)) => self.messages.push(plain(BROKE_OFF)),
            Some(Said::Assistant { .. }) | None => {}
        }
        let text = if is_blank(text) { BLANK } else { text };
        self.messages.push(Said::User(Cow::Borrowed(text)));
    }

    fn assistant(&mut self, text: &'a str, calls: &'a [ToolCall], opaque: Option<&'a str>) {
        let text = if is_blank(text) { "" } else { text };
        if text.is_empty() && calls.is_empty() {
            return;
        }
        if self.messages.is_empty() {
            self.messages.push(Said::User(Cow::Borrowed(LEFT_OUT)));
        }
        let calls = calls.iter().map(|call| self.call(call)).collect();
        let Some(Said::Assistant {
            text: before,
            calls: none,
            opaque: old,
        }) = self.messages.last_mut()
        else {
            let text = Cow::Borrowed(text);
            return self.messages.push(Said::Assistant {
                text,
                calls,
                opaque,
            });
        };
        // What the service wants back belongs to one message of its own, and to no joined one.
        *old = None;
        *none = calls;
        join(before, text);
    }

    fn call(&mut self, call: &'a ToolCall) -> SentCall<'a> {
        let (id, name) = (self.id(&call.id), name(&call.name));
        self.open.push((&call.id, id.clone(), name.clone()));
        SentCall {
            id,
            name,
            arguments: arguments(&call.arguments),
        }
    }

    /// The id, or a replacement that is the same in every request as long as the messages before it are.
    fn id(&mut self, id: &'a str) -> Cow<'a, str> {
        let fits = is_id(id);
        let mut sent = Cow::Borrowed(id);
        let mut occurrence = 0;
        while !(fits || occurrence > 0) || self.ids.contains(&sent) {
            sent = Cow::Owned(replaced(id, occurrence));
            occurrence += 1;
        }
        self.ids.insert(sent.clone());
        sent
    }

    fn result(&mut self, call: &str, text: &'a str) {
        let Some(at) = self.open.iter().position(|(given, _, _)| *given == call) else {
            return;
        };
        let (_, id, name) = self.open.remove(at);
        let text = if is_blank(text) { NO_RESULT } else { text };
        let result = SentResult { id, name, text };
        if let Some(Said::Results(results)) = self.messages.last_mut() {
            results.push(result);
        } else {
            self.messages.push(Said::Results(vec![result]));
        }
    }
}

fn plain(text: &str) -> Said<'_> {
    Said::Assistant {
        text: Cow::Borrowed(text),
        calls: Vec::new(),
        opaque: None,
    }
}

/// One text behind the other; a blank one adds nothing.
fn join<'a>(before: &mut Cow<'a, str>, text: &'a str) {
    if is_blank(text) {
        return;
    }
    if before.is_empty() {
        *before = Cow::Borrowed(text);
    } else {
        *before = Cow::Owned(format!("{before}\n\n{text}"));
    }
}

/// Nothing but white space.
pub fn is_blank(text: &str) -> bool {
    text.trim_start().is_empty()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Whether every service takes this as the id of a call.
pub fn is_id(id: &str) -> bool {
    (1..=ID).contains(&id.len()) && id.bytes().all(is_plain)
}

/// The name of a call, as every service takes it.
pub fn name(name: &str) -> Cow<'_, str> {
    if (1..=NAME).contains(&name.len()) && name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let plain = |letter: char| match u8::try_from(letter) {
        Ok(byte) if is_plain(byte) => letter,
        Ok(_) | Err(_) => '_',
    };
    let name: String = name.chars().take(NAME).map(plain).collect();
    Cow::Owned(if name.is_empty() { "_".into() } else { name })
}

/// Nine letters and digits, for no service is stricter than that.
fn replaced(id: &str, occurrence: u32) -> String {
    // FNV-1a: the same in every process and every version.
    let bytes = id.bytes().chain(occurrence.to_be_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("c{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
}

/// The arguments of a past call as a JSON object. Services parse them, and answer 400 for ever to a history with malformed ones.
pub fn arguments(arguments: &str) -> &str {
    let is_object = arguments.trim_start().starts_with('{') && {
        // Half a character as an escape is no text for most services, and is not seen by skipping.
        if arguments.contains("\\u") {
            serde_json::from_str::<Map<String, Value>>(arguments).is_ok()
        } else {
            serde_json::from_str::<IgnoredAny>(arguments).is_ok()
        }
    };
    if is_object { arguments } else { NO_ARGUMENTS }
}

/// The arguments of a call as they came. What models and services write for no arguments is an empty object. Anything else is left as
/// it is, an object inside a text too: the call's result says what is wrong, and nothing is done that was not plainly asked for.
pub fn received(arguments: String) -> String {
    match arguments.trim() {
        "" | "null" | "[]" | "\"\"" | "[{}]" => NO_ARGUMENTS.to_owned(),
        _ => arguments,
    }
}

#[cfg(test)]
mod tests;
