//! What a client reads: lines and events, checked for what holds of every stream.

use serde::Deserialize;
use serde_json::Value;

/// One line of the original's format.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Line {
    pub(crate) content: Content,
    pub(crate) id: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) retryable: Option<bool>,
    #[serde(default)]
    pub(crate) turn: Option<u32>,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) step: Option<u32>,
    #[serde(default)]
    pub(crate) action: Option<String>,
    #[serde(default)]
    pub(crate) arguments_hash: Option<String>,
    #[serde(default)]
    pub(crate) expires_at: Option<u64>,
}

impl Line {
    pub(crate) fn parse(line: &str) -> Self {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }
}

/// `TURN.STEP.FENCE.OFFSET`, as numbers.
pub(crate) fn position(id: &str) -> [u64; 4] {
    let numbers: Vec<u64> = id.split('.').map(|part| part.parse().unwrap()).collect();
    numbers
        .try_into()
        .unwrap_or_else(|_| panic!("{id:?} is not a position"))
}

/// A whole stream of lines.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) conversation: String,
    pub(crate) number: u32,
    pub(crate) lines: Vec<Line>,
}

impl Turn {
    /// Checks what holds of every stream: positions rise, and the one `done` line is the last one.
    pub(crate) fn of(conversation: String, number: u32, lines: Vec<Line>) -> Self {
        let turn = Self {
            conversation,
            number,
            lines,
        };
        let kinds: Vec<_> = turn
            .lines
            .iter()
            .map(|line| line.content.kind.as_str())
            .collect();
        assert_eq!(
            kinds.iter().filter(|kind| **kind == "done").count(),
            1,
            "{turn:?}"
        );
        assert_eq!(kinds.last(), Some(&"done"), "{turn:?}");
        for pair in turn.lines.windows(2) {
            let (before, after) = (position(&pair[0].id), position(&pair[1].id));
            // A turn that goes on elsewhere goes on behind what was heard of it.
            let goes_on = pair[1].content.status.as_deref() == Some("running");
            let same_place = goes_on && before == after;
            assert!(
                before < after || same_place,
                "{before:?} before {after:?} in {turn:?}"
            );
        }
        assert!(
            turn.lines
                .iter()
                .all(|line| position(&line.id)[0] == u64::from(number)),
            "{turn:?}"
        );
        turn
    }

    /// What stands in the `done` line.
    pub(crate) fn status(&self) -> &str {
        self.lines
            .last()
            .unwrap()
            .content
            .status
            .as_deref()
            .unwrap()
    }

    /// All text together.
    pub(crate) fn text(&self) -> String {
        self.lines
            .iter()
            .filter(|line| line.content.kind == "string")
            .map(|line| line.content.message.as_str())
            .collect()
    }

    /// The code of the error line, if there is one.
    pub(crate) fn error(&self) -> Option<&str> {
        self.lines
            .iter()
            .find_map(|line| line.content.code.as_deref())
    }

    /// What the customer sees, one entry per thing: text that belongs together, functions in brackets, the end.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        let mut talking = false;
        for Line { content, .. } in &self.lines {
            match (content.kind.as_str(), talking) {
                ("string", true) => seen.last_mut().unwrap().push_str(&content.message),
                ("string", false) => seen.push(content.message.clone()),
                ("function", _) => seen.push(format!("[{}]", content.message)),
                ("error", _) => seen.push(format!("error: {}", content.code.as_deref().unwrap())),
                ("reset", _) => seen.push(format!("reset: {}", content.step.unwrap())),
                ("done", _) => seen.push(format!("done: {}", content.status.as_deref().unwrap())),
                (other, _) => panic!("a line of type {other:?}"),
            }
            talking = content.kind == "string";
        }
        seen
    }

    /// Checks that the turn went well, and hands out its text.
    pub(crate) fn answer(&self) -> String {
        assert_eq!(self.status(), "committed", "{self:?}");
        assert_eq!(self.error(), None, "{self:?}");
        self.text()
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SseEvent {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// Reads a whole stream of events and checks that the one that ends it is the last one.
pub(crate) fn sse_events(body: &str) -> Vec<SseEvent> {
    assert!(body.ends_with("\n\n"), "{body:?}");
    let blocks = body
        .split("\n\n")
        .filter(|block| !block.is_empty() && !block.starts_with(':'));
    let events: Vec<_> = blocks.map(sse_event).collect();
    let ends = |event: &SseEvent| {
        [
            "turn_completed",
            "turn_failed",
            "turn_stopped",
            "turn_continues",
        ]
        .contains(&event.name.as_str())
    };
    assert_eq!(
        events.iter().filter(|event| ends(event)).count(),
        1,
        "{events:?}"
    );
    assert!(events.last().is_some_and(ends), "{events:?}");
    events
}

fn sse_event(block: &str) -> SseEvent {
    let field = |name: &str| {
        let mut values = block
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = values
            .next()
            .unwrap_or_else(|| panic!("no {name} in {block:?}"));
        assert_eq!(values.next(), None, "two of {name} in {block:?}");
        value.to_owned()
    };
    SseEvent {
        id: field("id"),
        name: field("event"),
        data: serde_json::from_str(&field("data")).unwrap(),
    }
}
