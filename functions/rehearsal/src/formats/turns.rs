//! Conversations of two roles that take turns, and the rules that services with such formats share. Each says a broken rule in
//! its own words.

use crate::conversation::{Call, Message, Thought, Tool, bound};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Assistant,
}

/// One message of a request.
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) blocks: Vec<Block>,
}

/// A part of a message.
pub(super) enum Block {
    Text(String),
    Thought(Thought),
    Call(Call),
    /// The result of the call with this id.
    Result(String, String),
}

/// What a service demands beyond pairs of calls and results.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a rule, which holds or not"
)]
pub(super) struct Rules {
    /// A call that a thought led to comes back with the thought, in the turn in which it was made.
    pub(super) thoughts_return: bool,
    /// No two messages of one role in a row.
    pub(super) alternates: bool,
    /// Results stand before texts.
    pub(super) results_first: bool,
    /// Tools are offered where a call was made.
    pub(super) declares: bool,
    /// Which texts are refused.
    pub(super) is_blank: fn(&str) -> bool,
    /// Whether a thought is as it was given, with what stands before it.
    pub(super) is_sealed: fn(&Thought, u64) -> bool,
}

/// A broken rule, and where.
pub(super) struct Slip {
    /// The message.
    pub(super) at: usize,
    /// The block in it.
    pub(super) block: usize,
    pub(super) rule: Rule,
}

pub(super) enum Rule {
    /// There are no messages.
    None,
    /// The first is not the user's.
    Begins,
    /// The last is not the user's.
    Ends,
    Alternates,
    /// A message without blocks.
    Empty,
    Blank,
    /// A call by the user, or a result or a thought where none belongs.
    Misplaced,
    /// Calls with these ids without results in the next message.
    Unanswered(Vec<String>),
    /// A result without a call with its id in the message before.
    Unasked(String),
    Twice(String),
    /// A result behind a text.
    LateResult,
    Undeclared,
    ThoughtLost,
    ThoughtChanged,
}

/// The messages of a request, behind those of the system.
pub(super) fn messages(
    system: Vec<Message>,
    turns: Vec<Turn>,
    tools: &[Tool],
    rules: &Rules,
) -> Result<Vec<Message>, Slip> {
    let slip = |at, block, rule| Err(Slip { at, block, rule });
    match (turns.first(), turns.last()) {
        (Some(first), _) if first.role != Role::User => return slip(0, 0, Rule::Begins),
        (_, Some(last)) if last.role != Role::User => return slip(turns.len() - 1, 0, Rule::Ends),
        (_, Some(_)) => {}
        (_, None) => return slip(0, 0, Rule::None),
    }
    let has_text = |turn: &Turn| {
        let mut blocks = turn.blocks.iter();
        turn.role == Role::User && blocks.any(|block| matches!(block, Block::Text(_)))
    };
    let current = turns.iter().rposition(has_text).unwrap_or(0);
    let mut messages = system;
    let mut ids: Vec<String> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut role = None;
    for (at, turn) in turns.into_iter().enumerate() {
        if role == Some(turn.role) && rules.alternates {
            return slip(at, 0, Rule::Alternates);
        }
        if turn.blocks.is_empty() {
            return slip(at, 0, Rule::Empty);
        }
        role = Some(turn.role);
        let asked = std::mem::take(&mut open);
        let read = Read::of(at, turn, rules, &asked)?;
        if (!read.calls.is_empty() || !read.results.is_empty())
            && tools.is_empty()
            && rules.declares
        {
            return slip(at, 0, Rule::Undeclared);
        }
        let answered = |id: &&String| !read.results.iter().any(|(result, _)| result == *id);
        let missing: Vec<String> = asked.iter().filter(answered).cloned().collect();
        if !missing.is_empty() {
            return slip(at - 1, 0, Rule::Unanswered(missing));
        }
        for call in &read.calls {
            if ids.contains(&call.id) {
                return slip(at, 0, Rule::Twice(call.id.clone()));
            }
            ids.push(call.id.clone());
            open.push(call.id.clone());
        }
        let before = bound(tools, &messages);
        let is_changed = |thought: &Thought| !(rules.is_sealed)(thought, before);
        if let Some(block) = read.thoughts.iter().position(is_changed) {
            return slip(at, block, Rule::ThoughtChanged);
        }
        let wants_thought = read.calls.iter().any(Call::is_thought_out) && at > current;
        if wants_thought && rules.thoughts_return && read.thoughts.is_empty() {
            return slip(at, 0, Rule::ThoughtLost);
        }
        read.append(role, &mut messages);
    }
    Ok(messages)
}

/// The blocks of one message, by their kinds.
#[derive(Default)]
struct Read {
    texts: Vec<String>,
    thoughts: Vec<Thought>,
    calls: Vec<Call>,
    results: Vec<(String, String)>,
}

impl Read {
    fn of(at: usize, turn: Turn, rules: &Rules, asked: &[String]) -> Result<Self, Slip> {
        let mut read = Self::default();
        for (block, content) in turn.blocks.into_iter().enumerate() {
            let slip = |rule| Err(Slip { at, block, rule });
            match (turn.role, content) {
                (_, Block::Text(text)) if (rules.is_blank)(&text) => return slip(Rule::Blank),
                (_, Block::Text(text)) => read.texts.push(text),
                (Role::Assistant, Block::Thought(thought)) => read.thoughts.push(thought),
                (Role::Assistant, Block::Call(call)) => read.calls.push(call),
                (Role::User, Block::Result(id, text)) => {
                    if !asked.contains(&id) {
                        return slip(Rule::Unasked(id));
                    }
                    if read.results.iter().any(|(known, _)| *known == id) {
                        return slip(Rule::Twice(id));
                    }
                    if !read.texts.is_empty() && rules.results_first {
                        return slip(Rule::LateResult);
                    }
                    read.results.push((id, text));
                }
                (Role::User, Block::Thought(_) | Block::Call(_))
                | (Role::Assistant, Block::Result(..)) => return slip(Rule::Misplaced),
            }
        }
        Ok(read)
    }

    fn append(self, role: Option<Role>, messages: &mut Vec<Message>) {
        let text = self.texts.join("\n");
        if role == Some(Role::Assistant) {
            messages.push(Message::Assistant {
                text,
                calls: self.calls,
                thoughts: self.thoughts,
            });
            return;
        }
        let results = self.results.into_iter();
        messages.extend(results.map(|(call_id, text)| Message::Result { call_id, text }));
        if !self.texts.is_empty() {
            messages.push(Message::User(text));
        }
    }
}
