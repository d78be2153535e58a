//! What a tool's result says, whatever its shape: honest about failures, and about what is not finished.

use serde_json::{Map, Value};

use super::words::Words;

/// What has become of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It did not happen, for this reason.
    Refused(String),
    /// It is accepted, and not finished.
    Pending,
    /// A person must agree first.
    NeedsApproval,
    /// Nobody knows whether it happened.
    Unknown,
    Done(Done),
}

/// What a finished action tells.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Done {
    /// Of the order or refund.
    pub(super) number: Option<String>,
    /// "$1,200"
    pub(super) amount: Option<String>,
}

const NUMBERS: &[&str] = &[
    "order_number",
    "order_id",
    "refund_number",
    "refund_id",
    "confirmation",
    "number",
    "order",
    "refund",
    "id",
];
const AMOUNTS: &[&str] = &["refunded_usd", "amount_usd", "refunded", "amount", "price"];
const REASONS: &[&str] = &["error", "message", "reason", "detail", "sentence"];
const SENTENCE_CHARS_MAX: usize = 300;

/// Reads a result or a note: JSON, a text, or a text with JSON in it.
pub(super) fn read(text: &str) -> Outcome {
    match embedded(text) {
        Some(Value::Object(fields)) => read_object(&fields),
        Some(Value::String(text)) => read_text(&text),
        Some(_) | None => read_text(text),
    }
}

fn embedded(text: &str) -> Option<Value> {
    let whole = serde_json::from_str(text).ok();
    whole.or_else(|| serde_json::from_str(text.get(text.find('{')?..=text.rfind('}')?)?).ok())
}

fn read_object(fields: &Map<String, Value>) -> Outcome {
    let refused =
        || Outcome::Refused(reason(fields).unwrap_or_else(|| "no reason was given".to_owned()));
    if fields
        .get("error")
        .is_some_and(|error| !error.is_null() && error != &Value::Bool(false))
    {
        return refused();
    }
    let flag = |name: &str| fields.get(name).and_then(Value::as_bool);
    if flag("ok") == Some(false) || flag("success") == Some(false) {
        return refused();
    }
    let state = ["status", "state", "outcome"]
        .iter()
        .find_map(|name| fields.get(*name)?.as_str());
    match state.unwrap_or_default().to_lowercase().as_str() {
        "failed" | "error" | "rejected" | "refused" | "denied" | "declined" | "cancelled"
        | "expired" | "not_found" => refused(),
        "pending" | "queued" | "running" | "accepted" | "processing" | "in_progress" => {
            Outcome::Pending
        }
        "unknown" => Outcome::Unknown,
        state if state.contains("approval") || state == "proposed" => Outcome::NeedsApproval,
        "" => match fields.get("result") {
            Some(Value::Object(inner)) => read_object(inner),
            Some(_) | None => Outcome::Done(done(fields)),
        },
        _ => Outcome::Done(done(fields)),
    }
}

fn read_text(text: &str) -> Outcome {
    let words = Words::of(text);
    let refusals = [
        "error*",
        "fail*",
        "refused",
        "rejected",
        "not found",
        "cannot",
        "could not",
        "unknown tool",
        "denied",
    ];
    if words.any(&refusals) {
        Outcome::Refused(sentence(text))
    } else if words.any(&["approval", "colleague*"]) && !words.any(&["approved"]) {
        Outcome::NeedsApproval
    } else if words.any(&["pending", "queued", "accepted", "processing"])
        && !words.any(&["done", "finished", "completed"])
    {
        Outcome::Pending
    } else {
        Outcome::Done(Done::default())
    }
}

fn reason(fields: &Map<String, Value>) -> Option<String> {
    let texts = REASONS.iter().filter_map(|name| match fields.get(*name)? {
        Value::String(text) => Some(text.clone()),
        Value::Object(inner) => reason(inner),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    });
    texts
        .map(|text| sentence(&text))
        .next()
        .or_else(|| match fields.get("result")? {
            Value::Object(inner) => reason(inner),
            Value::String(text) => Some(sentence(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        })
}

fn done(fields: &Map<String, Value>) -> Done {
    let here = Done {
        number: NUMBERS.iter().find_map(|name| scalar(fields.get(*name)?)),
        amount: amount(fields),
    };
    if here != Done::default() {
        return here;
    }
    let inner = ["result", "order", "refund", "data"]
        .iter()
        .find_map(|name| fields.get(*name)?.as_object());
    inner.map(done).unwrap_or_default()
}

fn amount(fields: &Map<String, Value>) -> Option<String> {
    let whole = AMOUNTS
        .iter()
        .find_map(|name| fields.get(*name)?.as_u64())
        .map(dollars);
    let cents = || {
        let cents = fields
            .iter()
            .find(|(name, _)| name.ends_with("_cents"))?
            .1
            .as_u64()?;
        Some(match cents % 100 {
            0 => dollars(cents / 100),
            rest => format!("{}.{rest:02}", dollars(cents / 100)),
        })
    };
    whole.or_else(cents)
}

/// Whole US dollars as they are written: "$1,000,000".
pub(super) fn dollars(amount: u64) -> String {
    let digits = amount.to_string();
    let mut written = String::from("$");
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A reason as part of a sentence of ours: short, and without its full stop.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    text.get(..text.floor_char_boundary(SENTENCE_CHARS_MAX))
        .unwrap_or(text)
        .to_owned()
}

/// Whether the result of a transfer says that the customer stays here.
pub(super) fn refuses_transfer(result: &str) -> bool {
    Words::of(result).any(&[
        "not transferred",
        "not handed",
        "error*",
        "fail*",
        "refused",
        "unknown tool",
    ])
}

/// An outcome for the customer; `subject` is "the refund of your anvil".
pub(super) fn tell(subject: &str, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(reason) => format!("I am sorry, {subject} did not go through: {reason}."),
        Outcome::Pending => {
            format!(
                "Your request is accepted: {subject} is still pending. I will tell you as soon as it is through."
            )
        }
        Outcome::NeedsApproval => {
            format!("A colleague has to look at {subject} first. You will hear from us here.")
        }
        Outcome::Unknown => {
            format!(
                "I do not know yet whether {subject} went through. A colleague is looking into it."
            )
        }
        Outcome::Done(Done { number, amount }) => {
            let amount = amount
                .as_ref()
                .map(|amount| format!(", {amount},"))
                .unwrap_or_default();
            let number = number
                .as_ref()
                .map(|number| format!(" The number is **{number}**."))
                .unwrap_or_default();
            format!("Good news: {subject}{amount} is done.{number}")
        }
    }
}

/// A note that came after its turn.
pub(super) fn told_late(note: &str) -> String {
    let words = Words::of(note);
    let subject = if words.any(&["refund*"]) || note.contains("refund") {
        "your refund"
    } else if words.any(&["order*"]) || note.contains("order") {
        "your order"
    } else {
        "what you asked for"
    };
    tell(subject, &read(note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_every_shape_are_read() {
        let done = |number: &str| {
            Outcome::Done(Done {
                number: Some(number.to_owned()),
                amount: None,
            })
        };
        for (text, outcome) in [
            (r#"{"order_number":1007}"#, done("1007")),
            (
                r#"{"status":"done","result":{"refund_id":"R-7"}}"#,
                done("R-7"),
            ),
            (
                r#"{"status":"pending","note":"accepted"}"#,
                Outcome::Pending,
            ),
            (r#"{"state":"needs_approval"}"#, Outcome::NeedsApproval),
            (r#"{"state":"unknown"}"#, Outcome::Unknown),
            (
                r#"{"error":{"message":"Refunded before."}}"#,
                Outcome::Refused("Refunded before".to_owned()),
            ),
            (
                r#"{"status":"rejected","reason":"too much"}"#,
                Outcome::Refused("too much".to_owned()),
            ),
            (
                r#"Late result of execute_order: {"order_id":"A1"}"#,
                done("A1"),
            ),
            ("Accepted and pending.", Outcome::Pending),
            (
                "Error: no such item.",
                Outcome::Refused("Error: no such item".to_owned()),
            ),
            ("\"success\"", Outcome::Done(Done::default())),
        ] {
            assert_eq!(read(text), outcome, "{text}");
        }
    }

    #[test]
    fn money_is_written_with_commas() {
        assert_eq!(
            [dollars(7), dollars(950), dollars(1_000_000)],
            ["$7", "$950", "$1,000,000"]
        );
    }
}
