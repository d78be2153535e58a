//! The customer's own yes: bound to what the card shows, given by its owner alone, and never by the model.

use std::time::Duration;

use baton_handoff::event::{ConfirmationAsked, EventKind};
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::Price;
use baton_handoff::record::{ActionState, Answer};
use baton_handoff::{CannotConfirm, Decision, DecisionError, Principal, Stale};

use crate::model::{Reply, calls, says};
use crate::play::{CONVERSATION, Heard, Play};

const APPROVAL: &str = "approval = { above_usd = 500 }";

const CUSTOMER: &str = r#"approval = "customer"
confirm = { title = "Refund of {amount} for {item_id}?", show = ["item_id"], yes = ["yes", "ja"], no = ["no"] }"#;

async fn asks(approval: &str) -> Play {
    let play = Play::with_team(&[(APPROVAL, approval)]);
    play.hire();
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.shop.set_price(Price::Known(74_900));
    play
}

fn refund(item: &str) -> Reply {
    calls(&[("execute_refund", &format!(r#"{{"item_id":"{item}"}}"#))])
}

fn card(heard: &Heard) -> ConfirmationAsked {
    let mut cards = heard.events.iter().filter_map(|event| {
        if let EventKind::ConfirmationAsked(asked) = &event.kind {
            Some((**asked).clone())
        } else {
            None
        }
    });
    cards.next().unwrap()
}

/// A card about a catapult, with the turn that asked.
async fn asked(play: &Play) -> (ConfirmationAsked, Heard) {
    play.model
        .will([refund("catapult"), says(&["Please confirm it."])]);
    let heard = play.say("it broke").await;
    (card(&heard), heard)
}

async fn answer(play: &Play, card: &ConfirmationAsked, yes: bool) -> Result<(), CannotConfirm> {
    let conversation = play.conversation();
    conversation
        .confirm(&card.action, &card.arguments_hash, yes)
        .await
}

fn stale(refused: Result<(), CannotConfirm>) -> Stale {
    match refused {
        Err(CannotConfirm::Stale(stale)) => stale,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_action_is_executed_and_reported_in_a_turn_of_its_own() {
    let play = asks(CUSTOMER).await;
    let (card, heard) = asked(&play).await;
    assert_eq!(card.title, "Refund of $749.00 for catapult?");
    assert_eq!(card.shown, r#"{"item_id":"catapult"}"#);
    assert_eq!(play.shop.effects(), 0, "nothing happens before the yes");
    let told = play.model.last_asked();
    assert!(
        told.iter()
            .any(|text| text.contains("a card asks the customer")),
        "{told:?}"
    );
    play.model.will([says(&["It is paid."])]);
    answer(&play, &card, true).await.unwrap();
    answer(&play, &card, true).await.unwrap();
    let report = play.hear(heard.turn + 1, None).await;
    assert_eq!(
        (report.text().as_str(), play.shop.effects()),
        ("It is paid.", 1)
    );
    assert_eq!(stale(answer(&play, &card, false).await), Stale::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_declined_action_never_happens() {
    let play = asks(CUSTOMER).await;
    let (card, heard) = asked(&play).await;
    play.model.will([says(&["As you wish."])]);
    answer(&play, &card, false).await.unwrap();
    answer(&play, &card, false).await.unwrap();
    play.hear(heard.turn + 1, None).await;
    assert_eq!(stale(answer(&play, &card, true).await), Stale::Declined);
    assert_eq!(play.shop.effects(), 0);
    let ended = play.action(ActionState::Rejected).await;
    assert_eq!(
        ended.result.as_deref(),
        Some("The customer decided against it.")
    );
}

#[tokio::test(start_paused = true)]
async fn a_yes_is_bound_to_the_arguments_that_were_shown() {
    let play = asks(CUSTOMER).await;
    let (card, _) = asked(&play).await;
    let other = ConfirmationAsked {
        arguments_hash: "0".repeat(64),
        ..card.clone()
    };
    assert_eq!(
        stale(answer(&play, &other, true).await),
        Stale::OtherArguments
    );
    assert_eq!(play.action(ActionState::Proposed).await.id, card.action);
}

#[tokio::test(start_paused = true)]
async fn nobody_but_the_owner_answers_a_card() {
    let play = asks(CUSTOMER).await;
    let (card, _) = asked(&play).await;
    let subject = baton_handoff::Subject::parse("mallory").unwrap();
    let id = ConversationId::parse(CONVERSATION).unwrap();
    for kind in [baton_handoff::Kind::Operator, baton_handoff::Kind::Customer] {
        let stranger = Principal::new(baton_handoff::Tenant::default(), kind, subject.clone());
        let conversation = play.engine.conversation(&id, &stranger);
        let refused = conversation
            .confirm(&card.action, &card.arguments_hash, true)
            .await;
        assert!(
            matches!(refused, Err(CannotConfirm::NotFound)),
            "{kind:?}: {refused:?}"
        );
    }
    assert_eq!(play.shop.effects(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_card_is_over_after_its_time() {
    let play = asks(CUSTOMER).await;
    let (card, _) = asked(&play).await;
    tokio::time::sleep(Duration::from_mins(61)).await;
    assert_eq!(stale(answer(&play, &card, true).await), Stale::Expired);
    play.engine.sweep().await.unwrap();
    let ended = play.action(ActionState::Rejected).await;
    assert_eq!(
        ended.result.as_deref(),
        Some("The customer did not confirm it in time.")
    );
    assert_eq!(stale(answer(&play, &card, true).await), Stale::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_newer_proposal_withdraws_the_card_of_the_same_tool() {
    let play = asks(CUSTOMER).await;
    let (first, _) = asked(&play).await;
    play.model
        .will([refund("anvil"), says(&["This one, then."])]);
    let second = card(&play.say("no, the other one").await);
    assert_eq!(stale(answer(&play, &first, true).await), Stale::Withdrawn);
    let ended = play.action(ActionState::Rejected).await;
    let card = ended.confirmation.unwrap();
    assert_eq!(
        (ended.id, card.answer),
        (first.action, Some(Answer::Withdrawn))
    );
    answer(&play, &second, true).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_operator_approves_after_the_customer_only() {
    let both = CUSTOMER.replace(r#""customer""#, r#"["customer", "operator"]"#);
    let play = asks(&both).await;
    let (card, heard) = asked(&play).await;
    let early = play.action(ActionState::Proposed).await;
    let refused = play.decide(&early, Decision::Approve).await.unwrap_err();
    assert!(matches!(refused, DecisionError::CustomerFirst), "{refused}");
    play.model.will([says(&["It is paid."])]);
    answer(&play, &card, true).await.unwrap();
    assert_eq!(play.shop.effects(), 0, "the operator comes second");
    let refused = play.decide(&early, Decision::Reject).await.unwrap_err();
    assert!(matches!(refused, DecisionError::Changed(_)), "{refused}");
    let waiting = play.action(ActionState::Proposed).await;
    play.decide(&waiting, Decision::Approve).await.unwrap();
    play.hear(heard.turn + 1, None).await;
    assert_eq!(play.shop.effects(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_listed_word_as_the_next_message_confirms_the_only_card() {
    for (word, effects) in [
        ("Ja!", 1),
        ("yes", 1),
        ("no.", 0),
        ("yes please", 0),
        ("ok", 0),
    ] {
        let play = asks(CUSTOMER).await;
        asked(&play).await;
        play.model.will([says(&["So be it."])]);
        play.say(word).await;
        assert_eq!(play.shop.effects(), effects, "{word}");
        let told = play.model.last_asked();
        let noted = told
            .iter()
            .any(|text| text.contains("[This answered the card about execute_refund."));
        assert_eq!(
            noted,
            matches!(word, "Ja!" | "yes" | "no."),
            "{word}: {told:?}"
        );
        if effects == 1 {
            let result = told
                .iter()
                .any(|text| text.contains("execute_refund: It is done."));
            assert!(result, "the answer has the result: {told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_word_confirms_nothing() {
    let play = asks(CUSTOMER).await;
    let (card, _) = asked(&play).await;
    play.model.will([says(&["Which one?"]), says(&["Hm."])]);
    play.say("is that sure?").await;
    play.say("yes").await;
    assert_eq!(play.shop.effects(), 0);
    answer(&play, &card, true).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_word_confirms_nothing_while_two_cards_are_open() {
    let play = asks(CUSTOMER).await;
    let both = [
        ("execute_refund", r#"{"item_id":"a"}"#),
        ("execute_refund", r#"{"item_id":"b"}"#),
    ];
    play.model
        .will([calls(&both), says(&["Both?"]), says(&["Which?"])]);
    play.say("they broke").await;
    play.say("yes").await;
    assert_eq!(play.shop.effects(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_card_is_told_again_from_the_journal_at_its_place() {
    let play = asks(CUSTOMER).await;
    let (_, heard) = asked(&play).await;
    let again = play.another().hear(heard.turn, None).await;
    let told = |heard: &Heard| {
        let events = heard.events.iter();
        let told = events.filter(|event| {
            !matches!(
                event.kind,
                EventKind::TextDelta(_) | EventKind::ToolFinished(_)
            )
        });
        told.cloned().collect::<Vec<_>>()
    };
    assert_eq!(told(&heard), told(&again));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_full_by_the_time_of_the_yes_wants_an_operator() {
    let play = Play::with_team(&[
        (APPROVAL, CUSTOMER),
        ("conversation_usd = 2000", "conversation_usd = 1000"),
    ]);
    play.hire();
    play.transferred_by("transfer_to_issues_and_repairs").await;
    play.shop.set_price(Price::Known(74_900));
    let both = [
        ("execute_refund", r#"{"item_id":"a"}"#),
        ("execute_refund", r#"{"item_id":"b"}"#),
    ];
    play.model
        .will([calls(&both), says(&["Both?"]), says(&["One is paid."])]);
    let heard = play.say("they broke").await;
    let cards: Vec<_> = heard
        .events
        .iter()
        .filter_map(|event| {
            let EventKind::ConfirmationAsked(asked) = &event.kind else {
                return None;
            };
            Some((**asked).clone())
        })
        .collect();
    answer(&play, &cards[0], true).await.unwrap();
    answer(&play, &cards[1], true).await.unwrap();
    play.hear(heard.turn + 1, None).await;
    assert_eq!(play.shop.effects(), 1);
    let waiting = play.action(ActionState::Proposed).await;
    assert!(
        waiting.over.is_some() && !waiting.waits_for_customer(),
        "{waiting:?}"
    );
}
