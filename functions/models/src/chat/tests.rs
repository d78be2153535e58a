//! The dialects of services, each in several forms; every one cut at every byte.

use baton_handoff::ports::{FinishReason, ModelErrorKind, ModelOptions};
use serde_json::{Value, json};

use super::*;
use crate::heard::Heard;

fn chat() -> Chat {
    let url = Url::parse("http://127.0.0.1/v1/chat/completions").unwrap();
    let asking = Asking {
        usage: true,
        output_limit: None,
        options: ModelOptions::default(),
    };
    Chat::new(url, Some("m".to_owned()), asking)
}

fn heard(body: &str) -> Heard {
    crate::heard::heard(&chat(), body)
}

fn event(delta: &Value, finish: &Value) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    format!("data: {}\n\n", json!({"id": "r", "choices": [choice]}))
}

/// These deltas, a reason and the mark of the end.
fn answer(deltas: &[Value], finish: &str) -> String {
    let deltas = deltas.iter().map(|delta| event(delta, &Value::Null));
    let end = event(&json!({}), &finish.into());
    deltas.collect::<String>() + &end + "data: [DONE]\n\n"
}

/// A response with these parts of calls, each in an event of its own.
fn calls(parts: &[Value]) -> Heard {
    let deltas: Vec<Value> = parts
        .iter()
        .map(|part| json!({"tool_calls": [part]}))
        .collect();
    let heard = heard(&answer(&deltas, "tool_calls"));
    assert_eq!(heard.failed, None);
    heard
}

fn says(pieces: &[Value]) -> Heard {
    let deltas: Vec<Value> = pieces
        .iter()
        .map(|piece| json!({ "content": piece }))
        .collect();
    heard(&answer(&deltas, "stop"))
}

#[test]
fn whole_calls_under_one_index_are_told_apart() {
    let whole = |id: &Value, name: &str, arguments: &str| json!({"index": 0, "id": id, "function": {"name": name, "arguments": arguments}});
    for (first, second) in [
        (json!(""), json!("")),
        (Value::Null, Value::Null),
        (json!("x"), json!("y")),
        (json!("x"), json!("x")),
    ] {
        let heard = calls(&[
            whole(&first, "find", r#"{"q":"anvil"}"#),
            whole(&second, "find", r#"{"q":"skates"}"#),
        ]);
        assert_eq!(
            heard.calls(),
            [("find", r#"{"q":"anvil"}"#), ("find", r#"{"q":"skates"}"#)],
            "{first} {second}"
        );
        assert_ne!(heard.ids[0], heard.ids[1]);
    }
    let other = calls(&[
        whole(&json!(""), "one", "{}"),
        whole(&json!(""), "two", "{}"),
    ]);
    assert_eq!(other.calls(), [("one", "{}"), ("two", "{}")]);
}

#[test]
fn a_call_that_is_sent_whole_once_more_is_one_call() {
    let whole = json!({"index": 0, "id": "x", "function": {"name": "find", "arguments": r#"{"q":{"a":"}"}}"#}});
    let heard = calls(&[whole.clone(), whole]);
    assert_eq!(heard.calls(), [("find", r#"{"q":{"a":"}"}}"#)]);
}

#[test]
fn a_part_that_only_looks_like_a_new_object_goes_on_with_its_call() {
    let part = |arguments: &str| json!({"index": 0, "function": {"arguments": arguments}});
    let heard = calls(&[
        json!({"index": 0, "id": "x", "function": {"name": "find", "arguments": ""}}),
        part(r#"{"a": ["#),
        part(r#"{"b": "}"#),
        part(r#"\""#),
        part("{"),
        part(r#""}]}"#),
    ]);
    assert_eq!(heard.calls(), [("find", r#"{"a": [{"b": "}\"{"}]}"#)]);
}

#[test]
fn what_stands_behind_the_reason_belongs_to_the_answer() {
    let whole = |index: u32, finish: &str| {
        event(
            &json!({"tool_calls": [{"index": index, "id": format!("c{index}"), "function": {"name": "find", "arguments": "{}"}}]}),
            &finish.into(),
        )
    };
    for end in ["data: [DONE]\n\n", ""] {
        let body = whole(0, "tool_calls") + &whole(1, "tool_calls") + end;
        assert_eq!(heard(&body).calls().len(), 2, "{end}");
    }
    let text = |text: &str| event(&json!({"content": text}), &"stop".into());
    assert_eq!(heard(&(text("Yes") + &text(", sir."))).text, "Yes, sir.");
    let late = event(&json!({"content": "Yes"}), &"stop".into()) + &whole(0, "stop");
    assert_eq!(heard(&late).calls().len(), 1);
    let worse = text("Yes") + &event(&json!({}), &"length".into());
    assert_eq!(heard(&worse).finished, Some(FinishReason::Length));
}

#[test]
fn a_name_may_come_in_pieces_again_or_longer() {
    for names in [
        &["transfer_to_", "sales"][..],
        &["transfer_to_sales", "transfer_to_sales"],
        &["trans", "transfer_to", "transfer_to_sales"],
        &["transfer_to_sales", ""],
        &["", "transfer_to_sales"],
    ] {
        let part = |name: &&str| json!({"index": 0, "id": "x", "function": {"name": name, "arguments": ""}});
        let mut parts: Vec<Value> = names.iter().map(part).collect();
        parts.push(json!({"index": 0, "function": {"arguments": "{}"}}));
        let heard = calls(&parts);
        assert_eq!(heard.calls(), [("transfer_to_sales", "{}")], "{names:?}");
    }
}

#[test]
fn arguments_are_read_in_every_shape() {
    for (arguments, read) in [
        (json!({"q": ["anvil", 1.5]}), r#"{"q":["anvil",1.5]}"#),
        (json!(r#"{"q":"anvil"}"#), r#"{"q":"anvil"}"#),
        (json!(r#""{\"q\":\"anvil\"}""#), r#""{\"q\":\"anvil\"}""#),
        (Value::Null, "{}"),
        (json!("null"), "{}"),
        (json!("[]"), "{}"),
        (json!([]), "{}"),
        (json!(" "), "{}"),
        (json!("{oops"), "{oops"),
        (json!(["a"]), r#"["a"]"#),
    ] {
        let heard = calls(&[
            json!({"index": 0, "id": "x", "function": {"name": "find", "arguments": arguments}}),
        ]);
        assert_eq!(heard.calls(), [("find", read)], "{arguments}");
    }
}

#[test]
fn a_call_is_found_wherever_a_service_puts_it() {
    let whole = json!({"name": "find", "arguments": "{}"});
    for delta in [
        json!({"tool_calls": {"id": "x", "function": whole}}),
        json!({"tool_calls": [{"id": "x", "name": "find", "arguments": {}}]}),
        json!({"function_call": whole}),
        json!({"tool_calls": [{"index": "0", "id": 7, "type": 1, "function": whole}]}),
        json!({"tool_calls": [null, 5, {"index": 0.0, "function": whole}], "function_call": null}),
    ] {
        let heard = heard(&answer(std::slice::from_ref(&delta), "stop"));
        assert_eq!(heard.calls(), [("find", "{}")], "{delta}");
    }
}

#[test]
fn content_is_read_in_every_shape_and_thinking_parts_are_none() {
    for (content, text) in [
        (json!("Yes"), "Yes"),
        (
            json!([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Yes"}]),
            "Yes",
        ),
        (json!(["Y", {"text": "es"}]), "Yes"),
        (
            json!({"type": "output_text", "text": "Yes", "annotations": {}}),
            "Yes",
        ),
        (
            json!([{"type": "refusal", "refusal": "Yes"}, {"type": "image_url", "image_url": 4}]),
            "Yes",
        ),
    ] {
        assert_eq!(says(std::slice::from_ref(&content)).text, text, "{content}");
    }
}

#[test]
fn a_field_that_is_not_used_cannot_fail_an_answer() {
    for odd in [
        json!(null),
        json!(7),
        json!("x"),
        json!([1]),
        json!({"a": 1}),
        json!(true),
    ] {
        let body = json!({"id": odd, "created": odd, "usage": odd, "model": odd, "x_groq": odd, "choices": [{
            "index": odd, "logprobs": odd, "delta": {"role": odd, "content": "Yes", "refusal": null, "audio": odd, "annotations": odd,
            "function_call": odd, "reasoning": odd, "reasoning_content": odd, "reasoning_details": odd, "tool_calls": []}, "finish_reason": "stop"}]});
        let heard = heard(&format!("data: {body}\n\ndata: [DONE]\n\n"));
        assert_eq!((heard.text.as_str(), heard.failed), ("Yes", None), "{odd}");
    }
    for usage in [
        json!({}),
        json!({"prompt_tokens": null}),
        json!({"prompt_tokens": "a lot"}),
    ] {
        let body = json!({"choices": [{"delta": {"content": "Yes"}, "finish_reason": "stop"}], "usage": usage});
        assert_eq!(heard(&format!("data: {body}\n\n")).usage, None, "{usage}");
    }
    let floats = json!({"choices": [{"delta": {"content": "Yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9.0, "completion_tokens": "2", "prompt_cache_hit_tokens": 4}});
    let usage = heard(&format!("data: {floats}\n\n")).usage.unwrap();
    assert_eq!((usage.tokens(), usage.cached_tokens), (11, 4));
}

#[test]
fn a_character_that_is_cut_between_two_events_is_put_together() {
    let cut = |first: &str, second: &str| {
        let text = |text: &str| {
            format!(
                "data: {{\"id\":\"r\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
            )
        };
        heard(&(text("So") + &text(first) + &text(second) + &event(&json!({}), &"stop".into())))
            .text
    };
    assert_eq!(cut(" \\ud83d", "\\ude80!"), "So 🚀!");
    assert_eq!(cut(" \\ud83d", "?"), "So \u{fffd}?");
    assert_eq!(cut("", " \\ude80\\ud83d"), "So \u{fffd}\u{fffd}");
    let part = |arguments: &str| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":0,\"id\":\"x\",\"function\":{{\"name\":\"find\",\"arguments\":\"{arguments}\"}}}}]}}}}]}}\n\n"
        )
    };
    let body =
        part("{\\\"q\\\":\\\"\\ud83d") + &part("\\ude80\\\"}") + &event(&json!({}), &"stop".into());
    assert_eq!(heard(&body).calls(), [("find", "{\"q\":\"🚀\"}")]);
}

#[test]
fn only_a_reason_that_means_a_whole_answer_commits_one() {
    for (reason, finished, failed) in [
        ("stop", Some(FinishReason::Stop), None),
        ("STOP", Some(FinishReason::Stop), None),
        ("eos", Some(FinishReason::Stop), None),
        ("max_tokens", Some(FinishReason::Length), None),
        ("SAFETY", Some(FinishReason::ContentFilter), None),
        ("error", None, Some(ModelErrorKind::Reported)),
        (
            "insufficient_system_resource",
            None,
            Some(ModelErrorKind::Reported),
        ),
        ("something new", None, Some(ModelErrorKind::Reported)),
        (
            "function_call_filter: MALFORMED_FUNCTION_CALL",
            None,
            Some(ModelErrorKind::Slip),
        ),
        ("", None, Some(ModelErrorKind::Cut)),
    ] {
        let heard = heard(&answer(&[json!({"content": "Half a"})], reason));
        assert_eq!(
            (heard.finished, heard.failed),
            (finished, failed),
            "{reason}"
        );
        assert_eq!(heard.text, "Half a");
    }
    let in_choice = json!({"choices": [{"delta": {}, "finish_reason": "stop", "error": {"code": 502, "message": "gone"}}]});
    let body = event(&json!({"content": "Half"}), &Value::Null) + &format!("data: {in_choice}\n\n");
    assert_eq!(heard(&body).failed, Some(ModelErrorKind::Reported));
    let native = json!({"choices": [{"delta": {}, "finish_reason": "stop", "native_finish_reason": "MALFORMED_FUNCTION_CALL"}]});
    assert_eq!(
        heard(&format!("data: {native}\n\n")).failed,
        Some(ModelErrorKind::Slip)
    );
}

#[test]
fn a_document_is_read_as_an_answer_whatever_the_headers_say() {
    let whole = |message: &Value, reason: &str| {
        json!({"id": "r", "object": "chat.completion", "usage": {"prompt_tokens": 3, "completion_tokens": 1},
            "choices": [{"index": 0, "message": message, "finish_reason": reason}]})
        .to_string()
    };
    let heard_text = heard(&whole(
        &json!({"role": "assistant", "content": "Yes"}),
        "stop",
    ));
    assert_eq!(
        (heard_text.text.as_str(), heard_text.finished),
        ("Yes", Some(FinishReason::Stop))
    );
    assert_eq!(heard_text.usage.unwrap().tokens(), 4);
    let call = json!({"content": null, "tool_calls": [{"id": "x", "type": "function", "function": {"name": "find", "arguments": "{}"}}]});
    assert_eq!(
        heard(&format!("\n {}\n", whole(&call, "tool_calls"))).calls(),
        [("find", "{}")]
    );
    assert_eq!(
        heard(&whole(&json!({"content": "Half"}), "length")).finished,
        Some(FinishReason::Length)
    );
    for (error, kind) in [
        (r#"{"error": {"code": 429}}"#, ModelErrorKind::RateLimited),
        (
            r#"[{"error": {"code": 500, "message": "a"}}]"#,
            ModelErrorKind::Reported,
        ),
        (
            r#"{"error": {"code": "context_length_exceeded"}}"#,
            ModelErrorKind::TooLong,
        ),
        (r#"{"choices": ["#, ModelErrorKind::BadStream),
    ] {
        assert_eq!(heard(error).failed, Some(kind), "{error}");
    }
}

#[test]
fn the_last_event_counts_without_an_empty_line_behind_it() {
    let last = |end: &str| {
        event(&json!({"content": "Yes"}), &"stop".into())
            .trim_end()
            .to_owned()
            + end
    };
    for end in ["", "\n", "\r\n", "\r\n\r", "\n\ndata: [DONE]", "\n\n: bye"] {
        let heard = heard(&last(end));
        assert_eq!(
            (heard.text.as_str(), heard.finished),
            ("Yes", Some(FinishReason::Stop)),
            "{end:?}"
        );
    }
    let cut = event(&json!({"content": "Yes"}), &Value::Null) + "data: {\"choices\":[{\"del";
    assert_eq!(heard(&cut).failed, Some(ModelErrorKind::Cut));
}

#[test]
fn thoughts_are_no_text() {
    for pieces in [
        &["<thi", "nk>They seem keen.\n</th", "ink>\n\n", "Yes"][..],
        &["<think>a</think>Yes"],
        &["\n", "<thinking>", "a", "</thinking>", " ", "Yes"],
    ] {
        let pieces: Vec<Value> = pieces.iter().map(|piece| (*piece).into()).collect();
        assert_eq!(says(&pieces).text, "Yes", "{pieces:?}");
    }
    for thought in [
        json!({"reasoning_content": "Hm"}),
        json!({"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]}),
        json!({"content": [{"type": "thinking", "thinking": "Hm"}]}),
    ] {
        let heard = heard(&answer(
            &[thought.clone(), json!({"content": "Yes"})],
            "stop",
        ));
        assert_eq!(heard.text, "Yes", "{thought}");
    }
    assert_eq!(
        says(&["<think>only".into()]).failed,
        Some(ModelErrorKind::Empty)
    );
}

#[test]
fn white_space_alone_is_no_text() {
    let call = json!({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "find", "arguments": "{}"}}]});
    for blank in ["\n\n", " ", "\t\n"] {
        let heard = heard(&answer(
            &[json!({"content": blank}), call.clone()],
            "tool_calls",
        ));
        assert_eq!((heard.text.as_str(), heard.calls().len()), ("", 1));
        assert_eq!(
            says(&[blank.into(), " ".into()]).failed,
            Some(ModelErrorKind::Empty)
        );
        assert_eq!(
            says(&[blank.into(), "Yes\n".into()]).text,
            format!("{blank}Yes\n")
        );
    }
}

#[test]
fn what_the_service_wants_back_is_kept_with_its_place() {
    let opaque = |deltas: &[Value]| -> Value {
        let opaque = heard(&answer(deltas, "tool_calls")).opaque;
        serde_json::from_str(&opaque.unwrap_or("null".to_owned())).unwrap()
    };
    let call = |index: u32, more: Value| {
        let mut call = json!({"index": index, "id": format!("c{index}"), "type": "function", "function": {"name": "find", "arguments": "{}"}});
        call.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"tool_calls": [call]})
    };
    let signed = json!({"extra_content": {"google": {"thought_signature": "Cv"}}});
    assert_eq!(
        opaque(&[call(0, json!({})), call(1, signed.clone())]),
        json!({"calls": [{}, signed]})
    );
    assert_eq!(
        opaque(&[
            json!({"content": "So", "extra_content": {"a": 1}}),
            call(0, json!({}))
        ]),
        json!({"message": {"extra_content": {"a": 1}}})
    );
    let detail = |text: &str| json!({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": text}]});
    let signature =
        json!({"reasoning_details": [{"type": "reasoning.text", "index": 0, "signature": "s"}]});
    assert_eq!(
        opaque(&[detail("H"), detail("m"), signature, call(0, json!({}))]),
        json!({"message": {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "Hm", "signature": "s"}]}})
    );
    assert_eq!(
        opaque(&[
            json!({"reasoning_content": "H"}),
            json!({"reasoning_content": "m"}),
            call(0, json!({}))
        ]),
        json!({"message": {"reasoning_content": "Hm"}})
    );
    let own = json!({"tool_calls": [{"index": 0, "id": "functions.find:0", "function": {"name": "find", "arguments": "{}"}}]});
    assert_eq!(
        opaque(&[own]),
        json!({"calls": [{"id": "functions.find:0"}]})
    );
    for nothing in [
        json!({"content": "Yes"}),
        json!({"content": "Yes", "reasoning_content": "Hm"}),
    ] {
        assert_eq!(opaque(&[nothing]), Value::Null);
    }
}

#[test]
fn what_is_over_the_bound_is_not_kept() {
    let long = "x".repeat(40 * 1024);
    let call = json!({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "find", "arguments": "{}"}}]});
    let twice = |field: &Value| {
        let body = answer(&[field.clone(), field.clone(), call.clone()], "tool_calls");
        let pieces = vec![bytes::Bytes::from(body)];
        crate::heard::read(&chat(), pieces)
    };
    let heard = twice(&json!({"reasoning_details": [{"type": "a", "data": long}]}));
    assert_eq!((heard.opaque, heard.calls.len()), (None, 1));
    let thoughts = twice(&json!({"reasoning_content": "x".repeat(20 * 1024)}));
    assert!(
        thoughts
            .opaque
            .is_some_and(|opaque| opaque.len() < 64 * 1024)
    );
}

#[test]
fn the_response_has_its_id() {
    assert_eq!(says(&["Yes".into()]).response.as_deref(), Some("r"));
}
