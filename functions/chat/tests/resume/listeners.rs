//! Any number of listeners on one turn, the slow ones too.

use baton_handoff::Bounds;
use baton_rehearsal::scripted::{Gate, ScriptedModel, stream};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::Barrier;

use crate::hearing::{Format, Heard, Way};
use crate::suite::support::{Server, Setup, body, soon};

const LISTENERS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_listeners_hear_the_same_turn() {
    let gate = Gate::new();
    let text = "word ".repeat(40);
    let model = ScriptedModel::start([stream().says("So: ").gate(&gate).says(&text)]).await;
    let mut setup = Setup::new(&model);
    // More streams than one conversation may have.
    setup.engine.bounds = Bounds::off();
    let server = setup.open().await;
    let mut first = server.client().send(&body("c", "hello")).await;
    assert_eq!(first.next().await.unwrap().content.message, "So: ");
    let way = Way::to(server.address());
    let arrived = Barrier::new(LISTENERS + 1);
    let listen = async |number: usize| {
        let mut heard = Heard::of_turn(Format::ALL[number % 2], "c", 1);
        heard.listen(&way, |heard| heard.text() == "So: ").await;
        arrived.wait().await;
        heard.hear_out(&way).await
    };
    let (heard, ()) = tokio::join!(join_all((0..LISTENERS).map(listen)), async {
        arrived.wait().await;
        gate.open();
    });
    let expected = first.rest().await.answer();
    for heard in heard {
        assert_eq!(
            (heard.text(), heard.end.as_deref()),
            (expected.clone(), Some("committed"))
        );
    }
    assert_eq!(model.requests().len(), 1);
}

/// More than what the kernel keeps for a connection that nobody reads, and less than what a response may say.
const WORDS: usize = 25_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_does_not_read_slows_nobody_and_gets_it_all_when_it_reads() {
    let gate = Gate::new();
    let model =
        ScriptedModel::start([stream().says("So: ").gate(&gate).says(&"ha ".repeat(WORDS))]).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut first = client.send(&body("c", "hello")).await;
    assert_eq!(first.next().await.unwrap().content.message, "So: ");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut slow = socket
        .connect(server.address().parse().unwrap())
        .await
        .unwrap();
    let request = "GET /conversations/c/turns/1/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nconnection: close\r\n\r\n";
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    slow.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");

    gate.open();
    assert_eq!(first.rest().await.answer().len(), "So: ".len() + 3 * WORDS);
    assert_eq!(client.turn_ends("c", 1).await["status"], "committed");

    let mut rest = Vec::new();
    soon("the slow listener's end", slow.read_to_end(&mut rest))
        .await
        .unwrap();
    let rest = String::from_utf8(rest).unwrap();
    // A listener that is far behind gets the text that it missed in larger pieces.
    assert_eq!(rest.matches("ha ").count(), WORDS);
    assert!(rest.contains("event: turn_completed"));
}
