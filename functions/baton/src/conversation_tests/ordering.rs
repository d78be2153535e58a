//! Which call comes after what.

use baton_handoff::record::ActionState;
use serde_json::Value;

use super::evidence::{Evidence, Fact};
use super::file::{After, CustomerSaid, Order};
use super::verdict::called;
use super::words::is_yes;

/// The first call that is not behind what must come before it.
pub(super) fn out_of_order(order: &Order, evidence: &Evidence) -> Option<String> {
    let facts = evidence.facts(None);
    let tool = order.tool.get_ref();
    for (at, fact) in facts.iter().enumerate() {
        let Fact::Call(call) = fact else { continue };
        let before = facts.get(..at).unwrap_or_default();
        let counts = call.name == tool
            && order
                .arguments
                .fits(&call.arguments, &Evidence::before(before));
        if counts && !comes_first(order, before) {
            let what = described(order.after.get_ref());
            return Some(format!("{} was called before {what}", called(call)));
        }
    }
    None
}

fn comes_first(order: &Order, facts: &[Fact<'_>]) -> bool {
    let after = order.after.get_ref();
    let mut said = String::new();
    let mut is_new = false;
    for (at, fact) in facts.iter().enumerate() {
        let answers = |said: &str| after.to.as_ref().is_none_or(|to| to.0.is_match(said));
        let is_found = |name: &str, arguments: &Value| {
            let tool = after.tool.as_ref();
            tool.is_some_and(|tool| tool.get_ref() == name) && {
                let before = Evidence::before(facts.get(..at).unwrap_or_default());
                after.arguments.fits(arguments, &before)
            }
        };
        let came = match (fact, &after.customer) {
            (Fact::Customer(text), Some(CustomerSaid::Yes)) => is_yes(text) && answers(&said),
            (Fact::Customer(text), Some(CustomerSaid::Matches(regex))) => {
                regex.is_match(text) && answers(&said)
            }
            // A card asks for one thing: a yes to it is one to nothing else.
            (Fact::Answered(card), Some(CustomerSaid::Yes)) => {
                card.yes
                    && match &after.to {
                        Some(to) => to.0.is_match(&card.title) || to.0.is_match(&said),
                        None => card.tool == *order.tool.get_ref(),
                    }
            }
            (Fact::Call(call), None) => {
                call.outcome == "ok" && is_found(call.name, &call.arguments)
            }
            (Fact::Action(action), None) => {
                action.state == ActionState::Done && is_found(&action.name, &action.arguments)
            }
            _ => false,
        };
        if came {
            return true;
        }
        match fact {
            Fact::Agent(text) => {
                // What agents said since the customer wrote last.
                if std::mem::take(&mut is_new) {
                    said.clear();
                }
                said.push_str(text);
                said.push('\n');
            }
            Fact::Customer(_) | Fact::Answered(_) => is_new = true,
            Fact::Call(_) | Fact::HandOff { .. } | Fact::Action(_) | Fact::Failed(_) => {}
        }
    }
    false
}

fn described(after: &After) -> String {
    let to = after.to.as_ref();
    let to = to.map_or_else(String::new, |to| format!(" to /{}/", to.0));
    match (&after.customer, &after.tool) {
        (Some(CustomerSaid::Yes), _) => format!("a customer's yes{to}"),
        (Some(CustomerSaid::Matches(regex)), _) => format!("the customer said /{regex}/{to}"),
        (None, Some(tool)) if after.arguments.is_any() => {
            format!("a call of {} that succeeded", tool.get_ref())
        }
        (None, Some(tool)) => {
            format!(
                "a call of {} {} that succeeded",
                tool.get_ref(),
                after.arguments
            )
        }
        (None, None) => "anything".to_owned(),
    }
}
