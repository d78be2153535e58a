//! The part of a conversation that a model sees: whole turns within a budget. And the words in it that nobody wrote.

use std::borrow::Cow;
use std::sync::Arc;

use super::{fill, told};
use crate::ids::TurnNumber;
use crate::ports::Message;
use crate::record::journal::{Extent, JournaledTurn};
use crate::record::{
    ActionState, AnsweredCard, ClientAnswer, LateResult, Origin, StepRecord, ToolOutcome,
    TurnRecord,
};
use crate::team::Limits;
use crate::text::is_blank;

/// Bytes of text that count as one token: English has about four, other languages and JSON fewer.
const BYTES_PER_TOKEN: usize = 3;

/// Stands for a result that was never recorded, because the turn ended first.
pub(crate) const SEALED: &str = "No result: this turn ended before the call did.";

/// Stands for the result of a call that the client has not answered, when its turn is past.
pub(crate) const NOT_ANSWERED: &str = "Not answered: no result has come from the client.";

/// How much of the past a window can need.
pub(crate) fn extent(limits: &Limits) -> Extent {
    let bytes = if limits.summary_model.is_some() {
        fill::bytes(limits, fill::MOST_RATE)
    } else {
        limits.window_tokens.saturating_mul(BYTES_PER_TOKEN)
    };
    // A record is JSON around the text: four times the budget in records holds the whole budget in text.
    Extent::of_window(limits.window_turns, bytes.saturating_mul(4))
}

/// The turns that a request for this turn has, oldest first: those of its window, or the newest that fit. `short`: half as many
/// bytes.
///
/// Of a regenerated answer only the newest version is included, and no version of the answer that is being regenerated now. Not
/// included is a turn that the service refused, and one that ended before anything was said, if its message was sent again.
pub(crate) fn kept<'a>(
    past: &'a [JournaledTurn],
    now: &'a TurnRecord,
    limits: &Limits,
    short: bool,
) -> Vec<&'a JournaledTurn> {
    let (from, budget, turns) = match now.window {
        Some(window) if short => (
            window.from,
            fill::bytes(limits, fill::rate(past)),
            usize::MAX,
        ),
        Some(window) => (window.from, usize::MAX, usize::MAX),
        None => {
            let budget = limits.window_tokens.saturating_mul(BYTES_PER_TOKEN);
            (0, budget, limits.window_turns)
        }
    };
    let budget = budget >> u32::from(short);
    let mut spent: usize = 0;
    let mut kept: Vec<_> = newest_first(past, now)
        .take_while(|turn| turn.number >= from)
        .take_while(|turn| {
            spent = spent.saturating_add(size_of(&turn.record, turn.steps.iter()));
            spent <= budget
        })
        .take(turns)
        .collect();
    kept.reverse();
    kept
}

/// The earlier turns that count for this one, newest first.
pub(crate) fn newest_first<'a>(
    past: &'a [JournaledTurn],
    now: &'a TurnRecord,
) -> impl Iterator<Item = &'a JournaledTurn> {
    let mut newer: Vec<TurnNumber> = match now.origin {
        Origin::Regenerated { of } => vec![of],
        Origin::Customer | Origin::LateResult => Vec::new(),
    };
    let mut next = now;
    past.iter().rev().filter(move |turn| {
        let root = match turn.record.origin {
            Origin::Regenerated { of } => of,
            Origin::Customer | Origin::LateResult => turn.number,
        };
        if newer.contains(&root) || is_left_out(turn) {
            return false;
        }
        newer.push(root);
        if is_repeated(turn, next) {
            return false;
        }
        next = &turn.record;
        true
    })
}

/// The service refuses it, and nothing was done in it.
fn is_left_out(turn: &JournaledTurn) -> bool {
    turn.record.refused && turn.steps.iter().all(|step| step.actions.is_empty())
}

/// It ended before anything was said or done, and the customer sent its message again.
fn is_repeated(turn: &JournaledTurn, next: &TurnRecord) -> bool {
    let partial = turn.record.partial.as_ref();
    turn.steps.is_empty()
        && partial.is_none_or(|partial| is_blank(&partial.text))
        && turn.record.origin == Origin::Customer
        && next.origin == Origin::Customer
        && turn.record.client.results.is_empty()
        && turn.record.message == next.message
}

/// The bytes of a turn in a request, without what services add.
pub(super) fn size_of<'a>(
    record: &TurnRecord,
    steps: impl Iterator<Item = &'a StepRecord>,
) -> usize {
    let partial = record.partial.as_ref();
    let partial = partial.map_or(0, |partial| partial.text.len());
    let results = record.results.iter();
    let results: usize = results.map(|result| result.result.len()).sum();
    let clients = record.client.results.iter();
    let clients: usize = clients.map(|answer| answer.result.len()).sum();
    let steps: usize = steps.map(size_of_step).sum();
    record.message.len() + clients + partial + results + steps
}

fn size_of_step(step: &StepRecord) -> usize {
    let calls = step.calls.iter();
    let calls: usize = calls
        .map(|call| call.name.len() + call.arguments.len())
        .sum();
    let results = step.results.iter().map(|result| result.result.len());
    let late = step.late_results.iter().map(|late| late.result.len());
    step.text.len() + calls + results.chain(late).sum::<usize>()
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

/// The result of an action while its card is open.
pub(crate) const ASKED: &str = "Not done yet: a card asks the customer to confirm it, and it is done once they do. Ask them to, and \
     do not call it again.";

/// Results that came in after their calls were answered as pending, behind the message before the response that heard of them.
pub(super) fn late_text(late: &[LateResult]) -> String {
    let mut text = String::from(
        "\n\n[Results that have come in since their calls were answered as pending; they hold now:",
    );
    push_entries(&mut text, late);
    text.push(']');
    text
}

fn push_entries(text: &mut String, late: &[LateResult]) {
    for result in late {
        text.push_str("\n- ");
        text.push_str(&result.tool);
        text.push_str(": ");
        text.push_str(&told::entry(&result.result));
    }
}

/// Stands for the customer's message in a turn that late results began: services want a user's message last, and many want one
/// between two answers.
pub(crate) fn late_prompt(late: &[LateResult]) -> Message {
    let mut text =
        String::from("[No message from the customer. Results of earlier calls have come in:");
    push_entries(&mut text, late);
    text.push_str("\nTell the customer about them now, briefly.]");
    Message::User(Arc::from(text))
}

/// Results of the client, where no request has their calls right before them: other turns lie between, or the calls are cut away.
pub(super) fn answers_prompt(answers: &[ClientAnswer]) -> Message {
    let mut text = String::from("[Results of earlier calls have come from the client:");
    for answer in answers {
        text.push_str("\n- ");
        text.push_str(&answer.name);
        text.push_str(": ");
        text.push_str(&told::entry(&answer_text(answer)));
    }
    text.push(']');
    Message::User(Arc::from(text))
}

/// What a model reads of a client's result.
pub(crate) fn answer_text(answer: &ClientAnswer) -> Cow<'_, str> {
    let words = told::result(&answer.result);
    if answer.outcome == ToolOutcome::Error {
        Cow::Owned(format!("Failed: {words}"))
    } else {
        words
    }
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
    use super::super::draft::{BROKE_OFF, Begun, Draft};
    use super::*;
    use crate::ports::{ToolCall, Usage};
    use crate::record::{Asked, CallResult, Opaque, TurnState};

    fn turn(
        number: u32,
        message: &str,
        steps: Vec<StepRecord>,
        results: Vec<CallResult>,
    ) -> JournaledTurn {
        let record = TurnRecord {
            state: TurnState::Committed,
            fence: 1,
            results,
            ..TurnRecord::accepted(Origin::Customer, message.to_owned(), 0)
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
            client: Vec::new(),
            results: Vec::new(),
            late_results: Vec::new(),
            usage: Usage::default(),
            cost: None,
            asked: Asked::default(),
            opaque: None,
        }
    }

    /// The messages of the past in the request for a new message, without instructions and that message.
    fn past_messages(past: &[JournaledTurn], limits: &Limits) -> Vec<Message> {
        let now = TurnRecord::accepted(Origin::Customer, "now".to_owned(), 0);
        messages(past, &now, limits, "")
    }

    fn messages(
        past: &[JournaledTurn],
        now: &TurnRecord,
        limits: &Limits,
        model: &str,
    ) -> Vec<Message> {
        let mut draft = Draft::new(Arc::from("instructions"), model, false);
        for turn in kept(past, now, limits, false) {
            draft.add_ended(turn);
        }
        draft.add_begun(&Begun {
            record: now,
            steps: &[],
            results: &[],
            late: &[],
        });
        let mut messages = draft.finish(Arc::default()).messages;
        messages.remove(0);
        messages.pop();
        messages
    }

    fn result(call: &str) -> CallResult {
        CallResult {
            call: call.to_owned(),
            outcome: ToolOutcome::Ok,
            result: format!("result of {call}"),
            at: 0,
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
        let messages = past_messages(&past, &Limits::default());
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
        let messages = past_messages(&past, &limits);
        assert_eq!(messages.len(), 6, "300 bytes hold three messages of 100");
        assert!(matches!(messages.first(), Some(Message::User(text)) if text.starts_with('7')));
        let limits = Limits {
            window_turns: 2,
            ..Limits::default()
        };
        assert_eq!(past_messages(&past, &limits).len(), 4);
    }

    #[test]
    fn a_regenerated_turn_replaces_the_one_it_regenerates() {
        let mut again = turn(2, "hi", vec![says("second", &[])], vec![]);
        again.record.origin = Origin::Regenerated { of: 1 };
        let past = [turn(1, "hi", vec![says("first", &[])], vec![]), again];
        let messages = past_messages(&past, &Limits::default());
        assert_eq!(messages.len(), 2);
        assert!(
            matches!(messages.last(), Some(Message::Assistant { text, .. }) if text.as_ref() == "second")
        );
    }

    fn texts(messages: &[Message]) -> Vec<&str> {
        messages
            .iter()
            .map(|message| match message {
                Message::System(text)
                | Message::User(text)
                | Message::Assistant { text, .. }
                | Message::Tool { result: text, .. } => text.as_ref(),
            })
            .collect()
    }

    fn failed(number: u32, message: &str, steps: Vec<StepRecord>) -> JournaledTurn {
        let mut turn = turn(number, message, steps, Vec::new());
        turn.record.state = TurnState::Failed;
        turn
    }

    #[test]
    fn a_turn_without_an_answer_leaves_an_assistants_line() {
        let past = [failed(1, "hi", vec![says("", &["a"])])];
        let messages = past_messages(&past, &Limits::default());
        assert_eq!(texts(&messages), ["hi", "", SEALED, BROKE_OFF]);
    }

    #[test]
    fn a_message_that_was_sent_again_stands_once() {
        let past = [failed(1, "hi", vec![]), failed(2, "hi", vec![])];
        let again = TurnRecord::accepted(Origin::Customer, "hi".to_owned(), 0);
        assert_eq!(messages(&past, &again, &Limits::default(), ""), []);
        let other = past_messages(&past, &Limits::default());
        assert_eq!(texts(&other), ["hi", BROKE_OFF]);
    }

    #[test]
    fn a_refused_message_is_in_no_later_request() {
        let mut past = [failed(1, "a bad word", vec![])];
        past[0].record.refused = true;
        assert_eq!(past_messages(&past, &Limits::default()), []);
    }

    #[test]
    fn an_opaque_part_goes_to_its_maker_only_and_behind_the_same_words_only() {
        let opaque_in = |past: &[JournaledTurn], model: &str| {
            let now = TurnRecord::accepted(Origin::Customer, "now".to_owned(), 0);
            let messages = messages(past, &now, &Limits::default(), model);
            let opaque = messages.iter().find_map(|message| match message {
                Message::Assistant { opaque, .. } => opaque.clone(),
                Message::System(_) | Message::User(_) | Message::Tool { .. } => None,
            });
            opaque.map(|opaque| opaque.to_string())
        };
        let now = TurnRecord::accepted(Origin::Customer, "hi".to_owned(), 0);
        let mut draft = Draft::new(Arc::from("instructions"), "a", false);
        draft.add_begun(&Begun {
            record: &now,
            steps: &[],
            results: &[],
            late: &[],
        });
        let mut step = says("hello", &[]);
        step.asked.model = "a".to_owned();
        step.opaque = Some(Opaque {
            text: "signed".to_owned(),
            prefix: Some(super::super::prefix::of(&draft.finish(Arc::default()))),
        });
        let past = [turn(2, "hi", vec![step], vec![])];
        assert_eq!(opaque_in(&past, "a").as_deref(), Some("signed"));
        assert_eq!(opaque_in(&past, "b"), None);
        let changed = [turn(1, "before", vec![], vec![]), past[0].clone()];
        assert_eq!(opaque_in(&changed, "a"), None);
    }
}
