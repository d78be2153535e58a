//! Traces: read from the journal, sent after the turn, whole, and the same again.

use std::collections::BTreeSet;
use std::time::Duration;

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Delivered, ModelErrorKind, Outcome, Price, Usage};
use baton_handoff::record::{ActionRecord, ActionState};
use baton_handoff::trace::{Span, SpanContext, Trace, TraceId, Value, names};
use baton_handoff::{Decision, Settlement, Tenant};

use crate::model::{Reply, after, calls, counted, fails, says};
use crate::play::{CONVERSATION, Play, a_minute_passes, listen, message};

const REFUND: (&str, &str) = ("execute_refund", r#"{"item_id":"i-1"}"#);

impl Play {
    async fn proposed(&self) -> Vec<ActionRecord> {
        let tenant = Tenant::default();
        let open = self.engine.actions(&tenant, ActionState::Proposed, None, 1);
        open.await.unwrap().actions
    }
}

/// Each span as its name and that of the one that it is a part of.
fn tree(trace: &Trace) -> Vec<(String, String)> {
    let name_of = |context: SpanContext| {
        let parent = trace.spans.iter().find(|span| span.context == context);
        parent.map_or("elsewhere", |span| &span.name).to_owned()
    };
    let spans = trace.spans.iter();
    spans
        .map(|span| {
            let parent = span.parent.map_or_else(String::new, name_of);
            (span.name.clone(), parent)
        })
        .collect()
}

fn named<'a>(trace: &'a Trace, name: &str) -> &'a Span {
    let mut spans = trace.spans.iter().filter(|span| span.name == name);
    let span = spans.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(spans.next().is_none(), "one {name}");
    span
}

fn contexts(trace: &Trace) -> BTreeSet<String> {
    let spans = trace.spans.iter();
    let contexts: BTreeSet<_> = spans.map(|span| span.context.to_string()).collect();
    assert_eq!(
        contexts.len(),
        trace.spans.len(),
        "each span has its own id"
    );
    contexts
}

#[tokio::test(start_paused = true)]
async fn the_trace_of_a_turn_has_its_agents_responses_calls_and_hand_offs() {
    let play = Play::traced();
    play.model.will([
        calls(&[("transfer_to_issues_and_repairs", "{}")]),
        calls(&[("look_up_item", r#"{"search_query":"anvil"}"#)]),
        says(&["I found it."]),
    ]);
    play.say("my anvil broke").await;
    a_minute_passes().await;
    let traces = play.shop.traces();
    let [trace] = traces.as_slice() else {
        panic!("{traces:?}")
    };
    let pair = |name: &str, parent: &str| (name.to_owned(), parent.to_owned());
    let triage = "invoke_agent TriageAgent";
    let repairs = "invoke_agent IssuesAndRepairsAgent";
    assert_eq!(
        tree(trace),
        [
            pair("baton.turn", ""),
            pair(triage, "baton.turn"),
            pair("chat scripted", triage),
            pair("baton.hand_off", triage),
            pair(repairs, "baton.turn"),
            pair("chat scripted", repairs),
            pair("execute_tool look_up_item", repairs),
            pair("chat scripted", repairs),
        ]
    );
    contexts(trace);
    let whole = named(trace, "baton.turn");
    assert!(trace.spans.iter().all(|span| {
        span.start <= span.end && whole.start <= span.start && span.end <= whole.end
    }));
    let to = named(trace, "baton.hand_off").attribute(names::HAND_OFF_TO);
    assert_eq!(to, Some(&Value::from("IssuesAndRepairsAgent")));
    let text = format!("{trace:?}");
    for word in ["anvil", "found it"] {
        assert!(!text.contains(word), "no {word} of the conversation");
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_that_a_colleague_approves_a_day_later_is_in_the_trace_of_its_turn() {
    let play = Play::traced();
    play.shop.set_price(Price::Known(100_000));
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.model
        .will([calls(&[REFUND]), says(&["A colleague looks."])]);
    play.say("my money back").await;
    a_minute_passes().await;
    let accepted = play.shop.traces().pop().unwrap();
    assert_eq!(accepted.turn, 2);
    assert!(
        tree(&accepted)
            .iter()
            .all(|(name, _)| name != "execute_tool execute_refund"),
        "it is sent when it has ended"
    );
    tokio::time::sleep(Duration::from_hours(24)).await;
    play.model.will([says(&["It is refunded."])]);
    let action = play.action(ActionState::Proposed).await;
    play.decide(&action, Decision::Approve).await.unwrap();
    a_minute_passes().await;
    let told = play.shop.traces().pop().unwrap();
    assert_eq!(told.turn, 3);
    let refund = named(&told, "execute_tool execute_refund");
    assert_eq!(refund.context, SpanContext::of_action(&action.id));
    assert_eq!(refund.parent, Some(accepted.spans[0].context));
    let parts = ["baton.approval", "baton.queue", "baton.attempts"].map(|part| named(&told, part));
    for (part, next) in parts.iter().zip(&parts[1..]) {
        assert_eq!(part.end, next.start, "one after the other");
    }
    assert!(parts[0].end - parts[0].start >= 24 * 3_600_000);
    assert_eq!(parts[2].end, refund.end);
    let late = named(&told, "baton.turn");
    assert_eq!(late.links, [refund.context]);
    assert_eq!(
        late.attribute(names::ORIGIN),
        Some(&Value::from("late_result"))
    );
    // For people all of it is in the turn that accepted it.
    let id = ConversationId::parse(CONVERSATION).unwrap();
    let shown = play.engine.trace(&id, 2).await.unwrap().unwrap();
    let of_action = |span: &&Span| span.context.trace == refund.context.trace;
    let sent = accepted
        .spans
        .iter()
        .chain(told.spans.iter().filter(of_action));
    let sent: Vec<_> = sent.cloned().collect();
    assert_eq!(shown.spans, sent);
}

/// Whatever a colleague finds out later adds spans: a receiver has no way to take one back.
#[tokio::test(start_paused = true)]
async fn what_was_sent_of_an_unknown_outcome_stays_as_it_was() {
    for settlement in [Settlement::Done, Settlement::Rejected, Settlement::Retry] {
        let play = Play::traced();
        play.transferred_by("transfer_to_issues_and_repairs").await;
        let lost = Outcome::Unknown("the answer was lost".to_owned());
        play.shop.set_outcome(lost);
        play.model
            .will([calls(&[REFUND]), says(&["Nobody knows."])]);
        play.say("my money back").await;
        a_minute_passes().await;
        play.shop
            .set_outcome(Outcome::Done("It is done.".to_owned()));
        play.model.will([says(&["Now we know."])]);
        let action = play.action(ActionState::Unknown).await;
        let decision = Decision::Settle(settlement);
        play.decide(&action, decision).await.unwrap();
        a_minute_passes().await;
        let traces = play.shop.traces();
        let mut sent: Vec<&Span> = traces.iter().flat_map(|trace| &trace.spans).collect();
        sent.sort_by_key(|span| span.context.to_string());
        for pair in sent.windows(2) {
            assert_ne!(pair[0].context, pair[1].context, "{pair:?}");
        }
        let of_action = sent
            .iter()
            .filter(|span| span.context.trace == TraceId::of(&action.id.conversation, 2));
        let names: Vec<_> = of_action.map(|span| span.name.as_str()).collect();
        let refunds = names
            .iter()
            .filter(|name| **name == "execute_tool execute_refund")
            .count();
        let settlements = names
            .iter()
            .filter(|name| **name == "baton.settlement")
            .count();
        let expected = if settlement == Settlement::Retry {
            (2, 0)
        } else {
            (1, 1)
        };
        assert_eq!(
            (refunds, settlements),
            expected,
            "{settlement:?}: {names:?}"
        );
        // For people all of it is in the turn.
        let shown = play
            .engine
            .trace(&action.id.conversation, 2)
            .await
            .unwrap()
            .unwrap();
        let refund = shown
            .spans
            .iter()
            .find(|span| span.context == SpanContext::of_action(&action.id));
        assert_eq!(refund.unwrap().error.as_deref(), Some("unknown"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_never_came_is_in_the_trace() {
    let play = Play::traced();
    play.shop.set_price(Price::Known(100_000));
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.model
        .will([calls(&[REFUND]), says(&["A colleague looks."])]);
    play.say("my money back").await;
    tokio::time::sleep(Duration::from_hours(73)).await;
    play.model.will([says(&["Nobody agreed."])]);
    play.engine.sweep().await.unwrap();
    a_minute_passes().await;
    let told = play.shop.traces().pop().unwrap();
    let approval = named(&told, "baton.approval");
    assert_eq!(approval.attribute(names::DECISION), None);
    assert!(approval.end - approval.start >= 72 * 3_600_000);
    assert_eq!(
        named(&told, "execute_tool execute_refund").error.as_deref(),
        Some("rejected")
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_not_taken_comes_again_with_the_same_ids() {
    let play = Play::traced();
    let busy = Delivered::Failed("it answered 503".to_owned(), None);
    play.shop.endpoints_will([busy.clone(), busy]);
    play.model.will([fails(ModelErrorKind::Unauthorized)]);
    play.say("Well?").await;
    a_minute_passes().await;
    let traces = play.shop.traces();
    assert_eq!(traces.len(), 3);
    assert!(traces.iter().all(|trace| *trace == traces[0]));
    assert_eq!(
        named(&traces[0], "baton.turn").error.as_deref(),
        Some("model_unauthorized")
    );
}

#[tokio::test(start_paused = true)]
async fn the_span_of_the_caller_is_linked_and_kept_only_where_traces_are_sent() {
    let caller = SpanContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    for play in [Play::traced(), Play::with_workers()] {
        play.model.will([says(&["Yes."])]);
        let conversation = play.conversation().called_from(caller);
        listen(&conversation.submit(message("Well?")).await.unwrap()).await;
        a_minute_passes().await;
        let records = play.records.bodies(&format!("C#{CONVERSATION}"));
        let is_kept = records.iter().any(|body| body.contains("4bf92f3577b34da6"));
        assert_eq!(is_kept, play.shop.takes_traces());
        for trace in play.shop.traces() {
            assert_eq!(trace.spans[0].links, [caller.unwrap()]);
        }
        assert_eq!(play.shop.traces().len(), usize::from(is_kept));
    }
}

#[tokio::test(start_paused = true)]
async fn an_erased_conversation_is_not_traced() {
    let play = Play::traced();
    let busy = Delivered::Failed("it answered 503".to_owned(), None);
    play.shop.endpoints_answer(Some(busy));
    play.model.will([says(&["Yes."])]);
    play.say("Well?").await;
    a_minute_passes().await;
    play.conversation().erase().await.unwrap();
    let before = play.shop.traces().len();
    tokio::time::sleep(Duration::from_hours(1)).await;
    play.engine.sweep().await.unwrap();
    a_minute_passes().await;
    assert_eq!(play.shop.traces().len(), before);
    assert!(
        play.records
            .bodies(&format!("H#traces#{CONVERSATION}"))
            .is_empty()
    );
}

fn takes(milliseconds: u64, prompt_tokens: u64, reply: Reply) -> Reply {
    let usage = Usage {
        prompt_tokens,
        completion_tokens: 18,
        ..Usage::default()
    };
    after(milliseconds, counted(reply, usage))
}

/// The picture in the guide is what the command draws of this.
#[tokio::test(start_paused = true)]
async fn the_guide_shows_the_trace_of_a_turn_as_it_is_drawn() {
    let play = Play::traced();
    play.shop.set_price(Price::Known(100_000));
    play.model.will([
        takes(640, 310, calls(&[("transfer_to_issues_and_repairs", "{}")])),
        takes(
            820,
            540,
            calls(&[("look_up_item", r#"{"search_query":"anvil"}"#)]),
        ),
        takes(910, 610, calls(&[REFUND])),
        takes(60_000, 0, says(&["This is never said."])),
    ]);
    let asked = message("my anvil broke, and so did the rocket");
    let accepted = play.conversation().submit(asked).await.unwrap();
    while play.proposed().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The process dies; another one goes on.
    play.crash();
    drop(accepted);
    let other = play.another();
    other.hire();
    play.shop.set_price(Price::Known(1_000));
    play.shop
        .set_outcome(Outcome::Rejected("It was not ours.".to_owned()));
    play.model.will([
        takes(
            950,
            660,
            calls(&[("execute_refund", r#"{"item_id":"i-2"}"#)]),
        ),
        takes(1_130, 710, says(&["A colleague will look at it."])),
    ]);
    a_minute_passes().await;
    other.engine.sweep().await.unwrap();
    a_minute_passes().await;
    tokio::time::sleep(Duration::from_hours(23)).await;
    play.model.will([says(&["It is refunded."])]);
    play.shop
        .set_outcome(Outcome::Done("It is done.".to_owned()));
    let action = other.action(ActionState::Proposed).await;
    other.decide(&action, Decision::Approve).await.unwrap();
    a_minute_passes().await;
    let id = ConversationId::parse(CONVERSATION).unwrap();
    let trace = other.engine.trace(&id, 1).await.unwrap().unwrap();
    let drawn = trace.draw();
    let guide = include_str!("../../../../infra/docs/traces.md");
    assert!(
        guide.contains(&drawn),
        "in infra/docs/traces.md this is to stand:\n{drawn}"
    );
}
