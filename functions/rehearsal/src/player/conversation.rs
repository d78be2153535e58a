//! The conversation as the scenes see it: named texts, and what is to be answered. Knows no scene.

use std::collections::BTreeMap;

use crate::request::{Call, ChatRequest, Message, Role};

use super::results::lines;
use super::scenes::Script;

pub(super) struct Conversation<'a> {
    pub(super) texts: BTreeMap<&'static str, Vec<String>>,
    pub(super) cues: Vec<Cue<'a>>,
}

/// What is to be answered: the customer, a result, or a note about one.
#[derive(Clone, Copy, Default)]
pub(super) struct Cue<'a> {
    pub(super) on: &'static str,
    pub(super) call: Option<&'a Call>,
    pub(super) text: &'a str,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(script: &Script, request: &'a ChatRequest) -> Self {
        let messages = request.messages.as_slice();
        let from = |at: usize| messages.get(at..).unwrap_or_default().iter();
        let matches = |pattern, text: &str| script.find(pattern, text).is_some();
        let is_note = |m: &&Message| m.role() == Role::User && matches("note", m.text());
        let is_agents = |m: &&Message| m.role() == Role::Assistant;
        let is_customers =
            |m: &&Message| m.role() == Role::User && !m.text().trim().is_empty() && !is_note(m);
        let is_hand_off = |call: &Call| matches("hand_off", &call.name);
        let results = |at: usize| {
            let result = move |call: &'a Call| {
                let mut results = from(at + 1).map_while(Message::result);
                Some((call, results.find(|(id, _)| *id == call.id)?.1))
            };
            from(at).take(1).flat_map(Message::calls).filter_map(result)
        };
        let hands_off = |at: &usize| {
            results(*at).any(|(call, text)| {
                let outcome = script.find("outcome", &lines(text, ""));
                is_hand_off(call) && outcome.as_deref() != Some("refused")
            })
        };
        let last = |is: &dyn Fn(&&Message) -> bool| messages.iter().rposition(|m| is(&m));

        let begin = (0..messages.len()).rev().find(hands_off).unwrap_or(0);
        let closes = |m: &&Message| m.calls().iter().any(|call| matches("closing", &call.name));
        let since = last(&closes).map_or(0, |at| at + 1).max(begin);
        let led_here = messages.iter().take(begin).rposition(|m| is_customers(&m));
        let case = if since == begin {
            led_here.unwrap_or(0)
        } else {
            since
        };
        let spoken = last(&is_customers).unwrap_or(0);
        let answered = last(&is_agents);

        let text = |m: &Message| m.text().to_owned();
        let customers = |at| from(at).filter(is_customers).map(text);
        let calls = |at| from(at).flat_map(Message::calls);
        let name = |call: &Call| call.name.clone();
        let mark = |is: bool| is.then(|| "yes".to_owned()).into_iter().collect();
        let systems = from(0).filter(|m| m.role() == Role::System);
        let texts = BTreeMap::from([
            ("said", customers(spoken).take(1).collect()),
            ("case", customers(case).collect()),
            ("latest", customers(case).rev().collect()),
            ("customer", customers(0).rev().collect()),
            (
                "own",
                from(since).filter(is_agents).map(text).rev().collect(),
            ),
            ("answers", from(0).filter(is_agents).map(text).collect()),
            ("acted", mark(from(spoken).any(|m| is_agents(&m)))),
            ("arrived", mark(begin > spoken)),
            ("called", calls(begin).map(name).collect()),
            ("tried", calls(spoken).map(name).collect()),
            (
                "arguments",
                calls(begin)
                    .rev()
                    .map(|call| lines(&call.arguments, ""))
                    .collect(),
            ),
            ("instructions", systems.map(text).take(1).collect()),
            (
                "tools",
                request.tools.iter().map(|tool| tool.name.clone()).collect(),
            ),
        ]);

        let open = || from(answered.map_or(0, |at| at + 1));
        // The first system message instructs; a later one tells.
        let told = open().filter(|m| m.role() == Role::System);
        let told = told.skip(usize::from(answered.is_none()));
        let mut cues = Vec::new();
        for note in told.chain(open().filter(is_note)).map(Message::text) {
            let cue = |text| Cue {
                on: "note",
                call: None,
                text,
            };
            let listed: Vec<_> = note.lines().filter(|line| line.starts_with("- ")).collect();
            let whole = listed.is_empty().then_some(note);
            cues.extend(listed.into_iter().chain(whole).map(cue));
        }
        let results: Vec<_> = answered.into_iter().flat_map(results).collect();
        let waits = open().any(|m| is_customers(&m));
        let only_noted = results.is_empty() && !cues.is_empty() && !waits;
        let count = cues.len();
        if !waits && !answered.is_some_and(|at| hands_off(&at)) {
            let of_tools = results.into_iter().filter(|(call, _)| !is_hand_off(call));
            cues.extend(of_tools.map(|(call, text)| Cue {
                on: "result",
                call: Some(call),
                text,
            }));
        }
        if cues.len() == count && !only_noted {
            cues.push(Cue::default());
        }
        Self { texts, cues }
    }
}
