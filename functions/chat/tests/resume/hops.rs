//! Two servers on one store, and a client that hops between them while they are stopped and killed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use baton_rehearsal::scripted::{Answer, Gate, ScriptedModel, says, stream};
use rustix::process::Signal;
use serde_json::Value;

use crate::backend::Backend;
use crate::hearing::{Format, Heard, Way};
use crate::local::Local;
use crate::pair::pair;
use crate::suite::support::{Asked, Client, body, soon};

/// What the agent said in the turn, as the history has it.
async fn recorded(client: &Client, turn: u32) -> String {
    let said = client.said("c").await;
    said.into_iter()
        .filter(|(number, role, _)| *number == turn && role == "agent")
        .map(|(_, _, text)| text)
        .collect()
}

/// An answer of one step, with a gate behind each word but the last.
struct Slow {
    words: Vec<&'static str>,
    gates: Vec<Gate>,
}

impl Slow {
    fn new(text: &'static str) -> Self {
        let words: Vec<_> = text.split_inclusive(' ').collect();
        let gates = words.iter().skip(1).map(|_| Gate::new()).collect();
        Self { words, gates }
    }

    fn answer(&self) -> Answer {
        let begin = stream().says(self.words[0]);
        let rest = self.words[1..].iter().zip(&self.gates);
        rest.fold(begin, |answer, (word, gate)| answer.gate(gate).says(word))
    }

    /// All words up to this one.
    fn up_to(&self, last: usize) -> String {
        self.words[..=last].concat()
    }
}

#[tokio::test]
async fn what_one_server_says_is_heard_on_the_other_while_it_is_said() {
    for format in Format::ALL {
        let slow = Arc::new(Slow::new("One two three four."));
        let answers = slow.clone();
        let model = ScriptedModel::responding(move |_| answers.answer()).await;
        let (one, other) = pair(&model).await;
        let ways = [Way::to(one.address()), Way::to(other.address())];
        let mut heard = Heard::to_say(format, "c", "hello");
        heard.listen(&ways[0], |heard| heard.text() == "One ").await;
        for word in 1..slow.words.len() {
            slow.gates[word - 1].open();
            let so_far = slow.up_to(word);
            let way = &ways[word % 2];
            heard.listen(way, |heard| heard.text() == so_far).await;
            // But for the last one the model waits at its gate: this is not the journal's.
            assert_eq!(heard.text(), so_far);
        }
        let heard = heard.hear_out(&ways[1]).await;
        assert_eq!((heard.text(), heard.resets), (slow.up_to(3), 0));
        assert_eq!(model.requests().len(), 1, "nobody asked the model twice");
    }
}

#[tokio::test]
async fn a_turn_whose_owner_crashes_again_and_again_is_told_to_its_end_on_the_other_server() {
    const CRASHES: usize = 8;
    let asked_before = Mutex::new(HashMap::<usize, usize>::new());
    // Each step is said by halves first, and as a whole to the next owner.
    let model = ScriptedModel::responding(move |asked| {
        let messages = asked.messages();
        let step = messages
            .iter()
            .filter(|message| message["role"] == "tool")
            .count();
        let mut before = asked_before.lock().unwrap();
        let tries = before.entry(step).or_default();
        *tries += 1;
        let begin = stream().says(&format!("{step} begins, "));
        match (step, *tries) {
            (CRASHES.., _) => says("The end."),
            (_, 1) => begin.then_hangs(),
            _ => begin
                .says(&format!("{step} ends. "))
                .calls("look_up_item", r#"{"search_query":"anvil"}"#),
        }
    })
    .await;
    let (mut here, mut there) = pair(&model).await;
    there.crash();
    let mut heard = Heard::to_say(Format::Sse, "c", "hello");
    for crash in 0..CRASHES {
        let begun = format!("{crash} begins, ");
        let way = Way::to(here.address());
        heard
            .listen(&way, |heard| heard.text().ends_with(&begun))
            .await;
        assert!(heard.text().ends_with(&begun), "{heard:?}");
        here.crash();
        there.rise().await;
        std::mem::swap(&mut here, &mut there);
    }
    let heard = heard.hear_out(&Way::to(here.address())).await;
    assert_eq!(heard.end.as_deref(), Some("committed"));
    let expected: String = (0..CRASHES)
        .map(|step| format!("{step} begins, {step} ends. "))
        .chain(["The end.".to_owned()])
        .collect();
    assert_eq!(heard.text(), expected);
    assert_eq!(heard.resets, CRASHES);
    there.rise().await;
    for server in [&here, &there] {
        assert_eq!(recorded(&server.client(), 1).await, expected);
        let uncut = Heard::of_turn(Format::Sse, "c", 1);
        let uncut = uncut.hear_out(&Way::to(server.address())).await;
        assert_eq!(uncut.pieces, heard.pieces);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_are_stopped_and_killed_while_a_client_hops_between_them_and_nothing_is_lost()
{
    let slow = Arc::new(Slow::new("One two three four five six seven."));
    let model = ScriptedModel::responding({
        let slow = slow.clone();
        move |asked| match asked.customer().as_str() {
            "hello" => slow.answer(),
            other => says(&format!("echo {other}")),
        }
    })
    .await;
    let backend = Backend::fresh();
    let start = async || Local::start(&backend.file(), &model.url()).await;
    let way = |server: &Local| Way::to(server.base.strip_prefix("http://").unwrap());
    let (mut here, mut there) = (start().await, start().await);
    let mut heard = Heard::to_say(Format::Ndjson, "c", "hello");
    heard
        .listen(&way(&here), |heard| heard.text() == "One ")
        .await;
    let waiting = there
        .client()
        .request("POST", "/chat/completions")
        .header("prefer", "respond-async")
        .json(&body("c", "next"));
    assert_eq!(there.client().fetch(waiting).await.status, 202);

    // The one that only listens is killed.
    for word in 1..3 {
        slow.gates[word - 1].open();
        heard
            .listen(&way(&there), |heard| heard.text() == slow.up_to(word))
            .await;
        assert_eq!(heard.text(), slow.up_to(word), "{heard:?}");
        there.kill().await;
        there = start().await;
    }
    // Each in turn is asked to end; the other one goes on.
    for word in 3..5 {
        here.signal(Signal::TERM);
        let ended = here.ended().await;
        assert!(ended.success, "{}", ended.log);
        here = start().await;
        std::mem::swap(&mut here, &mut there);
        slow.gates[word - 1].open();
        heard
            .listen(&way(&here), |heard| heard.text() == slow.up_to(word))
            .await;
        assert_eq!(heard.text(), slow.up_to(word), "{heard:?}");
    }
    // Whoever has it is killed: the next one waits for the lease.
    here.kill().await;
    there.kill().await;
    (here, there) = (start().await, start().await);
    slow.gates.iter().for_each(Gate::open);
    let heard = heard.hear_out(&way(&here)).await;
    assert_eq!(heard.text(), "One two three four five six seven.");
    assert_eq!(heard.end.as_deref(), Some("committed"));
    for server in [&here, &there] {
        let client = server.client();
        assert_eq!(recorded(&client, 1).await, heard.text());
        let ends: Vec<Value> = vec![
            client.turn_ends("c", 1).await,
            client.turn_ends("c", 2).await,
        ];
        assert!(
            ends.iter().all(|end| end["status"] == "committed"),
            "{ends:?}"
        );
        assert_eq!(recorded(&client, 2).await, "echo next");
    }
    soon("the processes' end", async {
        here.kill().await;
        there.kill().await;
    })
    .await;
}
