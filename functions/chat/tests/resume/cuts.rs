//! The network breaks at every byte of an answer, in every way, while the turn runs and afterwards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use baton_rehearsal::scripted::{Answer, Captured, Gate, ScriptedModel, says, status, stream};
use futures_util::future::join_all;

use crate::hearing::{Format, Heard, Way};
use crate::proxy::{Fate, Proxy};
use crate::suite::support::{Asked, Server};

/// Every so many bytes of a running turn's answer it is cut.
const STRIDE: usize = 3;

/// Clients at a time.
const CLIENTS: usize = 8;

/// An answer in three steps, with letters of several bytes and a hand-off.
fn band(asked: &Captured) -> Answer {
    match asked.results().len() {
        0 if asked.tools().iter().any(|tool| tool == "look_up_item") => stream()
            .says("Ah… ")
            .calls("look_up_item", r#"{"search_query":"band"}"#),
        0 => stream()
            .says("Grüße! ")
            .calls("transfer_to_issues_and_repairs", "{}"),
        _ if asked.results()[0].starts_with("Transferred") => stream()
            .says("Ah… ")
            .calls("look_up_item", r#"{"search_query":"band"}"#),
        _ => says("It is ‘fine’ 🎈 now."),
    }
}

/// The shortest answer with everything in it that a line can be: text with letters of several bytes, a call, a hand-off.
fn brief(asked: &Captured) -> Answer {
    match asked.results().len() {
        0 => stream()
            .says("Grüße! ")
            .calls("transfer_to_issues_and_repairs", "{}"),
        _ => says("‘Fine’ 🎈"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_answer_that_is_cut_at_any_byte_in_any_way_is_resumed_to_its_end() {
    let model = ScriptedModel::responding(brief).await;
    let server = Server::open(&model).await;
    server.client().say("c", "my band snapped").await;
    let mut cuts = 0;
    for format in Format::ALL {
        let proxy = Proxy::to(server.address()).await;
        let way = Way::through(&proxy);
        let uncut = Heard::of_turn(format, "c", 1).hear_out(&way).await;
        assert_eq!(
            (uncut.end.as_deref(), uncut.connections),
            (Some("committed"), 1)
        );
        assert_eq!(uncut.text(), "Grüße! ‘Fine’ 🎈");
        let length = proxy.carried();
        let next = AtomicUsize::new(0);
        // The longer format meets one fate at each byte, in turn.
        let fates = match format {
            Format::Ndjson => Fate::ALL.len(),
            Format::Sse | Format::Text => 1,
        };
        let clients = (0..CLIENTS)
            .map(|_| cut_everywhere(server.address(), &uncut, (format, fates), &next, length));
        join_all(clients).await;
        cuts += length * fates;
    }
    println!("{cuts} cuts of a recorded answer");
    assert!(
        cuts >= 1_000,
        "the answer is too short to mean much: {cuts} cuts"
    );
}

async fn cut_everywhere(
    server: &str,
    uncut: &Heard,
    (format, fates): (Format, usize),
    next: &AtomicUsize,
    length: usize,
) {
    let proxy = Proxy::to(server).await;
    let way = Way::through(&proxy);
    loop {
        let cut = next.fetch_add(1, Ordering::SeqCst);
        let at = cut / fates;
        let fate = Fate::ALL[(at + cut % fates) % Fate::ALL.len()];
        if at >= length {
            return;
        }
        proxy.break_next(at, fate);
        let heard = Heard::of_turn(format, "c", 1).hear_out(&way).await;
        assert_eq!(
            heard.pieces, uncut.pieces,
            "{fate:?} after {at} bytes of {format:?}"
        );
        assert!(
            heard.connections >= 2 || at + 8 > length,
            "{fate:?} after {at} bytes cut nothing"
        );
    }
}

#[tokio::test]
async fn a_client_that_is_cut_on_every_connection_gets_it_all_piece_by_piece() {
    let model = ScriptedModel::responding(band).await;
    let server = Server::open(&model).await;
    server.client().say("c", "my band snapped").await;
    let proxy = Proxy::to(server.address()).await;
    let way = Way::through(&proxy);
    for format in Format::ALL {
        let uncut = Heard::of_turn(format, "c", 1).hear_out(&way).await;
        let mut heard = Heard::of_turn(format, "c", 1);
        while heard.end.is_none() {
            assert!(heard.connections < 100, "no progress: {heard:?}");
            // A little further each time, so that any event comes through at last.
            proxy.break_next(
                400 + 20 * heard.connections,
                Fate::ALL[heard.connections % Fate::ALL.len()],
            );
            heard.listen(&way, |_| false).await;
        }
        assert_eq!(heard.pieces, uncut.pieces);
        assert!(heard.connections > 1);
    }
}

/// A gate for each customer.
#[derive(Clone, Default)]
struct Gates(Arc<Mutex<HashMap<String, Gate>>>);

impl Gates {
    fn of(&self, customer: &str) -> Gate {
        let mut gates = self.0.lock().unwrap();
        gates
            .entry(customer.to_owned())
            .or_insert_with(Gate::new)
            .clone()
    }
}

/// What comes before the gate.
const BEFORE: &str = "Grüße, wait ";

async fn gated(gates: Gates) -> ScriptedModel {
    ScriptedModel::responding(move |asked| match asked.results().len() {
        0 => stream()
            .says(BEFORE)
            .gate(&gates.of(&asked.customer()))
            .says("a bit. ")
            .calls("transfer_to_issues_and_repairs", "{}"),
        _ => says("Here ‘we’ are."),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_turn_that_is_cut_at_any_byte_is_resumed_to_its_end() {
    let gates = Gates::default();
    let model = gated(gates.clone()).await;
    let server = Server::open(&model).await;
    let mut cuts = 0;
    for format in Format::ALL {
        let proxy = Proxy::to(server.address()).await;
        let way = Way::through(&proxy);
        let customer = format!("uncut-{format:?}");
        gates.of(&customer).open();
        let uncut = Heard::to_say(format, &customer, &customer)
            .hear_out(&way)
            .await;
        assert_eq!(uncut.text(), "Grüße, wait a bit. Here ‘we’ are.");
        let length = proxy.carried();
        let next = AtomicUsize::new(0);
        let clients =
            (0..CLIENTS).map(|_| cut_live(server.address(), &gates, &uncut, format, &next, length));
        join_all(clients).await;
        cuts += length / STRIDE;
    }
    println!("{cuts} cuts of running turns");
}

async fn cut_live(
    server: &str,
    gates: &Gates,
    uncut: &Heard,
    format: Format,
    next: &AtomicUsize,
    length: usize,
) {
    let proxy = Proxy::to(server).await;
    let way = Way::through(&proxy);
    loop {
        let at = next.fetch_add(STRIDE, Ordering::SeqCst);
        if at >= length {
            return;
        }
        let fate = Fate::ALL[at % Fate::ALL.len()];
        let customer = format!("{format:?}-{at}");
        let gate = gates.of(&customer);
        let mut heard = Heard::to_say(format, &customer, &customer);
        proxy.break_next(at, fate);
        // The model waits at its gate until the client was cut, or has heard all there is before it.
        let open_behind = |heard: &Heard| {
            if heard.text() == BEFORE {
                gate.open();
            }
            false
        };
        heard.listen(&way, open_behind).await;
        // Half of the clients are back before the model goes on.
        let back_first = (at / Fate::ALL.len()).is_multiple_of(2);
        if !back_first {
            gate.open();
        }
        if heard.end.is_none() {
            let open_at_once = |_: &Heard| {
                gate.open();
                false
            };
            heard.listen(&way, open_at_once).await;
        }
        let heard = heard.hear_out(&way).await;
        assert_eq!(
            heard.seen()[..heard.seen().len() - 1],
            uncut.seen()[..uncut.seen().len() - 1],
            "{fate:?} after {at} bytes of {format:?}"
        );
        assert_eq!((heard.turn(), heard.resets), (Some(1), 0));
    }
}

#[tokio::test]
async fn a_turn_that_fails_is_resumed_like_any_other() {
    let model = ScriptedModel::responding(|_| status(401)).await;
    let server = Server::open(&model).await;
    server.client().say("c", "hello").await;
    let proxy = Proxy::to(server.address()).await;
    let way = Way::through(&proxy);
    for format in Format::ALL {
        let uncut = Heard::of_turn(format, "c", 1).hear_out(&way).await;
        assert_eq!(uncut.end.as_deref(), Some("failed"));
        for at in 0..proxy.carried() {
            proxy.break_next(at, Fate::Closed);
            let heard = Heard::of_turn(format, "c", 1).hear_out(&way).await;
            // A failure is two lines, and the cut may be between them: how the turn ended is heard all the same.
            assert_eq!(
                (heard.pieces, heard.end),
                (uncut.pieces.clone(), uncut.end.clone()),
                "after {at} bytes of {format:?}"
            );
        }
    }
}
