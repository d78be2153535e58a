//! What the address of a turn answers, whatever is asked of it.

use baton_rehearsal::scripted::{Gate, ScriptedModel, says, stream};

use crate::pair::pair;
use crate::suite::support::{Server, body};

#[tokio::test]
async fn a_turn_in_the_background_is_answered_and_can_be_followed_on_any_server() {
    let gate = Gate::new();
    let model = ScriptedModel::start([stream().says("One ").gate(&gate).says("two.")]).await;
    let (here, there) = pair(&model).await;
    let client = here.client();
    let request = client
        .request("POST", "/chat/completions")
        .header("prefer", "respond-async, wait=10");
    let accepted = client.fetch(request.json(&body("c", "hello"))).await;
    assert_eq!(
        (accepted.status.as_u16(), accepted.body.as_str()),
        (202, "")
    );
    assert_eq!(accepted.header("preference-applied"), "respond-async");
    let location = accepted.location();
    // Nobody listens, and it runs.
    gate.reached().await;
    let (followed, ()) = tokio::join!(async { there.client().get(&location).await }, async {
        gate.open();
    });
    assert_eq!(followed.status, 200);
    assert!(
        followed.body.contains(r#""status":"committed""#),
        "{followed:?}"
    );
    for client in [here.client(), there.client()] {
        assert_eq!(
            client.follow("c", 1, "").await.unwrap().answer(),
            "One two."
        );
    }
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn every_question_about_a_turn_has_an_explicit_answer() {
    let model = ScriptedModel::responding(|_| says("Hello.")).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let first = client.say("c", "one").await;
    let second = client.say("c", "two").await;
    let (first_last, second_last) = (
        &first.lines.last().unwrap().id,
        &second.lines.last().unwrap().id,
    );
    let cases = [
        ("c/turns/1/events".to_owned(), 200),
        (format!("c/turns/1/events?after={first_last}"), 204),
        (format!("c/turns/2/events?after={second_last}"), 204),
        (format!("c/turns/1/events?after={second_last}"), 400),
        ("c/turns/1/events?after=1.1.1".to_owned(), 400),
        ("c/turns/1/events?after=nonsense".to_owned(), 400),
        ("c/turns/first/events".to_owned(), 400),
        ("c/turns/-1/events".to_owned(), 400),
        ("c/turns/0/events".to_owned(), 404),
        ("c/turns/3/events".to_owned(), 404),
        ("c/turns/4294967295/events".to_owned(), 404),
        ("nobody/turns/1/events".to_owned(), 404),
    ];
    for (path, status) in cases {
        let answer = client.get(&format!("/conversations/{path}")).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        match status {
            204 => assert_eq!(answer.body, ""),
            200 => assert!(answer.body.contains("committed"), "{answer:?}"),
            _ => assert!(!answer.detail().is_empty()),
        }
    }
    let header = client
        .request("GET", "/conversations/c/turns/1/events")
        .header("last-event-id", second_last);
    assert_eq!(client.fetch(header).await.status, 400);
    // What a browser sends when it has nothing yet.
    let empty = client
        .request("GET", "/conversations/c/turns/1/events")
        .header("last-event-id", "");
    assert_eq!(client.fetch(empty).await.status, 200);
}

#[tokio::test]
async fn a_position_inside_a_letter_loses_nothing_of_it() {
    let model = ScriptedModel::responding(|_| says("Grüße")).await;
    let server = Server::open(&model).await;
    let client = server.client();
    client.say("c", "hello").await;
    for (offset, rest) in [(2, "üße"), (3, "üße"), (4, "ße"), (5, "ße"), (6, "e")] {
        let followed = client.follow("c", 1, &format!("1.1.1.{offset}")).await;
        assert_eq!(followed.unwrap().answer(), rest, "behind {offset} bytes");
    }
}
