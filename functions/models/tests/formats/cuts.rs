//! Answers whose bytes come in any pieces, stop, or are none.

use std::sync::atomic::{AtomicUsize, Ordering};

use baton_handoff::ports::ModelErrorKind;
use baton_models::Patience;
use baton_rehearsal::scripted::{ScriptedModel, hangs, json, stream};

use crate::speaks::{
    FORMATS, HALVES, Say, Stop, answer, client_of, hello, opaque, play_with, whole,
};
use crate::support::{Reply, SHORT, ask_for};

const CASE: &[Say] = &[
    Say::Thought("Größe? 🤔", "c2lnbmF0dXJl"),
    Say::Text(&["Grüße 🚀 ", "und \"mehr\"\n"]),
    Say::Call("a", "look_up_item", r#"{"search_query":"Amboß 🔨"}"#),
    Say::Call("b", "look_up_item", "{}"),
    Say::Strange,
];

/// What a caller makes of it: texts may come in other pieces, if the bytes do.
fn gist(reply: &Reply) -> String {
    assert!(reply.error.is_none(), "{:?}", reply.error);
    format!(
        "{} {:?} {:?} {:?} {:?}",
        reply.text(),
        reply.calls(),
        opaque(reply),
        reply.finished(),
        reply.usages()
    )
}

#[tokio::test]
async fn an_answer_cut_at_any_byte_is_the_same_answer() {
    for format in FORMATS {
        let bytes = format.frames(CASE, Some(Stop::Done)).concat();
        let length = bytes.len();
        let cut = AtomicUsize::new(0);
        let model = ScriptedModel::responding(move |_| {
            let (head, tail) = bytes.split_at(cut.fetch_add(1, Ordering::SeqCst));
            let answer = if head.is_empty() {
                stream()
            } else {
                stream().raw(head)
            };
            answer.raw(tail).ends_there()
        })
        .await
        .taking_anything();
        let client = client_of(*format, &model);
        let uncut = gist(&ask_for(&client, hello()).await);
        assert!(uncut.contains("Grüße 🚀 und"), "{uncut}");
        for at in 1..length {
            let reply = ask_for(&client, hello()).await;
            assert_eq!(
                gist(&reply),
                uncut,
                "{} cut at {at} of {length}",
                format.name()
            );
        }
        let single = answer(*format, CASE, Some(Stop::Done)).byte_by_byte();
        assert_eq!(
            gist(&play_with(*format, single, |_| ()).await),
            uncut,
            "{}",
            format.name()
        );
    }
}

#[tokio::test]
async fn an_answer_that_stops_anywhere_before_its_end_is_cut() {
    for format in FORMATS {
        let frames = format.frames(CASE, Some(Stop::Done));
        let without_end = format.frames(CASE, None).len();
        for length in 0..=without_end.min(frames.len() - 1) {
            for is_lost in [false, true] {
                let part = whole(frames[..length].to_vec());
                let part = if is_lost {
                    part.cut_after(length)
                } else {
                    part
                };
                let reply = play_with(*format, part, |_| ()).await;
                let wanted = Some(ModelErrorKind::Cut);
                assert_eq!(
                    reply.kind(),
                    wanted,
                    "{} after {length} frames",
                    format.name()
                );
            }
        }
    }
}

/// Some services cut a character into its two halves, each an escape in an event of its own.
#[tokio::test]
async fn a_character_cut_between_two_events_is_whole_again() {
    let says = [
        Say::Text(&["Good day <HIGH>", "<LOW> Hi", " <HIGH>"]),
        Say::Call("a", "look_up_item", r#"{"q":"an anvil","r":"b"}"#),
    ];
    assert_eq!(HALVES, ["<HIGH>", "<LOW>"]);
    for format in FORMATS {
        let reply = play_with(*format, answer(*format, &says, Some(Stop::Done)), |_| ()).await;
        let text = reply.text();
        assert_eq!(
            (text.as_str(), reply.kind()),
            ("Good day 🚀 Hi \u{fffd}", None),
            "{}",
            format.name()
        );
    }
}

/// Something on the way may gather a stream, or a service not stream at all.
#[tokio::test]
async fn an_answer_in_one_document_is_the_same_answer() {
    for format in FORMATS {
        let Some(document) = format.document(CASE) else {
            continue;
        };
        let streamed = answer(*format, CASE, Some(Stop::Done));
        let streamed = play_with(*format, streamed, |_| ()).await;
        let whole = play_with(*format, json(200, document), |_| ()).await;
        assert_eq!(gist(&whole), gist(&streamed), "{}", format.name());
    }
}

#[tokio::test]
async fn a_document_of_another_kind_is_no_answer() {
    for format in FORMATS {
        for document in [
            serde_json::json!({ "hello": "there" }),
            serde_json::json!([]),
            serde_json::json!({ "text": "my card is 4242" }),
        ] {
            let reply = play_with(*format, json(200, document.clone()), |_| ()).await;
            let bad = Some(ModelErrorKind::BadStream);
            assert_eq!(reply.kind(), bad, "{} {document}", format.name());
        }
    }
}

#[tokio::test]
async fn silence_times_out() {
    let patience = Patience {
        silence: SHORT,
        first_byte: SHORT,
        ..Patience::default()
    };
    for format in FORMATS {
        let silent = answer(*format, &CASE[..2], None).then_hangs();
        let reply = play_with(*format, silent, |settings| settings.patience = patience).await;
        let timed_out = Some(ModelErrorKind::TimedOut);
        assert_eq!(
            (reply.text().as_str(), reply.kind()),
            ("Grüße 🚀 und \"mehr\"\n", timed_out),
            "{}",
            format.name()
        );
        let reply = play_with(*format, hangs(), |settings| settings.patience = patience).await;
        assert_eq!(reply.kind(), timed_out, "{}", format.name());
    }
}

#[tokio::test]
async fn what_is_not_of_the_format_is_no_answer_and_is_not_logged() {
    for format in FORMATS {
        let mut frames = format.frames(&CASE[1..2], None);
        frames.push(format.garbage());
        let reply = play_with(*format, whole(frames), |_| ()).await;
        assert_eq!(reply.text(), "Grüße 🚀 und \"mehr\"\n", "{}", format.name());
        assert_eq!(
            reply.kind(),
            Some(ModelErrorKind::BadStream),
            "{}",
            format.name()
        );
    }
}
