//! Budgets: what fits is answered, what does not is told, and what was accepted stays.

use baton_handoff::event::EventKind;
use baton_handoff::failure::FailureCode;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{ModelErrorKind, Usage};
use baton_handoff::record::{
    ActionState, Amount, Meta, Spending, StepRecord, TurnRecord, TurnState, keys,
};

use crate::model::{calls, counted, fails, says};
use crate::play::{CONVERSATION, Play};

const PRICE: &str = "[[price]]\nmodel = \"scripted\"\ninput = 2\ncached = 0.5\noutput = 10\n";

fn with(budget: &str) -> Play {
    Play::with_more(&format!("[budget]\n{budget}\n{PRICE}"))
}

fn id() -> ConversationId {
    ConversationId::parse(CONVERSATION).unwrap()
}

fn spending(play: &Play) -> Option<Spending> {
    play.records.read::<Meta>(&keys::meta(&id())).spending
}

fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage {
        prompt_tokens,
        completion_tokens,
        ..Usage::default()
    }
}

const EXCEEDED: EventKind = EventKind::TurnFailed(FailureCode::BudgetExceeded);

#[tokio::test(start_paused = true)]
async fn tokens_and_their_cost_are_kept_with_each_step_and_summed_in_the_turn() {
    let play = Play::with_more(PRICE);
    let cached = Usage {
        cached_tokens: 40,
        ..usage(100, 7)
    };
    play.model.will([
        counted(calls(&[("transfer_to_sales_agent", "{}")]), cached),
        counted(says(&["Hello!"]), usage(3, 1)),
    ]);
    play.say("hello").await;
    let step = |number| {
        play.records
            .read::<StepRecord>(&keys::step(&id(), 1, number))
    };
    let cost = 60 * 2_000_000 + 40 * 500_000 + 7 * 10_000_000;
    assert_eq!(step(1).cost, Some(cost));
    assert_eq!(step(2).cost, Some(3 * 2_000_000 + 10_000_000));
    let turn: TurnRecord = play.records.read(&keys::turn(&id(), 1));
    assert_eq!(
        turn.usage,
        Usage {
            cached_tokens: 40,
            ..usage(103, 8)
        }
    );
    assert_eq!(turn.cost, Some(cost + 16_000_000));
    assert_eq!(spending(&play), None, "what is not limited is not counted");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_where_nothing_is_switched_on() {
    let play = Play::begin();
    play.model.will([counted(says(&["Hello!"]), usage(3, 1))]);
    play.say("hello").await;
    assert!(!play.records.body(&keys::meta(&id())).contains("spending"));
    assert!(!play.records.body(&keys::turn(&id(), 1)).contains("cost"));
    assert!(!play.records.body(&keys::step(&id(), 1, 1)).contains("cost"));
    assert_eq!(play.records.partitions("L#"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_has_used_its_budget_is_told_so_and_costs_no_call() {
    let play = with("conversation = { tokens = 12_000 }");
    play.model
        .will([counted(says(&["Hello!"]), usage(3_000, 4_000))]);
    assert_eq!(play.say("hello").await.text(), "Hello!");
    let heard = play.say("hello?").await;
    assert_eq!(heard.end(), &EXCEEDED);
    assert!(heard.has(|kind| matches!(kind, EventKind::TurnStarted { .. })));
    assert_eq!(play.model.times_asked(), 1);
    let spending = spending(&play).unwrap();
    assert_eq!(spending.used.tokens, 7_000);
    assert_eq!(spending.reserved, None);
}

#[tokio::test(start_paused = true)]
async fn an_action_stays_accepted_when_the_next_call_does_not_fit() {
    let play = with("conversation = { tokens = 19_000 }");
    play.hire();
    let refund = [("execute_refund", r#"{"item_id":"item_132612938"}"#)];
    let transfer = calls(&[("transfer_to_issues_and_repairs", "{}")]);
    play.model.will([
        counted(transfer, usage(3_000, 4_000)),
        counted(calls(&refund), usage(3_000, 4_000)),
    ]);
    let heard = play.say("refund it").await;
    assert_eq!(heard.end(), &EXCEEDED);
    assert_eq!(play.model.times_asked(), 2);
    assert_eq!(play.action(ActionState::Done).await.tool, "execute_refund");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_service_refuses_takes_nothing() {
    let play = with("conversation = { usd = 1 }");
    play.model.will([fails(ModelErrorKind::RateLimited)]);
    play.say("hello").await;
    assert_eq!(spending(&play), Some(Spending::default()));
    play.model.will([fails(ModelErrorKind::Cut)]);
    play.say("hello").await;
    let used = spending(&play).unwrap().used;
    assert!(used.tokens > 4_096 && used.cost > 0, "{used:?}");
}

#[tokio::test(start_paused = true)]
async fn money_that_nobody_can_count_is_not_spent() {
    let play = Play::with_more(
        "[budget]\nconversation = { usd = 1_000 }\n[[price]]\nmodel = \"scripted\"\nfrom = 2999-01-01\ninput = 1\noutput = 1\n",
    );
    assert_eq!(play.say("hello").await.end(), &EXCEEDED);
    assert_eq!(play.model.times_asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_tenants_budget_is_drawn_in_slices_and_given_back() {
    let play = with("tenant_day = { tokens = 100_000 }\nall_day = { tokens = 200_000 }");
    play.model
        .will([counted(says(&["Hello!"]), usage(900, 100))]);
    play.say("hello").await;
    let taken = || {
        let pots = play.records.bodies("L#day#");
        let pot = |body: &String| serde_json::from_str::<serde_json::Value>(body).unwrap();
        let pots: Vec<_> = pots.iter().map(pot).collect();
        let taken = pots
            .iter()
            .map(|pot| pot["taken"]["tokens"].as_u64().unwrap());
        let open = pots
            .iter()
            .map(|pot| pot["open"].as_array().map_or(0, Vec::len));
        (taken.collect::<Vec<_>>(), open.sum::<usize>())
    };
    let (drawn, open) = taken();
    assert_eq!((drawn.len(), open), (2, 2));
    assert!(
        drawn.iter().all(|tokens| (4_096..40_000).contains(tokens)),
        "{drawn:?}"
    );
    crate::play::a_minute_passes().await;
    play.engine.sweep().await.unwrap();
    assert_eq!(taken(), (vec![1_000, 1_000], 0));
}

#[tokio::test(start_paused = true)]
async fn the_slice_of_a_dead_process_is_settled_by_the_sweep_of_another() {
    let play = with("tenant_day = { tokens = 100_000 }");
    play.model
        .will([counted(says(&["Hello!"]), usage(900, 100))]);
    play.say("hello").await;
    let other = play.another();
    play.crash();
    for _ in 0..10 {
        crate::play::a_minute_passes().await;
        other.engine.sweep().await.unwrap();
    }
    let [pot] = play.records.bodies("L#day#").try_into().unwrap();
    assert_eq!(pot, r#"{"taken":{"tokens":1000}}"#);
}

#[tokio::test(start_paused = true)]
async fn a_day_has_a_budget_of_its_own() {
    let play = with("tenant_day = { tokens = 12_000 }");
    play.model
        .will([counted(says(&["Hello!"]), usage(3_000, 4_000))]);
    play.say("hello").await;
    assert_eq!(play.say("hello?").await.end(), &EXCEEDED);
    for _ in 0..24 * 60 {
        crate::play::a_minute_passes().await;
    }
    assert_eq!(play.say("hello?").await.text(), "Nothing to say.");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_turn_has_taken_what_was_reserved_for_it() {
    let play = with("conversation = { tokens = 50_000 }");
    let (reply, _never_opened) = crate::model::says_and_waits("Once upon a time");
    play.model.will([reply]);
    let running = play
        .submit(crate::play::message("tell me a story"))
        .await
        .unwrap();
    crate::play::until(&running, |kind| matches!(kind, EventKind::TextDelta(_))).await;
    let reserved = spending(&play).unwrap().reserved.unwrap().amount;
    play.conversation().stop(running.turn).await.unwrap();
    let heard = crate::play::listen(&running).await;
    assert_eq!(heard.end(), &EventKind::TurnStopped);
    let turn: TurnRecord = play.records.read(&keys::turn(&id(), 1));
    assert_eq!(turn.state, TurnState::Stopped);
    let all = Spending {
        used: Amount {
            tokens: reserved.tokens,
            cost: reserved.cost,
        },
        reserved: None,
        summary: None,
    };
    assert_eq!(spending(&play), Some(all));
}
