//! A conversation in the form that a model sees: whole turns within a budget, and never a call without its result.

use std::sync::Arc;

use super::told;
use crate::ids::TurnNumber;
use crate::ports::{Message, ToolCall};
use crate::record::journal::{Extent, JournaledTurn};
use crate::record::{
    ActionState, AnsweredCard, CallResult, LateResult, Origin, StepRecord, TurnRecord,
};
use crate::team::Limits;

/// Bytes of text that count as one token: English has about four, other languages and JSON fewer.
const BYTES_PER_TOKEN: usize = 3;

/// Stands for a result that was never recorded, because the turn ended first.
pub(crate) const SEALED: &str = "No result: this turn ended before the call did.";

/// How much of the past a window can need.
pub(crate) fn extent(limits: &Limits) -> Extent {
    // A record is JSON around the text: four times the budget in records holds the whole budget in text.
    Extent::of_window(
        limits.window_turns,
        limits.window_tokens.saturating_mul(BYTES_PER_TOKEN * 4),
    )
}

/// The past as messages, oldest first: the newest turns that fit, always whole. Of a regenerated answer only the newest version
/// is included, and no version of the answer that is being regenerated now.
pub(crate) fn past_messages(
    past: &[JournaledTurn],
    replaced: Option<TurnNumber>,
    limits: &Limits,
) -> Vec<Message> {
    let budget = limits.window_tokens.saturating_mul(BYTES_PER_TOKEN);
    let mut newer: Vec<TurnNumber> = replaced.into_iter().collect();
    let mut spent = 0;
    let mut kept = Vec::new();
    for turn in past.iter().rev() {
        let root = match turn.record.origin {
            Origin::Regenerated { of } => of,
            Origin::Customer | Origin::LateResult => turn.number,
        };
        if newer.contains(&root) {
            continue;
        }
        newer.push(root);
        let messages = turn_messages(turn);
        spent += messages.iter().map(size).sum::<usize>();
        if spent > budget || kept.len() >= limits.window_turns {
            break;
        }
        kept.push(messages);
    }
    kept.into_iter().rev().flatten().collect()
}

/// An ended turn as messages.
fn turn_messages(turn: &JournaledTurn) -> Vec<Message> {
    let mut messages = Vec::with_capacity(turn.steps.len() * 2 + 2);
    messages.push(match turn.record.origin {
        Origin::Customer | Origin::Regenerated { .. } => Message::User(words(&turn.record)),
        Origin::LateResult => {
            late_prompt(turn.steps.first().map_or(&[], |step| &step.late_results))
        }
    });
    for (index, step) in turn.steps.iter().enumerate() {
        let results = turn
            .steps
            .get(index + 1)
            .map_or(&turn.record.results, |next| &next.results);
        push_step(&mut messages, step, results);
    }
    if let Some(partial) = turn
        .record
        .partial
        .as_ref()
        .filter(|partial| !partial.text.is_empty())
    {
        messages.push(Message::Assistant {
            text: Arc::from(partial.text.as_str()),
            calls: Arc::default(),
            opaque: None,
        });
    }
    messages
}

/// The customer's words. What they did to an open card is added: the model does not decide what a word means there.
pub(crate) fn words(record: &TurnRecord) -> Arc<str> {
    let Some(AnsweredCard { tool, yes, .. }) = &record.answers else {
        return Arc::from(record.message.as_str());
    };
    let what = if *yes {
        "confirmed it: do not call it again for that"
    } else {
        "declined it: nothing is done"
    };
    let message = &record.message;
    Arc::from(format!(
        "{message}\n[This answered the card about {tool}. The customer {what}.]"
    ))
}

/// A response and the results of its calls, each call with exactly one.
pub(crate) fn push_step(messages: &mut Vec<Message>, step: &StepRecord, results: &[CallResult]) {
    if step.text.is_empty() && step.calls.is_empty() {
        return;
    }
    let calls: Arc<[ToolCall]> = if step.calls.is_empty() {
        // Takes no memory, unlike one made from an empty list.
        Arc::default()
    } else {
        Arc::from(step.calls.as_slice())
    };
    messages.push(Message::Assistant {
        text: Arc::from(step.text.as_str()),
        calls,
        opaque: None,
    });
    for call in &step.calls {
        let result = results
            .iter()
            .find(|result| result.call == call.id)
            .map_or(SEALED, |result| result.result.as_str());
        messages.push(Message::Tool {
            call: call.id.clone(),
            result: Arc::from(told::result(result)),
        });
    }
}

fn size(message: &Message) -> usize {
    match message {
        Message::System(text) | Message::User(text) => text.len(),
        Message::Assistant {
            text,
            calls,
            opaque: _,
        } => {
            text.len()
                + calls
                    .iter()
                    .map(|call| call.name.len() + call.arguments.len())
                    .sum::<usize>()
        }
        Message::Tool { result, .. } => result.len(),
    }
}

/// The result of an action while its card is open.
pub(crate) const ASKED: &str = "Not done yet: a card asks the customer to confirm it, and it is done once they do. Ask them to, and \
     do not call it again.";

/// The agent's instructions, followed by the ends of actions that were pending in earlier results.
///
/// They stand here and not among the messages because many services refuse a system message after a user's.
pub(crate) fn instructions<'a>(
    instructions: &Arc<str>,
    late: impl Iterator<Item = &'a LateResult>,
) -> Message {
    let mut text = String::new();
    for result in late {
        if text.is_empty() {
            text.push_str(instructions);
            text.push_str("\n\nResults that came in after their calls were answered as pending; they hold now:");
        }
        text.push_str("\n- ");
        text.push_str(&result.tool);
        text.push_str(": ");
        text.push_str(&told::entry(&result.result));
    }
    let text = if text.is_empty() {
        instructions.clone()
    } else {
        Arc::from(text)
    };
    Message::System(text)
}

/// The late results that these turns reported to the model.
pub(crate) fn reported(past: &[JournaledTurn]) -> impl Iterator<Item = &LateResult> {
    past.iter()
        .flat_map(|turn| &turn.steps)
        .flat_map(|step| &step.late_results)
}

/// Stands for the customer's message in a turn that late results began: services want a user's message last, and many want one
/// between two answers.
pub(crate) fn late_prompt(late: &[LateResult]) -> Message {
    let mut text =
        String::from("[No message from the customer. Results of earlier calls have come in:");
    for result in late {
        text.push_str("\n- ");
        text.push_str(&result.tool);
        text.push_str(": ");
        text.push_str(&told::entry(&result.result));
    }
    text.push_str("\nTell the customer about them now, briefly.]");
    Message::User(Arc::from(text))
}

/// The sentence for the model about the end of an action.
pub(crate) fn end_sentence(state: ActionState, result: &str) -> String {
    match state {
        ActionState::Done => result.to_owned(),
        ActionState::Rejected => format!("Rejected, nothing was done: {result}"),
        ActionState::Unknown => format!(
            "Nobody can say yet whether this was done, and it must not be tried again; a colleague will look at it. {result}"
        ),
        ActionState::Queued | ActionState::Running => {
            "Accepted and pending: it will be done, but is not done yet. Tell the customer so.".to_owned()
        }
        // The action says itself whose yes it waits for.
        ActionState::Proposed if !result.is_empty() => result.to_owned(),
        ActionState::Proposed => {
            "Accepted and pending: a colleague has to approve it first, nothing is done yet. Tell the customer so.".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Usage;
    use crate::record::{ToolOutcome, TurnState};

    fn turn(
        number: u32,
        message: &str,
        steps: Vec<StepRecord>,
        results: Vec<CallResult>,
    ) -> JournaledTurn {
        let record = TurnRecord {
            state: TurnState::Committed,
            origin: Origin::Customer,
            message: message.to_owned(),
            message_id: None,
            speaker: crate::speaker::Speaker::default(),
            answers: None,
            receipt: 0,
            accepted_at: 0,
            ended_at: None,
            fence: 1,
            failure: None,
            usage: Usage::default(),
            cost: None,
            results,
            partial: None,
            left_out: 0,
        };
        JournaledTurn {
            number,
            version: 1,
            record,
            steps,
            actions: Vec::new(),
        }
    }

    fn says(text: &str, calls: &[&str]) -> StepRecord {
        let calls = calls.iter().map(|id| ToolCall {
            id: (*id).to_owned(),
            name: "look_up_item".to_owned(),
            arguments: "{}".to_owned(),
        });
        StepRecord {
            agent: "A".to_owned(),
            fence: 1,
            text: text.to_owned(),
            calls: calls.collect(),
            actions: Vec::new(),
            refused: Vec::new(),
            results: Vec::new(),
            late_results: Vec::new(),
            usage: Usage::default(),
            cost: None,
        }
    }

    fn result(call: &str) -> CallResult {
        CallResult {
            call: call.to_owned(),
            outcome: ToolOutcome::Ok,
            result: format!("result of {call}"),
            milliseconds: 1,
            ended: None,
            handed_to: None,
        }
    }

    #[test]
    fn a_call_without_a_recorded_result_is_sealed() {
        let past = [turn(
            1,
            "hi",
            vec![says("", &["a", "b"])],
            vec![result("b")],
        )];
        let messages = past_messages(&past, None, &Limits::default());
        let results: Vec<_> = messages
            .iter()
            .filter_map(|message| match message {
                Message::Tool { call, result } => Some((call.as_str(), result.as_ref())),
                Message::System(_) | Message::User(_) | Message::Assistant { .. } => None,
            })
            .collect();
        assert_eq!(results, [("a", SEALED), ("b", "result of b")]);
    }

    #[test]
    fn the_window_keeps_whole_turns_within_its_budget() {
        let past: Vec<_> = (1..=9)
            .map(|n| turn(n, &format!("{n}{}", "x".repeat(99)), vec![], vec![]))
            .collect();
        let limits = Limits {
            window_tokens: 100,
            ..Limits::default()
        };
        let messages = past_messages(&past, None, &limits);
        assert_eq!(messages.len(), 3, "300 bytes hold three messages of 100");
        assert!(matches!(messages.first(), Some(Message::User(text)) if text.starts_with('7')));
        let limits = Limits {
            window_turns: 2,
            ..Limits::default()
        };
        assert_eq!(past_messages(&past, None, &limits).len(), 2);
    }

    #[test]
    fn a_regenerated_turn_replaces_the_one_it_regenerates() {
        let mut again = turn(2, "hi", vec![says("second", &[])], vec![]);
        again.record.origin = Origin::Regenerated { of: 1 };
        let past = [turn(1, "hi", vec![says("first", &[])], vec![]), again];
        let messages = past_messages(&past, None, &Limits::default());
        assert_eq!(messages.len(), 2);
        assert!(
            matches!(messages.last(), Some(Message::Assistant { text, .. }) if text.as_ref() == "second")
        );
    }
}
