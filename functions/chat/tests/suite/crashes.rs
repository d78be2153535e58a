//! Nothing said before it is recorded, nothing recorded lost: failing stores, and servers that end from one moment to the next.

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};

use super::support::{Asked, Commits, Server, body, clerk, soon, until};

#[tokio::test]
async fn no_byte_reaches_the_client_before_its_message_is_recorded() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    server.faults().let_commits(Commits::Wait);
    let sent = tokio::spawn({
        let client = client.clone();
        async move { client.send(&body("c", "hello")).await.rest().await }
    });
    // The model is asked meanwhile, and could have answered.
    server.faults().commit_waits().await;
    model.arrived(1).await;
    assert!(!sent.is_finished());
    server.faults().let_commits(Commits::Work);
    assert_eq!(sent.await.unwrap().answer(), "You said: hello");
}

#[tokio::test]
async fn a_message_that_cannot_be_recorded_is_a_503_and_leaves_nothing() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    server.faults().let_commits(Commits::Fail);
    let refused = client.post("/chat/completions", &body("c", "hello")).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.detail(), "the conversation could not be saved");
    assert!(!refused.header("retry-after").is_empty());
    server.faults().let_commits(Commits::Work);
    assert_eq!(client.items("c").await.len(), 0);
    let turn = client.say("c", "hello again").await;
    assert_eq!(
        (turn.number, turn.answer()),
        (1, "You said: hello again".to_owned())
    );
}

#[tokio::test]
async fn a_message_that_loses_every_race_is_a_503_that_says_when_to_come_again() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    server.faults().let_commits(Commits::LoseRaces);
    let refused = client.post("/chat/completions", &body("c", "hello")).await;
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.detail(),
        "too many requests write to this conversation at once"
    );
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    server.faults().let_commits(Commits::Work);
    assert_eq!(client.items("c").await.len(), 0);
    assert_eq!(client.say("c", "hello").await.number, 1);
}

#[tokio::test]
pub(crate) async fn a_turn_that_a_crash_cut_is_answered_once_by_the_next_server() {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "cut" => stream().says("Half of ").gate(&at).says("it."),
        _ => clerk(asked),
    })
    .await;
    let mut server = Server::open(&model).await;
    let client = server.client();
    assert_eq!(client.say("c", "before").await.answer(), "You said: before");
    let mut named = body("c", "cut");
    named["message_id"] = "m-2".into();
    let mut cut = client.send(&named).await;
    assert_eq!(cut.next().await.unwrap().content.message, "Half ");
    server.crash();
    let heard = cut.until_cut().await;
    assert!(
        !heard.iter().any(|line| line.content.kind == "done"),
        "{heard:?}"
    );

    gate.open();
    server.rise().await;
    let client = server.client();
    let again = client.say_as("m-2", "c", "cut").await;
    assert_eq!((again.number, again.answer().as_str()), (2, "Half of it."));
    // Who goes on behind the last line is told that its step is said anew.
    let resumed = client
        .follow("c", 2, &heard.last().unwrap().id)
        .await
        .unwrap();
    assert_eq!(
        resumed.seen(),
        ["reset: 1", "Half of it.", "done: committed"]
    );
    let texts: Vec<_> = client
        .said("c")
        .await
        .into_iter()
        .map(|(_, _, text)| text)
        .collect();
    assert_eq!(texts, ["before", "You said: before", "cut", "Half of it."]);
    assert_eq!(client.say("c", "after").await.answer(), "You said: after");
}

#[tokio::test]
async fn a_turn_that_a_crash_cut_goes_on_without_anybody_asking() {
    let gate = Gate::new();
    let at = gate.clone();
    let model =
        ScriptedModel::responding(move |_| stream().says("Half of ").gate(&at).says("it.")).await;
    let mut server = Server::open(&model).await;
    let mut cut = server.client().send(&body("c", "hello")).await;
    assert_eq!(cut.next().await.unwrap().content.message, "Half ");
    server.crash();
    gate.open();
    server.rise().await;
    assert_eq!(
        server.client().turn_ends("c", 1).await["status"],
        "committed"
    );
    assert_eq!(
        server.client().said("c").await.pop().unwrap().2,
        "Half of it."
    );
}

#[tokio::test]
pub(crate) async fn an_action_that_a_crash_cut_is_done_once() {
    let model = ScriptedModel::responding(clerk).await;
    let mut server = Server::open(&model).await;
    server.desk().hold_actions();
    let mut named = body("c", "order anvil 30");
    named["message_id"] = "m-1".into();
    let cut = server.client().send(&named).await;
    server.desk().came(1).await;
    server.crash();
    cut.until_cut().await;
    server.desk().let_in();
    server.rise().await;
    let client = server.client();
    let turn = client.say_as("m-1", "c", "order anvil 30").await;
    assert!(turn.answer().contains("order_id"), "{turn:?}");
    let orders = client.get("/orders").await.json();
    let ordered = orders["orders"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|order| order["conversation"] == "c")
        .count();
    assert_eq!(ordered, 1);
    assert_eq!(client.items_of("c", "action").await.len(), 1);
    let tries = server.desk().tries();
    assert!(tries.iter().all(|tried| tried.1 == tries[0].1), "{tries:?}");
}

#[tokio::test]
async fn messages_that_waited_when_the_server_crashed_are_answered_in_order() {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "first" => stream().gate(&at).says("echo first"),
        other => says(&format!("echo {other}")),
    })
    .await;
    let mut server = Server::open(&model).await;
    let client = server.client();
    let mut cut = Vec::new();
    for message in ["first", "second", "third"] {
        cut.push(client.send(&body("c", message)).await);
    }
    server.crash();
    gate.open();
    server.rise().await;
    let client = server.client();
    client.turn_ends("c", 3).await;
    let said = client.said("c").await;
    let texts: Vec<_> = said
        .iter()
        .map(|(turn, _, text)| (*turn, text.as_str()))
        .collect();
    let expected = [
        (1, "first"),
        (1, "echo first"),
        (2, "second"),
        (2, "echo second"),
        (3, "third"),
        (3, "echo third"),
    ];
    assert_eq!(texts, expected);
    drop(cut);
}

#[tokio::test]
async fn a_store_that_fails_midway_ends_the_stream_with_the_word_that_the_turn_goes_on_and_it_does()
{
    let gate = Gate::new();
    let at = gate.clone();
    let model =
        ScriptedModel::responding(move |_| stream().says("All ").gate(&at).says("done.")).await;
    let mut server = Server::open(&model).await;
    let client = server.client();
    let mut listening = client.send(&body("c", "hello")).await;
    assert_eq!(listening.next().await.unwrap().content.message, "All ");
    server.faults().let_commits(Commits::Fail);
    gate.open();
    let turn = soon("the end of the stream", listening.rest()).await;
    // Not "failed": the store has the turn as running, and whoever is told that it failed asks for the same once more.
    assert_eq!(turn.seen(), ["All done.", "done: running"]);
    server.faults().let_commits(Commits::Work);
    server.crash();
    server.rise().await;
    assert_eq!(
        server.client().turn_ends("c", 1).await["status"],
        "committed"
    );
    assert_eq!(
        server.client().said("c").await.pop().unwrap().2,
        "All done."
    );
    assert_eq!(model.requests()[0].customer(), "hello");
}

#[tokio::test]
async fn a_panic_while_a_message_is_taken_ends_no_other_turn() {
    let gate = Gate::new();
    let at = gate.clone();
    let model =
        ScriptedModel::responding(move |_| stream().says("All ").gate(&at).says("is well.")).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut listening = client.send(&body("c", "hello")).await;
    assert_eq!(listening.next().await.unwrap().content.message, "All ");
    server.break_dice();
    // With an id of its own, so that the first random number is drawn where the message is taken.
    let request = client
        .request("POST", "/chat/completions")
        .header("x-request-id", "panics");
    let refused = client.fetch(request.json(&body("c", "and now?"))).await;
    assert_eq!(refused.status, 503);
    gate.open();
    assert_eq!(
        listening.rest().await.seen(),
        ["All is well.", "done: committed"]
    );
}

#[tokio::test]
async fn a_turn_whose_owners_died_beside_it_is_not_failed_for_that() {
    let gate = Gate::new();
    let at = gate.clone();
    let model = ScriptedModel::responding(move |asked| match asked.customer().as_str() {
        "dies" => stream().gate(&at).says("Alive."),
        other => says(&format!("echo {other}")),
    })
    .await;
    let mut server = Server::open(&model).await;
    let mut cut = Vec::new();
    for conversation in ["c", "d"] {
        cut.push(server.client().send(&body(conversation, "dies")).await);
    }
    // As often as owners of a bystander died in one step in a real crash loop. Each owner asks the model.
    for _ in 0..6 {
        let asked = model.requests().len();
        server.crash();
        server.rise().await;
        until("the next owner", async || {
            (model.requests().len() > asked).then_some(())
        })
        .await;
    }
    gate.open();
    for conversation in ["c", "d"] {
        let end = server.client().turn_ends(conversation, 1).await;
        assert_eq!(end["status"], "committed", "{conversation}");
    }
    drop(cut);
}
