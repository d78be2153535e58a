//! Many at once: every client gets its own words, all of them, in order, and nothing else.

use std::sync::Arc;

use baton_rehearsal::scripted::{ScriptedModel, says};
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::support::{Asked, Server, alone, body};

const CONVERSATIONS: usize = 512;
const TURNS: usize = 3;
const WORDS: usize = 20;

/// Histories read at once.
const READERS: usize = 8;

fn answer_to(message: &str) -> String {
    let words: Vec<_> = (0..WORDS)
        .map(|word| format!("{message}-word{word} "))
        .collect();
    words.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_512_conversations_never_mix() {
    let _turn = alone().await;
    let model = ScriptedModel::responding(|asked| says(&answer_to(&asked.customer()))).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let readers = Arc::new(Semaphore::new(READERS));
    let talk = |number: usize| {
        let client = client.clone();
        tokio::spawn(async move {
            let conversation = format!("c{number}");
            for turn in 0..TURNS {
                let message = format!("{conversation}-turn{turn}");
                let answer = client.say(&conversation, &message).await;
                assert_eq!(answer.answer(), answer_to(&message));
                assert_eq!(
                    answer.lines.len(),
                    WORDS + 1,
                    "one line per word and the end: {answer:?}"
                );
            }
        })
    };
    for ended in join_all((0..CONVERSATIONS).map(talk)).await {
        ended.unwrap();
    }
    let read = |number: usize| {
        let (client, readers) = (client.clone(), readers.clone());
        tokio::spawn(async move {
            let conversation = format!("c{number}");
            // Histories have fewer places than streams, and who waits too long for one is sent away.
            let _place = readers.acquire().await.unwrap();
            let said = client.said(&conversation).await;
            let texts: Vec<_> = said.into_iter().map(|(_, _, text)| text).collect();
            let expected = (0..TURNS).map(|turn| format!("{conversation}-turn{turn}"));
            let expected: Vec<_> = expected
                .flat_map(|message| [message.clone(), answer_to(&message)])
                .collect();
            assert_eq!(texts, expected);
        })
    };
    for ended in join_all((0..CONVERSATIONS).map(read)).await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_100_streams_that_hang() {
    let _turn = alone().await;
    let model = ScriptedModel::responding(|asked| match asked.customer().as_str() {
        "hang" => says("Wait ").then_hangs(),
        other => says(&format!("echo {other}")),
    })
    .await;
    let server = Server::open(&model).await;
    let client = server.client();
    let mut hanging = Vec::new();
    for number in 0..100 {
        let mut stream = client.send(&body(&format!("hang{number}"), "hang")).await;
        assert_eq!(stream.next().await.unwrap().content.message, "Wait ");
        hanging.push(stream);
    }
    let talk = |number: usize| {
        let client = client.clone();
        async move {
            for turn in 0..3 {
                let message = format!("m{number}-{turn}");
                assert_eq!(
                    client.say(&format!("c{number}"), &message).await.answer(),
                    format!("echo {message}")
                );
            }
        }
    };
    join_all((0..20).map(talk)).await;
    assert_eq!(client.get("/health").await.status, 200);
}
