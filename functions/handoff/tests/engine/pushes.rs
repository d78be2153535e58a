//! The endpoint that a client brings for one turn: told of its end, in order, at least once, and gone with it.

use baton_handoff::ids::ConversationId;
use std::time::Duration;

use baton_handoff::ports::{Authentication, Change, ClientEndpoint, Delivered, Key, Record};
use baton_handoff::{
    CannotPush, Client, ClientTool, Conversation, Kind, Overlap, Principal, Subject, Submission,
    Tenant,
};
use serde_json::{Value, json};

use crate::model::{calls, says, says_and_waits};
use crate::play::{CONVERSATION, Play, a_minute_passes, listen, message, message_as};

const TOKEN: &str = "tok-3f9c";

fn principal(kind: Kind) -> Principal {
    let subject = Subject::parse("ann").unwrap();
    Principal::new(Tenant::default(), kind, subject)
}

/// The conversation of a customer.
fn hers(play: &Play) -> Conversation {
    let name = ConversationId::parse(CONVERSATION).unwrap();
    play.engine.conversation(&name, &principal(Kind::Customer))
}

fn endpoint(path: &str) -> ClientEndpoint {
    ClientEndpoint {
        id: "mine".to_owned(),
        url: format!("https://client.example/{path}"),
        token: Some(TOKEN.to_owned()),
        authentication: Some(Authentication {
            scheme: "Bearer".to_owned(),
            credentials: Some("cred-77aa".to_owned()),
        }),
    }
}

impl Play {
    /// Task and state of everything that was sent.
    fn pushed(&self) -> Vec<(String, String)> {
        let posted = self.shop.posted().into_iter();
        let read = posted.map(|(_, body)| {
            let body: Value = serde_json::from_str(&body).unwrap();
            let text = |path: &str| {
                let found = body.pointer(&format!("/statusUpdate/{path}"));
                found.unwrap().as_str().unwrap().to_owned()
            };
            assert!(text("status/timestamp").ends_with('Z'), "{body}");
            let task = text("taskId");
            let turn = task.strip_prefix(&format!("{}.", text("contextId")));
            (turn.unwrap().to_owned(), text("status/state"))
        });
        read.collect()
    }

    /// The same, as turns and the ends of states.
    fn pushed_as(&self, expected: &[(&str, &str)]) {
        let pushed = self.pushed();
        let pushed: Vec<_> = pushed
            .iter()
            .map(|(turn, state)| (turn.as_str(), state.strip_prefix("TASK_STATE_").unwrap()))
            .collect();
        assert_eq!(pushed, expected);
    }

    /// The records of these kinds in the conversation of the customer.
    fn left(&self, conversation: &Conversation) -> usize {
        let id = conversation.id();
        let records = self.records.bodies(&format!("C#{id}"));
        let pushes = records.iter().filter(|body| body.contains(TOKEN)).count();
        pushes + self.records.bodies(&format!("H#.client#{id}")).len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_of_the_end_of_its_turn_and_of_no_other() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    let (reply, gate) = says_and_waits("Yes.");
    play.model.will([reply, says(&["Again."])]);
    let accepted = conversation.submit(message("Well?")).await.unwrap();
    conversation
        .set_push(accepted.turn, &endpoint("a"))
        .await
        .unwrap();
    assert!(play.pushed().is_empty(), "the turn runs");
    gate.open();
    listen(&accepted).await;
    a_minute_passes().await;
    let again = conversation.submit(message("And now?")).await.unwrap();
    listen(&again).await;
    a_minute_passes().await;
    play.pushed_as(&[("1", "COMPLETED")]);
    assert_eq!(play.shop.clients_told(), [endpoint("a")]);
    assert!(
        !play
            .shop
            .posted()
            .iter()
            .any(|(_, body)| body.contains(TOKEN) || body.contains("Well")),
        "no secret and no word"
    );
    let read = conversation.push(1).await.unwrap();
    assert_eq!(read, Some(endpoint("a")));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_comes_after_the_end_is_told_at_once_and_once() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    play.model.will([says(&["Yes."])]);
    let accepted = conversation.submit(message("Well?")).await.unwrap();
    listen(&accepted).await;
    for _ in 0..2 {
        conversation.set_push(1, &endpoint("a")).await.unwrap();
        a_minute_passes().await;
    }
    play.pushed_as(&[("1", "COMPLETED")]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_delivered_is_told_in_order_later() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    let failed = Delivered::Failed("it answered 503".to_owned(), None);
    play.shop.endpoints_answer(Some(failed));
    for _ in 0..2 {
        let (reply, gate) = says_and_waits("Yes.");
        play.model.will([reply]);
        let accepted = conversation.submit(message("Well?")).await.unwrap();
        let turn = accepted.turn;
        conversation.set_push(turn, &endpoint("a")).await.unwrap();
        gate.open();
        listen(&accepted).await;
    }
    a_minute_passes().await;
    let tried = play.pushed();
    assert!(
        tried.len() > 1 && tried.iter().all(|(turn, _)| turn == "1"),
        "{tried:?}"
    );
    play.shop.endpoints_answer(None);
    a_minute_passes().await;
    a_minute_passes().await;
    let turns: Vec<_> = play.pushed().into_iter().map(|(turn, _)| turn).collect();
    assert_eq!(turns[tried.len()..], ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_before_it_tells_is_followed_by_another() {
    let play = Play::begin();
    let conversation = hers(&play);
    let (reply, gate) = says_and_waits("Yes.");
    play.model.will([reply]);
    let accepted = conversation.submit(message("Well?")).await.unwrap();
    conversation.set_push(1, &endpoint("a")).await.unwrap();
    gate.open();
    listen(&accepted).await;
    play.post.lose_all();
    play.crash();
    let other = play.another();
    other.hire();
    a_minute_passes().await;
    assert_eq!(other.engine.sweep().await.unwrap().notices, 1);
    a_minute_passes().await;
    other.pushed_as(&[("1", "COMPLETED")]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_turn_and_one_that_waits_for_its_client_say_so() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    let (reply, gate) = says_and_waits("One.");
    play.model.will([reply]);
    let first = conversation
        .submit(message_as("m-1", "One?"))
        .await
        .unwrap();
    let second = conversation
        .submit(message_as("m-2", "Two?"))
        .await
        .unwrap();
    let third = Submission {
        overlap: Overlap::Interrupt,
        ..message_as("m-3", "Three?")
    };
    for turn in [first.turn, second.turn] {
        conversation.set_push(turn, &endpoint("a")).await.unwrap();
    }
    play.model.will([calls(&[("open_door", "{}")])]);
    let tool = ClientTool {
        name: "open_door".to_owned(),
        description: String::new(),
        parameters: json!({ "type": "object" }),
    };
    let client = Client {
        tools: vec![tool],
        ..Client::default()
    };
    let third = conversation
        .submit(Submission { client, ..third })
        .await
        .unwrap();
    conversation
        .set_push(third.turn, &endpoint("a"))
        .await
        .unwrap();
    drop(gate);
    listen(&third).await;
    a_minute_passes().await;
    play.pushed_as(&[
        ("2", "CANCELED"),
        ("1", "CANCELED"),
        ("3", "INPUT_REQUIRED"),
    ]);
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_is_not_told_even_where_it_was_to_be() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    let failed = Delivered::Failed("it answered 503".to_owned(), None);
    play.shop.endpoints_answer(Some(failed));
    play.push_of(&conversation, 1).await;
    a_minute_passes().await;
    let tried = play.pushed().len();
    assert!(tried > 0);
    for _ in 0..2 {
        conversation.remove_push(1, "mine").await.unwrap();
    }
    a_minute_passes().await;
    a_minute_passes().await;
    assert_eq!(play.pushed().len(), tried);
    assert_eq!(play.left(&conversation), 0);
    assert_eq!(conversation.push(1).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_left_alone_and_pauses_no_other() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    play.shop.endpoints_will([Delivered::Gone]);
    for turn in 1..=2 {
        play.push_of(&conversation, turn).await;
        a_minute_passes().await;
    }
    play.pushed_as(&[("1", "COMPLETED"), ("2", "COMPLETED")]);
}

impl Play {
    async fn push_of(&self, conversation: &Conversation, turn: u32) {
        self.model.will([says(&["Yes."])]);
        let accepted = conversation.submit(message("Well?")).await.unwrap();
        listen(&accepted).await;
        let endpoint = endpoint("a");
        conversation.set_push(turn, &endpoint).await.unwrap();
    }
}

/// The tasks behind it wait for an hour, not for days.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_listens_is_given_up_soon() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    let failed = Delivered::Failed("it answered 401".to_owned(), None);
    play.shop.endpoints_answer(Some(failed));
    play.push_of(&conversation, 1).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_mins(15)).await;
        play.engine.sweep().await.unwrap();
    }
    a_minute_passes().await;
    let tried = play.pushed().len();
    assert!(tried > 3, "{tried}");
    play.shop.endpoints_answer(None);
    play.push_of(&conversation, 2).await;
    a_minute_passes().await;
    let turns: Vec<_> = play.pushed().into_iter().map(|(turn, _)| turn).collect();
    assert_eq!(turns[tried..], ["2"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_cannot_be_read_holds_up_others_for_no_longer() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    let failed = Delivered::Failed("it answered 503".to_owned(), None);
    play.shop.endpoints_answer(Some(failed));
    play.push_of(&conversation, 1).await;
    let store = play.engine.store();
    let key = Key::new(format!("C#{}", conversation.id()), "P#0000000001");
    let stored = store.get(&key).await.unwrap().unwrap();
    let damaged = Record {
        body: "{".to_owned(),
        ..stored.record
    };
    let change = Change::Replace(key, stored.version, damaged);
    store.commit(vec![change]).await.unwrap();
    play.shop.endpoints_answer(None);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_mins(15)).await;
        play.engine.sweep().await.unwrap();
    }
    let before = play.pushed().len();
    play.push_of(&conversation, 2).await;
    a_minute_passes().await;
    let turns: Vec<_> = play.pushed().into_iter().map(|(turn, _)| turn).collect();
    assert_eq!(turns[before..], ["2"]);
}

#[tokio::test(start_paused = true)]
async fn an_erasure_takes_the_endpoint_and_what_it_was_to_be_told() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    let failed = Delivered::Failed("it answered 503".to_owned(), None);
    play.shop.endpoints_answer(Some(failed));
    play.model.will([says(&["Yes."])]);
    let accepted = conversation.submit(message("Well?")).await.unwrap();
    listen(&accepted).await;
    conversation.set_push(1, &endpoint("a")).await.unwrap();
    a_minute_passes().await;
    assert_eq!(play.left(&conversation), 2);
    conversation.erase().await.unwrap();
    a_minute_passes().await;
    play.engine.sweep().await.unwrap();
    a_minute_passes().await;
    assert_eq!(play.left(&conversation), 0);
}

#[tokio::test(start_paused = true)]
async fn a_turn_has_one_endpoint_of_a_customer_or_a_service_and_no_other() {
    let play = Play::with_workers();
    let conversation = hers(&play);
    play.model.will([says(&["Yes."])]);
    let accepted = conversation.submit(message("Well?")).await.unwrap();
    listen(&accepted).await;
    conversation.set_push(1, &endpoint("a")).await.unwrap();
    conversation.set_push(1, &endpoint("b")).await.unwrap();
    assert_eq!(conversation.push(1).await.unwrap(), Some(endpoint("b")));
    let another = ClientEndpoint {
        id: "another".to_owned(),
        ..endpoint("a")
    };
    let refused = conversation.set_push(1, &another).await;
    assert!(matches!(refused, Err(CannotPush::Another(id)) if id == "mine"));
    let missing = conversation.set_push(2, &endpoint("a")).await;
    assert!(matches!(missing, Err(CannotPush::NotFound)));
    let control = ClientEndpoint {
        token: Some("a\r\nHost: evil".to_owned()),
        ..endpoint("a")
    };
    let elsewhere = ClientEndpoint {
        url: "https://evil.example/".to_owned(),
        ..endpoint("a")
    };
    for bad in [control, elsewhere] {
        let refused = conversation.set_push(1, &bad).await;
        assert!(matches!(refused, Err(CannotPush::Bad(_))), "{refused:?}");
    }
    let stranger = Principal::new(
        Tenant::default(),
        Kind::Service,
        Subject::parse("other").unwrap(),
    );
    let strangers = play.engine.conversation(conversation.id(), &stranger);
    let refused = strangers.push(1).await;
    assert!(matches!(refused, Err(CannotPush::NotFound)), "{refused:?}");
    for kind in [Kind::Visitor, Kind::Operator] {
        let name = ConversationId::parse(CONVERSATION).unwrap();
        let opened = play.engine.conversation(&name, &principal(kind));
        let refused = opened.set_push(1, &endpoint("a")).await;
        assert!(matches!(refused, Err(CannotPush::NotTaken(_))), "{kind:?}");
    }
    play.shop.take_no_clients();
    let refused = conversation.set_push(1, &endpoint("a")).await;
    assert!(matches!(refused, Err(CannotPush::NotTaken(_))));
}

#[test]
fn an_endpoint_shows_no_secret_in_a_log() {
    let shown = format!(
        "{:?} {:?}",
        endpoint("secret-path"),
        endpoint("a").authentication
    );
    for secret in [TOKEN, "cred-77aa", "secret-path"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
