//! What a model is asked, in the words of a script.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a script is test code: a panic is how it fails"
)]

use baton_rehearsal::scripted::{Answer, Captured, calls, says};
use serde_json::{Value, json};

/// Questions that scripts ask of a request.
pub trait Asked {
    /// What the customer said last.
    fn customer(&self) -> String;
    /// The results behind the last calls, if the model is told results now.
    fn results(&self) -> Vec<String>;
    /// The names of the tools on offer.
    fn tools(&self) -> Vec<String>;
    /// The agent's instructions.
    fn instructions(&self) -> String;
    /// The messages in short, without the instructions: who, and what.
    fn told(&self) -> Vec<String>;
}

impl Asked for Captured {
    fn customer(&self) -> String {
        let messages = self.messages();
        let last = messages
            .iter()
            .rev()
            .find(|message| message["role"] == "user");
        let text = last.and_then(|message| message["content"].as_str());
        // Late results may stand behind it.
        let words = text.and_then(|text| text.split("\n\n[Results that").next());
        words.unwrap_or_default().to_owned()
    }

    fn results(&self) -> Vec<String> {
        let messages = self.messages();
        let results = messages
            .iter()
            .rev()
            .take_while(|message| message["role"] == "tool");
        let mut results: Vec<_> = results.map(text).collect();
        results.reverse();
        results
    }

    fn tools(&self) -> Vec<String> {
        self.offered()
    }

    fn instructions(&self) -> String {
        self.messages().first().map(text).unwrap_or_default()
    }

    fn told(&self) -> Vec<String> {
        let short = |message: &Value| {
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            let names =
                calls.map(|call| format!(" [{}]", call["function"]["name"].as_str().unwrap()));
            format!(
                "{}: {}{}",
                message["role"].as_str().unwrap(),
                text(message),
                names.collect::<String>()
            )
        };
        self.messages().iter().skip(1).map(short).collect()
    }
}

fn text(message: &Value) -> String {
    message["content"].as_str().unwrap_or_default().to_owned()
}

/// A clerk without judgement: `order PRODUCT PRICE` and `refund ITEM` are done, hand-offs included, and the result is said as it
/// came; everything else is said back.
pub fn clerk(asked: &Captured) -> Answer {
    let results = asked.results();
    let customer = asked.customer();
    let words: Vec<&str> = customer.split(' ').collect();
    let (desk, hand_off, call) = match words.as_slice() {
        ["order", product, price] => {
            let price: u64 = price.parse().unwrap();
            (
                "execute_order",
                "transfer_to_sales_agent",
                json!({ "product": product, "price": price }),
            )
        }
        ["refund", item] => (
            "execute_refund",
            "transfer_to_issues_and_repairs",
            json!({ "item_id": item }),
        ),
        _ if customer.starts_with('[') => return says(late(&customer)),
        _ => return says(&format!("You said: {customer}")),
    };
    let handed_over = results
        .iter()
        .any(|result| result.starts_with("Transferred"));
    match results.first() {
        Some(result) if !handed_over => says(result),
        _ if asked.tools().iter().any(|tool| tool == desk) => calls(desk, call),
        _ if asked.tools().iter().any(|tool| tool == hand_off) => calls(hand_off, json!({})),
        _ => calls("transfer_back_to_triage", json!({})),
    }
}

/// The late results in the message that stands for the customer's.
fn late(message: &str) -> &str {
    let (_, late) = message.split_once("have come in:\n").unwrap();
    late.rsplit_once('\n').unwrap().0
}
