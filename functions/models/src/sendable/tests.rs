use super::*;

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    }
}

fn user(text: &str) -> Message {
    Message::User(text.into())
}

fn says(text: &str, calls: &[ToolCall]) -> Message {
    Message::Assistant {
        text: text.into(),
        calls: calls.into(),
        opaque: None,
    }
}

fn result(id: &str, text: &str) -> Message {
    Message::Tool {
        call: id.into(),
        result: text.into(),
    }
}

/// One letter a message, and its text.
fn outline(messages: &[Message]) -> Vec<String> {
    let sendable = Sendable::new(messages);
    let line = |said: &Said<'_>| match said {
        Said::User(text) => format!("u {text}"),
        Said::Assistant { text, calls, .. } => {
            let calls = calls.iter().map(|call| format!(" {}", call.id));
            format!("a {text}{}", calls.collect::<String>())
        }
        Said::Results(results) => {
            let results = results
                .iter()
                .map(|one| format!(" {}={}", one.id, one.text));
            format!("r{}", results.collect::<String>())
        }
    };
    sendable.messages.iter().map(line).collect()
}

#[test]
fn roles_alternate_whatever_stopped_a_turn() {
    let one = [call("x", "one", "{}")];
    assert_eq!(
        outline(&[user("a"), user("b"), says("", &[]), user("c")]),
        ["u a\n\nb\n\nc"]
    );
    assert_eq!(
        outline(&[user("a"), says("", &one), result("x", "1"), user("b")]),
        ["u a", "a  x", "r x=1", &format!("a {BROKE_OFF}"), "u b"]
    );
    assert_eq!(
        outline(&[says("Hi", &[]), says("again", &one), result("x", " ")]),
        [
            &format!("u {LEFT_OUT}"),
            "a Hi\n\nagain x",
            &format!("r x={NO_RESULT}")
        ]
    );
    assert_eq!(
        outline(&[
            user(" \n"),
            says("\n\n", &one),
            result("x", "1"),
            says("ok", &[])
        ]),
        ["u …", "a  x", "r x=1", "a ok"]
    );
}

#[test]
fn instructions_stand_apart_and_a_later_system_message_is_a_users() {
    let system = |text: &str| Message::System(text.into());
    let messages = [
        system("Be brief."),
        system("Be kind."),
        user("a"),
        system("b"),
    ];
    let sendable = Sendable::new(&messages);
    assert_eq!(sendable.instructions, "Be brief.\n\nBe kind.");
    assert_eq!(sendable.messages, [Said::User("a\n\nb".into())]);
}

#[test]
fn an_id_is_used_once_and_its_result_follows_it() {
    let step = |id: &str, text: &str| [says("", &[call(id, "one", "{}")]), result(id, text)];
    let mut messages = vec![user("a")];
    for (id, text) in [
        ("one:0", "1"),
        ("one:0", "2"),
        ("", "3"),
        ("ok", "4"),
        ("ok", "5"),
    ] {
        messages.extend(step(id, text));
    }
    let long = "x".repeat(ID + 1);
    messages.extend(step(&long, "6"));
    let sendable = Sendable::new(&messages);
    let calls: Vec<&SentCall<'_>> = sendable.messages.iter().flat_map(Said::calls).collect();
    let mut ids: Vec<&str> = calls.iter().map(|call| &*call.id).collect();
    let results = sendable.messages.iter().flat_map(|said| match said {
        Said::Results(results) => results.as_slice(),
        Said::User(_) | Said::Assistant { .. } => &[],
    });
    assert!(results.map(|result| &*result.id).eq(ids.iter().copied()));
    assert!(ids.contains(&"ok"), "a good id stays: {ids:?}");
    assert!(ids.iter().all(|id| *id == "ok" || id.len() == 9), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    assert_eq!(
        sendable,
        Sendable::new(&messages),
        "the same in every request"
    );
}

#[test]
fn a_name_that_a_model_made_up_becomes_one_that_services_take() {
    for (given, sent) in [
        ("look_up-Item9", "look_up-Item9"),
        ("multi_tool_use.parallel", "multi_tool_use_parallel"),
        ("order [anvil]", "order__anvil_"),
        ("Bestellung für 2", "Bestellung_f_r_2"),
        ("", "_"),
    ] {
        assert_eq!(name(given), sent);
    }
    assert_eq!(name(&"ü".repeat(70)), "_".repeat(NAME));
}

#[test]
fn arguments_are_an_object_in_every_request() {
    for (given, sent) in [
        (
            r#" {"a": [1, {"b": "\ud83d\ude80"}]} "#,
            r#" {"a": [1, {"b": "\ud83d\ude80"}]} "#,
        ),
        ("", "{}"),
        ("null", "{}"),
        ("[]", "{}"),
        ("{oops", "{}"),
        (r#"{"a": "half \ud83d"}"#, "{}"),
        (r#"{"a": 1}{"a": 2}"#, "{}"),
    ] {
        assert_eq!(arguments(given), sent);
    }
}

#[test]
fn the_names_of_the_history_are_declared_where_there_are_no_tools() {
    let messages = [
        user("a"),
        says("", &[call("x", "one", "{}"), call("y", "to two", "{}")]),
        result("x", "1"),
        result("y", "2"),
        says("", &[call("z", "one", "{}")]),
        result("z", "3"),
    ];
    let names = |messages: &[Message]| -> Vec<String> {
        let tools = Sendable::new(messages).tools(&Arc::default());
        tools.iter().map(|tool| tool.name.clone()).collect()
    };
    assert_eq!(names(&messages), ["one", "to_two"]);
    assert!(names(&messages[..1]).is_empty());
}

#[test]
fn what_stands_for_no_arguments_is_an_empty_object() {
    for (came, read) in [
        ("", "{}"),
        (" null ", "{}"),
        ("[]", "{}"),
        (r#""""#, "{}"),
        (r#""{\"a\":1}""#, r#""{\"a\":1}""#),
        (r#""words""#, r#""words""#),
        ("{oops", "{oops"),
        (r#"{"a":1}"#, r#"{"a":1}"#),
    ] {
        assert_eq!(received(came.to_owned()), read);
    }
}
