//! What customers and operators see of tool calls, in each way out of the engine.

use baton_handoff::event::{ActionFinished, EventKind};
use baton_handoff::history::Item;
use baton_handoff::ports::{Outcome, Price, ToolError};
use baton_handoff::record::{ActionState, ToolOutcome};
use baton_handoff::{Decision, View};

use crate::model::{Reply, calls, says};
use crate::play::{Heard, Play, REASON, listen};

/// In every text that a tool gets or gives, and in no text of the model.
const SECRET: &str = "canary";

const LOOKUP: (&str, &str) = ("look_up_item", r#"{"search_query":"canary"}"#);
const REFUND: (&str, &str) = (
    "execute_refund",
    r#"{"item_id":"i-1","reason":"canary reason"}"#,
);
const DONE: &str = r#"{"item_id":"i-1","product":"Anvil","note":"canary"}"#;
const FOUND: &str = r#"{"items":[{"paid_usd":7,"note":"canary"}]}"#;

const SHOW_REFUND: &str = r#"show = ["item_id", "product", "refunded_usd"]"#;
const DESCRIBE_LOOKUP: &str =
    "description = \"Finds the id of a product or of something that the customer bought.\"";
const IMPATIENT: (&str, &str) = ("patience_seconds = 10", "patience_seconds = 0");

/// A play whose lookups and refunds show this.
fn showing(show: &str, further: &[(&str, &str)]) -> Play {
    let show = format!("show = {show}");
    let lookup = format!("{DESCRIBE_LOOKUP}\n{show}");
    let mut changes = vec![(SHOW_REFUND, show.as_str()), (DESCRIBE_LOOKUP, &lookup)];
    changes.extend(further);
    let play = Play::with_team(&changes);
    play.shop.set_found(Ok(FOUND.to_owned()));
    play.shop.set_outcome(Outcome::Done(DONE.to_owned()));
    play
}

async fn at_repairs(play: &Play, replies: impl IntoIterator<Item = Reply>) {
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.model.will(replies);
}

/// One turn with a lookup and a refund.
async fn refund(play: &Play) -> Heard {
    play.hire();
    at_repairs(play, [calls(&[LOOKUP, REFUND]), says(&["Refunded."])]).await;
    let heard = play.say("my anvil broke").await;
    assert_eq!(heard.text(), "Refunded.");
    heard
}

/// Everything that a customer gets of the turn, as text: its events, heard live and replayed by another process, history and
/// export.
async fn customers_view(play: &Play, heard: &Heard) -> String {
    let replayed = play.another().hear(heard.turn, None).await;
    let without_deltas = |heard: &Heard| {
        let events = heard.events.iter().cloned();
        let mut events: Vec<_> = events.collect();
        events.retain(|event| !matches!(event.kind, EventKind::TextDelta(_)));
        events
    };
    assert_eq!(without_deltas(&replayed), without_deltas(heard));
    let history = play.history().await.unwrap().items;
    assert_eq!(play.export_for(View::Customer).await, history);
    format!("{:?} {history:?}", heard.events)
}

/// Arguments, outcome and result of each call in the history, and the same of the action.
fn calls_in(items: Vec<Item>) -> Vec<(Option<String>, Option<String>)> {
    let shown = items.into_iter().filter_map(|item| match item {
        Item::ToolCall {
            arguments,
            outcome,
            result,
            milliseconds,
            ..
        } => {
            assert!(outcome.is_some() && milliseconds.is_some());
            Some((arguments, result))
        }
        Item::Action {
            arguments, result, ..
        } => Some((arguments, result)),
        Item::Message { .. } | Item::HandOff { .. } | Item::Turn { .. } => None,
    });
    shown.collect()
}

/// Arguments, then results, of the turn's events of calls and actions.
fn heard_of(heard: &Heard) -> Vec<Option<String>> {
    let shown = heard.events.iter().filter_map(|event| match &event.kind {
        EventKind::ToolCalled(called) => Some(called.arguments.clone()),
        EventKind::ToolFinished(finished) => Some(finished.result.clone()),
        EventKind::ActionFinished(finished) => Some(finished.result.clone()),
        EventKind::TurnStarted(_)
        | EventKind::TextDelta(_)
        | EventKind::ActionQueued(_)
        | EventKind::ConfirmationAsked(_)
        | EventKind::ClientCalled(_)
        | EventKind::HandedOff(_)
        | EventKind::Usage(_)
        | EventKind::Reset { .. }
        | EventKind::TurnCompleted
        | EventKind::TurnFailed(_)
        | EventKind::TurnStopped
        | EventKind::TurnContinues => None,
    });
    shown.collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside None")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_shows_its_name_shows_no_argument_and_no_result() {
    let play = showing("\"name\"", &[]);
    let heard = refund(&play).await;
    let view = customers_view(&play, &heard).await;
    assert!(!view.contains(SECRET), "{view}");
    assert_eq!(heard_of(&heard), vec![None; 5]);
    let is_good = |kind: &EventKind| matches!(kind, EventKind::ToolFinished(finished) if finished.outcome == ToolOutcome::Ok);
    assert!(heard.has(is_good));
    assert_eq!(
        calls_in(play.history().await.unwrap().items),
        vec![(None, None); 3]
    );
    // The model's own requests keep everything.
    assert!(play.model.last_asked().contains(&DONE.to_owned()));
    assert!(play.model.last_asked().contains(&FOUND.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn named_members_are_shown_of_arguments_and_results_and_nothing_else() {
    let play = showing(r#"["item_id", "product", "/items/0/paid_usd"]"#, &[]);
    let heard = refund(&play).await;
    let view = customers_view(&play, &heard).await;
    assert!(!view.contains(SECRET), "{view}");
    let looked_up = (None, some(r#"{"/items/0/paid_usd":7}"#));
    let (item, done) = (
        some(r#"{"item_id":"i-1"}"#),
        some(r#"{"item_id":"i-1","product":"Anvil"}"#),
    );
    let shown = calls_in(play.history().await.unwrap().items);
    let refunded = (item.clone(), done.clone());
    assert_eq!(shown, [looked_up.clone(), refunded.clone(), refunded]);
    let (asked, found) = looked_up;
    assert_eq!(heard_of(&heard), [asked, item, found, done.clone(), done]);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_shows_all_shows_arguments_and_results_as_they_are() {
    let play = showing("\"all\"", &[]);
    let heard = refund(&play).await;
    customers_view(&play, &heard).await;
    let shown = calls_in(play.history().await.unwrap().items);
    let refunded = (some(REFUND.1), some(DONE));
    assert_eq!(
        shown,
        [(some(LOOKUP.1), some(FOUND)), refunded.clone(), refunded]
    );
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_all_whatever_the_tool_shows() {
    let play = showing("\"name\"", &[]);
    refund(&play).await;
    let refunded = (some(REFUND.1), some(DONE));
    let all = [(some(LOOKUP.1), some(FOUND)), refunded.clone(), refunded];
    let history = play.history_for(View::Operator).await.unwrap().items;
    assert_eq!(play.export_for(View::Operator).await, history);
    assert_eq!(calls_in(history), all);
}

#[tokio::test(start_paused = true)]
async fn the_refusal_of_a_service_is_shown_by_all_alone_also_where_it_is_json() {
    for (show, is_shown) in [
        ("\"name\"", false),
        (r#"["item_id", "product", "note"]"#, false),
        ("\"all\"", true),
    ] {
        let play = showing(show, &[]);
        play.shop
            .set_found(Err(ToolError::Refused(DONE.to_owned())));
        play.shop.set_outcome(Outcome::Rejected(DONE.to_owned()));
        let heard = refund(&play).await;
        let view = customers_view(&play, &heard).await;
        assert_eq!(view.contains("Anvil"), is_shown, "{show}: {view}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ran_shows_no_more_than_its_name() {
    let play = showing(r#"["item_id", "product"]"#, &[]);
    let wrong = ("execute_refund", r#"{"item_id":7,"reason":"canary"}"#);
    let unknown = ("launch_canary", r#"{"item_id":"canary"}"#);
    let aside = ("transfer_back_to_triage", r#"{"item_id":"canary"}"#);
    at_repairs(&play, [calls(&[wrong, unknown, aside]), says(&["Hm."])]).await;
    let heard = play.say("my anvil broke").await;
    customers_view(&play, &heard).await;
    let seven = some(r#"{"item_id":7}"#);
    assert_eq!(heard_of(&heard), [seven, None, None, None, None]);
    let history = play.history().await.unwrap().items;
    let history = format!("{history:?}").replace(unknown.0, "");
    assert!(!history.contains(SECRET), "{history}");
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_an_operator_is_in_no_customers_view() {
    let play = showing("\"all\"", &[]);
    play.shop.set_price(Price::Known(60_000));
    at_repairs(&play, [calls(&[REFUND]), says(&["I see."])]).await;
    let heard = play.say("my anvil broke").await;
    let action = play.action(ActionState::Proposed).await;
    play.decide(&action, Decision::Reject).await.unwrap();
    let pulse = play.conversation().pulse().await.unwrap().unwrap();
    let against = "A colleague decided against it.";
    assert_eq!(pulse.ended[0].result, some(against));
    let shown = calls_in(play.history().await.unwrap().items);
    assert_eq!(shown[1], (some(REFUND.1), some(against)));

    // An answer that is given anew gets the end of the action as the result of its call.
    play.model.will([calls(&[REFUND]), says(&["A pity."])]);
    let again = play.conversation().regenerate(heard.turn).await.unwrap();
    let again = listen(&again).await;
    let view = customers_view(&play, &again).await;
    assert!(!view.contains(REASON), "{view}");
    let result = some(&format!("Rejected, nothing was done: {against}"));
    assert_eq!(heard_of(&again)[1..], [result.clone(), result]);
    let kept = play.action(ActionState::Rejected).await;
    assert_eq!(kept.reason.as_deref(), Some(REASON));
}

#[tokio::test(start_paused = true)]
async fn between_turns_the_end_of_an_action_shows_what_its_tool_shows() {
    for (show, shown) in [
        ("\"name\"", None),
        (r#"["product"]"#, some(r#"{"product":"Anvil"}"#)),
        ("\"all\"", some(DONE)),
    ] {
        let play = showing(show, &[IMPATIENT]);
        at_repairs(&play, [calls(&[REFUND]), says(&["Wait."])]).await;
        let heard = play.say("my anvil broke").await;
        assert_eq!(heard.text(), "Wait.");
        let action = play.action(ActionState::Queued).await;
        play.execute(&action.id).await;
        let pulse = play.conversation().pulse().await.unwrap().unwrap();
        let finished = ActionFinished {
            action: action.id,
            name: "execute_refund".to_owned(),
            state: ActionState::Done,
            result: shown,
        };
        assert_eq!(pulse.ended, [finished]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_in_the_history_names_its_call() {
    let play = showing("\"name\"", &[]);
    refund(&play).await;
    let items = play.history().await.unwrap().items;
    let calls = items.iter().filter_map(|item| match item {
        Item::Action { call, .. } => call.clone(),
        Item::Message { .. } | Item::ToolCall { .. } | Item::HandOff { .. } | Item::Turn { .. } => {
            None
        }
    });
    assert_eq!(calls.collect::<Vec<_>>(), ["call-1"]);
}
