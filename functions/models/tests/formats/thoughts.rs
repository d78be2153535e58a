//! Thoughts: never shown, and sent back where they stood.

use crate::speaks::{FORMATS, Say, Stop, opaque, play, result, said, sent, user};
use crate::support::{Reply, request};
use baton_handoff::ports::{ModelChunk, ModelRequest};

const LOOK: (&str, &str) = (
    "look_up_item",
    r#"{"type":"object","properties":{"q":{"type":"string"}}}"#,
);

/// A thought, a text, a thought, two calls.
const STEP: &[Say] = &[
    Say::Thought("They want an anvil.", "c2lnbmF0dXJlMQ=="),
    Say::Text(&["Ich prüfe ", "das. "]),
    Say::Thought("Twice.", "c2lnbmF0dXJlMg=="),
    Say::Call("a", "look_up_item", r#"{"q":"anvil"}"#),
    Say::Call("b", "look_up_item", r#"{"q":"rocket"}"#),
];

fn next(reply: &Reply, opaque: Option<&str>) -> ModelRequest {
    let calls = reply.calls();
    let calls: Vec<_> = calls
        .iter()
        .map(|(id, name, arguments)| (id.as_str(), name.as_str(), arguments.as_str()))
        .collect();
    let step = said(&reply.text(), &calls, opaque);
    let history = vec![
        user("An anvil"),
        step,
        result("a", "one anvil"),
        result("b", "no rocket"),
    ];
    request(history, [LOOK])
}

#[tokio::test]
async fn a_thought_is_no_text_and_goes_back_to_its_very_place() {
    for format in FORMATS {
        let name = format.name();
        let reply = play(*format, STEP, Some(Stop::Done)).await;
        assert_eq!(reply.text(), "Ich prüfe das. ", "{name}");
        let texts = reply
            .chunks
            .iter()
            .filter(|chunk| !matches!(chunk, ModelChunk::Opaque(_)));
        assert!(
            !format!("{:?}", texts.collect::<Vec<_>>()).contains("want"),
            "{name}"
        );
        let opaque = opaque(&reply).unwrap();
        let lines = format.outline(&sent(*format, next(&reply, Some(&opaque)), |_| ()).await);
        let at = lines
            .iter()
            .position(|line| line.starts_with("own "))
            .unwrap();
        let step: Vec<_> = lines[at..]
            .iter()
            .take_while(|line| *line != "---")
            .filter(|line| !line.starts_with("says das"))
            .collect();
        let kinds: Vec<_> = step
            .iter()
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            kinds,
            [
                "own c2lnbmF0dXJlMQ==",
                "says Ich",
                "own c2lnbmF0dXJlMg==",
                "calls a",
                "calls b"
            ],
            "{name}"
        );
        assert_eq!(lines[at - 1], "---", "{name}");
    }
}

#[tokio::test]
async fn without_leave_a_thought_does_not_go_back() {
    for format in FORMATS {
        let reply = play(*format, STEP, Some(Stop::Done)).await;
        let captured = sent(*format, next(&reply, None), |_| ()).await;
        let lines = format.outline(&captured);
        assert!(
            !lines.iter().any(|line| line.starts_with("own ")),
            "{} {lines:?}",
            format.name()
        );
        assert!(!captured.body.contains("They want"), "{}", format.name());
    }
}

#[tokio::test]
async fn an_answer_without_thoughts_keeps_nothing() {
    for format in FORMATS {
        let reply = play(*format, &[STEP[1], STEP[3]], Some(Stop::Done)).await;
        assert_eq!(opaque(&reply), None, "{}", format.name());
    }
}

/// The text of a step may have been shortened since, and calls may be gone.
#[tokio::test]
async fn what_a_step_has_lost_since_does_not_spoil_the_request() {
    for format in FORMATS {
        let reply = play(*format, STEP, Some(Stop::Done)).await;
        let opaque = opaque(&reply).unwrap();
        for (text, calls) in [
            (
                "",
                &[("a", "look_up_item", "{}"), ("b", "look_up_item", "{}")][..],
            ),
            ("Ü", &[("a", "look_up_item", "{}")][..]),
            ("Ich prüfe das. Und sage noch viel mehr.", &[][..]),
        ] {
            let mut history = vec![user("An anvil"), said(text, calls, Some(&opaque))];
            history.extend(calls.iter().map(|(id, _, _)| result(id, "yes")));
            history.push(user("Go on."));
            let lines = format.outline(&sent(*format, request(history, [LOOK]), |_| ()).await);
            assert_eq!(
                lines
                    .iter()
                    .filter(|line| line.starts_with("calls "))
                    .count(),
                calls.len()
            );
            let said: String = lines
                .iter()
                .filter_map(|line| line.strip_prefix("says "))
                .collect();
            assert!(
                said.starts_with(text.trim()) || text.is_empty(),
                "{} {lines:?}",
                format.name()
            );
        }
        for broken in [
            "",
            "[",
            "{}",
            "[7,{]",
            "[-1,\"x\",[null]]",
            "[99999999999999999999]",
        ] {
            let history = vec![
                user("An anvil"),
                said("So.", &[], Some(broken)),
                user("Go on."),
            ];
            let lines = format.outline(&sent(*format, request(history, [LOOK]), |_| ()).await);
            assert!(
                lines.contains(&"says So.".to_owned()),
                "{} {broken}",
                format.name()
            );
        }
    }
}

#[tokio::test]
async fn thoughts_that_are_too_long_to_keep_are_left_out() {
    const LONG: &str = {
        static BYTES: [u8; 70_000] = [b'x'; 70_000];
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!(),
        }
    };
    for format in FORMATS {
        let reply = play(
            *format,
            &[Say::Thought("Hm.", LONG), STEP[1], STEP[3]],
            Some(Stop::Done),
        )
        .await;
        assert_eq!(
            (reply.text().as_str(), reply.kind()),
            ("Ich prüfe das. ", None),
            "{}",
            format.name()
        );
        assert_eq!(opaque(&reply), None, "{}", format.name());
    }
}
