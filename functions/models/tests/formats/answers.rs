//! Whole answers.

use baton_handoff::ports::{FinishReason, ModelChunk, ModelErrorKind};
use baton_models::Bounds;

use crate::speaks::{FORMATS, Say, Stop, TOKENS, answer, play, play_with};

const TALK: &[Say] = &[Say::Text(&["Good ", "day, ", "🚀 Grüße!"])];
const CALLS: &[Say] = &[
    Say::Text(&["I look."]),
    Say::Call(
        "toolu_1",
        "look_up_item",
        r#"{"search_query":"anvil \"big\" é"}"#,
    ),
    Say::Call("toolu_2", "look_up_item", r#"{"search_query":"rocket"}"#),
];

#[tokio::test]
async fn a_text_comes_with_the_response_s_id_and_its_tokens() {
    for format in FORMATS {
        let reply = play(*format, TALK, Some(Stop::Done)).await;
        let name = format.name();
        assert_eq!(
            (reply.text().as_str(), reply.kind()),
            ("Good day, 🚀 Grüße!", None),
            "{name}"
        );
        assert_eq!(reply.finished(), Some(FinishReason::Stop), "{name}");
        assert_eq!(reply.usages(), [TOKENS], "{name}");
        let texts = reply
            .chunks
            .iter()
            .filter(|chunk| matches!(chunk, ModelChunk::Text(_)));
        assert_eq!(
            texts.count(),
            3,
            "{name}: each piece is shown when it comes"
        );
        let id = ModelChunk::Id("answer-1".into());
        assert_eq!(
            reply.chunks.iter().filter(|chunk| **chunk == id).count(),
            usize::from(format.has_ids()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn calls_come_whole_and_in_order() {
    for format in FORMATS {
        let reply = play(*format, CALLS, Some(Stop::Done)).await;
        let name = format.name();
        assert_eq!(
            (reply.text().as_str(), reply.kind()),
            ("I look.", None),
            "{name}"
        );
        let calls = reply.calls();
        let ids: Vec<_> = calls
            .iter()
            .map(|(id, name, _)| (id.as_str(), name.as_str()))
            .collect();
        assert_eq!(
            ids,
            [("toolu_1", "look_up_item"), ("toolu_2", "look_up_item")],
            "{name}"
        );
        for ((_, _, arguments), say) in calls.iter().zip(&CALLS[1..]) {
            let Say::Call(_, _, wanted) = say else {
                unreachable!()
            };
            let read = |json| serde_json::from_str::<serde_json::Value>(json).unwrap();
            assert_eq!(read(arguments), read(wanted), "{name}");
        }
        assert_eq!(reply.finished(), Some(FinishReason::Stop), "{name}");
    }
}

#[tokio::test]
async fn what_no_version_of_a_format_has_is_ignored() {
    for format in FORMATS {
        let says = [Say::Strange, TALK[0], Say::Strange];
        let reply = play(*format, &says, Some(Stop::Done)).await;
        assert_eq!(
            (reply.text().as_str(), reply.kind()),
            ("Good day, 🚀 Grüße!", None),
            "{}",
            format.name()
        );
    }
}

#[tokio::test]
async fn only_a_known_reason_ends_an_answer() {
    for format in FORMATS {
        let name = format.name();
        for (stop, finish) in [
            (Stop::Done, Ok(FinishReason::Stop)),
            (Stop::Length, Ok(FinishReason::Length)),
            (Stop::Filtered, Ok(FinishReason::ContentFilter)),
            (Stop::Unknown, Err(ModelErrorKind::Reported)),
        ] {
            let reply = play(*format, TALK, Some(stop)).await;
            assert_eq!(reply.text(), "Good day, 🚀 Grüße!", "{name} {stop:?}");
            let ended = reply.finished().ok_or_else(|| reply.kind().unwrap());
            assert_eq!(ended, finish, "{name} {stop:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_text_and_calls_is_empty() {
    for format in FORMATS {
        let reply = play(*format, &[], Some(Stop::Done)).await;
        assert_eq!(
            reply.kind(),
            Some(ModelErrorKind::Empty),
            "{}",
            format.name()
        );
        let thought = [Say::Thought("I think of nothing.", "c2ln")];
        let reply = play(*format, &thought, Some(Stop::Done)).await;
        assert_eq!(
            reply.kind(),
            Some(ModelErrorKind::Empty),
            "{}",
            format.name()
        );
    }
}

#[tokio::test]
async fn the_bounds_hold() {
    let usual = Bounds::default();
    let bounds = [
        Bounds { text: 4, ..usual },
        Bounds { calls: 1, ..usual },
        Bounds {
            arguments: 20,
            ..usual
        },
        Bounds { event: 30, ..usual },
    ];
    for format in FORMATS {
        for bounds in bounds {
            let cut = answer(*format, CALLS, Some(Stop::Done)).byte_by_byte();
            let reply = play_with(*format, cut, |settings| settings.bounds = bounds).await;
            assert_eq!(
                reply.kind(),
                Some(ModelErrorKind::TooLarge),
                "{} {bounds:?}",
                format.name()
            );
        }
    }
}
