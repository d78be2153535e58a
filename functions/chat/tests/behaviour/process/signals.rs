//! SIGTERM: turns may end, the others are left to the next server, and nothing takes longer than 10 s.

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::backend::file_in;
use crate::suite::support::{Asked, Folder, body, soon, until};

use super::local::{Local, command};

#[tokio::test]
async fn sigterm_with_a_hung_stream_ends_within_10_seconds_and_says_so() {
    let model = ScriptedModel::responding(|asked| match asked.customer().as_str() {
        "hang" => says("Wait ").then_hangs(),
        other => says(&format!("echo {other}")),
    })
    .await;
    let folder = Folder::new();
    let server = Local::start(&file_in(&folder), &model.url()).await;
    let client = server.client();
    let mut hung = client.send(&body("c", "hang")).await;
    assert_eq!(hung.next().await.unwrap().content.message, "Wait ");
    server.signal(Signal::TERM);
    let heard = tokio::spawn(hung.rest());
    // Its own bound is 10 s; the test's only ends a test that would hang.
    let ended = server.ended().await;
    assert!(ended.success, "{}", ended.log);
    let turn = heard.await.unwrap();
    assert_eq!(turn.seen(), ["Wait ", "done: running"]);
    assert!(!ended.log.contains("had to be cut"), "{}", ended.log);

    // Given up in good order, the turn is anybody's at once.
    let model =
        ScriptedModel::responding(|asked| says(&format!("echo {}", asked.customer()))).await;
    let server = Local::start(&file_in(&folder), &model.url()).await;
    let turn = server.client().follow("c", 1, "").await.unwrap();
    assert_eq!(turn.answer(), "echo hang");
}

#[tokio::test]
async fn sigterm_lets_a_turn_that_ends_in_time_end() {
    let gate = Gate::new();
    let model = ScriptedModel::start([stream().says("Almost ").gate(&gate).says("done.")]).await;
    let folder = Folder::new();
    let server = Local::start(&file_in(&folder), &model.url()).await;
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    let mut listening = server.client().send(&body("c", "hello")).await;
    assert_eq!(listening.next().await.unwrap().content.message, "Almost ");
    server.signal(Signal::TERM);
    // It takes no more customers, and only then the model goes on.
    until("the listener's end", async || {
        TcpStream::connect(&address).await.is_err().then_some(())
    })
    .await;
    gate.open();
    assert_eq!(
        soon("the answer", listening.rest()).await.answer(),
        "Almost done."
    );
    assert!(server.ended().await.success);
}

#[tokio::test]
async fn sigterm_does_not_wait_for_who_follows_a_conversation_in_which_nothing_happens() {
    let model = ScriptedModel::start([says("Hello.")]).await;
    let folder = Folder::new();
    let server = Local::start(&file_in(&folder), &model.url()).await;
    let client = server.client();
    client.say("c", "hello").await;
    let follow = client.request("GET", "/conversations/c/events").send();
    let follower = soon("the follower's begin", follow).await.unwrap();
    assert_eq!(follower.status(), 200);
    server.signal(Signal::TERM);
    let heard = soon("the follower's end", follower.text()).await.unwrap();
    assert!(heard.contains("event: turn_continues"), "{heard}");
    let ended = server.ended().await;
    assert!(ended.success, "{}", ended.log);
    // Nothing ran: the time that turns may take was not taken.
    assert!(!ended.log.contains("giving up"), "{}", ended.log);
    assert!(!ended.log.contains("had to be cut"), "{}", ended.log);
}

#[tokio::test]
async fn sigterm_leaves_one_whole_file() {
    let model = ScriptedModel::responding(|_| says("Hello.")).await;
    let folder = Folder::new();
    let file = file_in(&folder);
    let server = Local::start(&file, &model.url()).await;
    let client = server.client();
    for _ in 0..3 {
        assert_eq!(client.say("c", "hello").await.status(), "committed");
        assert_eq!(client.get("/conversations/c").await.status, 200);
    }
    server.signal(Signal::TERM);
    assert!(server.ended().await.success);
    let elsewhere = Folder::new();
    std::fs::copy(&file, file_in(&elsewhere)).unwrap();
    let server = Local::start(&file_in(&elsewhere), &model.url()).await;
    let said = server.client().said("c").await;
    assert_eq!(said.len(), 6, "{said:?}");
}

#[tokio::test]
async fn sigterm_lets_a_turn_end_that_nobody_listens_to() {
    let gate = Gate::new();
    let model = ScriptedModel::start([stream().says("Almost ").gate(&gate).says("done.")]).await;
    let folder = Folder::new();
    let server = Local::start(&file_in(&folder), &model.url()).await;
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    let client = server.client();
    let mut listening = client.send(&body("c", "hello")).await;
    assert_eq!(listening.next().await.unwrap().content.message, "Almost ");
    drop(listening);
    server.signal(Signal::TERM);
    until("the listener's end", async || {
        TcpStream::connect(&address).await.is_err().then_some(())
    })
    .await;
    gate.open();
    let ended = server.ended().await;
    assert!(ended.success, "{}", ended.log);
    // A server that is asked to follow it only reads: the model is not there any more.
    let nobody = ScriptedModel::start([]).await;
    let server = Local::start(&file_in(&folder), &nobody.url()).await;
    let turn = server.client().follow("c", 1, "").await.unwrap();
    assert_eq!(turn.answer(), "Almost done.");
    assert!(nobody.requests().is_empty());
}

#[tokio::test]
async fn a_closed_terminal_ends_the_server_as_sigterm_does() {
    let model = ScriptedModel::start([says("Hello.")]).await;
    let folder = Folder::new();
    let server = Local::start(&file_in(&folder), &model.url()).await;
    server.client().say("c", "hello").await;
    server.signal(Signal::HUP);
    let ended = server.ended().await;
    assert!(ended.success, "{}", ended.log);
    assert!(ended.log.contains("shutting down"), "{}", ended.log);
}

#[tokio::test]
async fn a_server_that_is_about_to_end_tells_balancers_and_still_answers() {
    let model = ScriptedModel::start([says("Hello."), says("Still here.")]).await;
    let folder = Folder::new();
    let mut command = command(&file_in(&folder), &model.url());
    // Longer than the test: the second signal ends it.
    command.env("BATON_DRAIN_SECONDS", "300");
    let server = Local::run(command).await;
    let client = server.client();
    client.say("c", "hello").await;
    assert_eq!(client.get("/health").await.status, 200);
    server.signal(Signal::TERM);
    let health = until("the word to balancers", async || {
        let health = client.get("/health").await;
        (health.status == 503).then_some(health)
    })
    .await;
    assert_eq!(health.json()["reason"], "shutting down");
    assert_eq!(client.say("c", "and now?").await.answer(), "Still here.");
    server.signal(Signal::TERM);
    let ended = server.ended().await;
    assert!(ended.success, "{}", ended.log);
}
