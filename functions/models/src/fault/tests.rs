use super::*;

fn fault(body: &str) -> Fault {
    Fault::from_json(body.as_bytes())
}

#[test]
fn codes_are_found_wherever_they_stand() {
    for (body, shown) in [
        (
            r#"{"error": {"code": "a_b", "type": "c", "param": "messages.[2].role"}}"#,
            "code a_b, type c, param messages.[2].role",
        ),
        (
            r#"[{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "a b"}}]"#,
            "code 400",
        ),
        (r#"{"error": "invalid_client"}"#, "code invalid_client"),
        (
            r#"{"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "no", "input": {}}]}"#,
            "type extra_forbidden, param body.stream_options",
        ),
        (
            r#"{"object": "error", "type": "invalid_request_error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "x", 0]}]}}"#,
            "type invalid_request_error, param body.x.0",
        ),
        (
            r#"{"object": "error", "message": "too long", "type": "BadRequestError", "param": null, "code": 400}"#,
            "code 400, type BadRequestError",
        ),
        (
            r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#,
            "type overloaded_error",
        ),
        (
            r#"{"error": {"message": "Provider returned error", "metadata": {"raw": "{\"error\":{\"code\":\"deep\"}}"}}}"#,
            "code deep",
        ),
        (r#"{"error": {"message": "prose only"}}"#, "no code given"),
        ("no json", "no code given"),
    ] {
        assert_eq!(fault(body).to_string(), shown, "{body}");
        assert!(!format!("{:?}", fault(body)).contains("prose"));
    }
}

#[test]
fn a_meaning_follows_from_a_code_or_from_known_words() {
    use ModelErrorKind::{Filtered, Slip, TooLong};
    for (body, meant) in [
        (
            r#"{"error": {"code": "context_length_exceeded"}}"#,
            Some(TooLong),
        ),
        (
            r#"{"error": {"type": "exceed_context_size_error", "code": 400}}"#,
            Some(TooLong),
        ),
        (
            r#"{"message": "This model's maximum context length is 8192 tokens.", "code": 400}"#,
            Some(TooLong),
        ),
        (
            r#"{"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}}"#,
            Some(TooLong),
        ),
        (
            r#"{"error": {"code": 400, "metadata": {"raw": "{\"error\":{\"code\":\"context_length_exceeded\"}}"}}}"#,
            Some(TooLong),
        ),
        (r#"{"error": {"code": "content_filter"}}"#, Some(Filtered)),
        (
            r#"{"error": {"code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}"#,
            Some(Filtered),
        ),
        (
            r#"{"error": {"code": "data_inspection_failed"}}"#,
            Some(Filtered),
        ),
        (
            r#"{"error": {"code": "tool_use_failed", "type": "invalid_request_error"}}"#,
            Some(Slip),
        ),
        (
            r#"{"error": "error parsing tool call: raw='{'"}"#,
            Some(Slip),
        ),
        (r#"{"error": {"type": "output_parse_failed"}}"#, Some(Slip)),
        (r#"{"error": {"code": "invalid_api_key"}}"#, None),
    ] {
        assert_eq!(fault(body).meaning(), meant, "{body}");
    }
}

#[test]
fn a_field_that_a_service_refuses_is_known_by_its_name() {
    for (body, field) in [
        (
            r#"{"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "no"}]}"#,
            "stream_options",
        ),
        (
            r#"{"error": {"code": "unsupported_parameter", "param": "max_tokens", "message": "Use 'max_completion_tokens' instead."}}"#,
            "max_tokens",
        ),
        (
            r#"{"error": {"message": "Unrecognized request argument supplied: parallel_tool_calls"}}"#,
            "parallel_tool_calls",
        ),
        (
            r#"[{"error": {"code": 400, "message": "Unknown name \"stream_options\": Cannot find field."}}]"#,
            "stream_options",
        ),
        (
            r#"{"error": {"message": "stream_options: Extra inputs are not permitted"}}"#,
            "stream_options",
        ),
    ] {
        assert!(fault(body).refuses(field), "{body}");
        assert!(!fault(body).refuses("tokens"), "{body}");
    }
    let value =
        r#"{"error": {"code": "invalid_value", "param": "max_tokens", "message": "at most 2048"}}"#;
    assert!(!fault(value).refuses("max_tokens"), "the field is known");
}

#[test]
fn an_answer_is_no_error() {
    let of = |document: &str| Fault::of_document(&serde_json::from_str(document).unwrap());
    for error in [
        r#"{"error": {"code": 429}}"#,
        r#"[{"error": {"code": 429}}]"#,
        r#"{"type": "error", "error": {"type": "rate_limit_error"}}"#,
    ] {
        assert_eq!(of(error).unwrap().status(), Some(429), "{error}");
    }
    for answer in [
        r#"{"choices": [], "error": null}"#,
        "{}",
        r#"{"object": "chat.completion"}"#,
    ] {
        assert!(of(answer).is_none(), "{answer}");
    }
}
