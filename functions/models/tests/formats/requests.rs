//! Requests, as the strictest service reads them.

use baton_handoff::ports::Message;

use crate::speaks::{FORMATS, result, said, sent, user};
use crate::support::request;

const LOOK: (&str, &str) = (
    "look_up_item",
    r#"{"type":"object","properties":{"q":{"type":"string"}}}"#,
);

#[tokio::test]
async fn every_format_says_the_same_conversation() {
    let history = || {
        vec![
            Message::System("Be kind.".into()),
            user("An anvil, please."),
            said(
                "I look.",
                &[
                    ("a", "look_up_item", r#"{"q":"anvil"}"#),
                    ("b", "look_up_item", "{}"),
                ],
                None,
            ),
            result("a", "one anvil"),
            result("b", "nothing"),
            said("There is one.", &[], None),
            user("Good."),
        ]
    };
    for format in FORMATS {
        let captured = sent(*format, request(history(), [LOOK]), |_| ()).await;
        let mut lines = format.outline(&captured);
        lines.sort_by_key(|line| u8::from(!line.starts_with("tool ")));
        let wanted = [
            "tool look_up_item",
            "system Be kind.",
            "---",
            "user An anvil, please.",
            "---",
            "says I look.",
            r#"calls a look_up_item {"q":"anvil"}"#,
            "calls b look_up_item {}",
            "---",
            "result a one anvil",
            "result b nothing",
            "---",
            "says There is one.",
            "---",
            "user Good.",
        ];
        assert_eq!(lines, wanted, "{}", format.name());
    }
}

/// Histories that a strict service refuses if they are sent as they are; `outline` is that service.
#[tokio::test]
async fn a_history_that_no_service_takes_is_made_one_that_every_service_takes() {
    let histories = [
        // Two messages in a row, blank texts, a note in the middle.
        vec![
            user("One."),
            user("\n "),
            Message::System("A note.".into()),
            user("Two."),
        ],
        // An answer that broke off behind results; the model's own made-up names, ids and arguments.
        vec![
            user("Hello"),
            said(
                "\n\n",
                &[
                    ("id with spaces", "multi_tool_use.parallel", "no json"),
                    ("", "look up [item]", "[]"),
                ],
                None,
            ),
            result("id with spaces", "There is none."),
            result("", ""),
            user("And now?"),
        ],
        // The same id twice, calls without declared tools, a beginning that was cut off.
        vec![
            said("So.", &[("a", "gone_tool", "{}")], None),
            result("a", "yes"),
            said("", &[("a", "gone_tool", "{}")], None),
            result("a", "no"),
        ],
        vec![user("Hello"), said("", &[], None), user("Still there?")],
    ];
    for format in FORMATS {
        for history in &histories {
            let captured = sent(*format, request(history.clone(), []), |_| ()).await;
            assert!(!format.outline(&captured).is_empty(), "{}", format.name());
        }
    }
}

#[tokio::test]
async fn the_same_request_is_the_same_bytes() {
    for format in FORMATS {
        let asked = || {
            request(
                vec![
                    user("Hello"),
                    said("Hi", &[("a", "x", "{\"b\":1,\"a\":2}")], None),
                    result("a", "r"),
                ],
                [LOOK],
            )
        };
        let first = sent(*format, asked(), |_| ()).await.body;
        assert_eq!(
            sent(*format, asked(), |_| ()).await.body,
            first,
            "{}",
            format.name()
        );
    }
}
