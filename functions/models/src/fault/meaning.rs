//! What the codes of the common services mean for a request. Each list is of words in lower case.

use baton_handoff::ports::ModelErrorKind;

/// The request is too long for the model.
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "context_window_exceeded",
    "exceed_context_size_error",
    "model_context_window_exceeded",
    "request_too_large",
    "string_above_max_length",
];

/// The same where a service says it in words only.
const TOO_LONG_WORDS: &[&str] = &[
    "maximum context length",
    "maximum prompt length",
    "context length of",
    "context window",
    "exceeds the context",
    "exceed context limit",
    "exceeds the maximum number of tokens",
    "prompt is too long",
    "input is too long",
    "reduce the length of the messages",
    "too large for model",
    "too many total text bytes",
];

/// A filter refused the request.
const FILTERED: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "data_inspection_failed",
    "datainspectionfailed",
    "content_moderation_failed",
    "cyber_policy_violation",
    "invalid_prompt",
    "safety",
    "prohibited_content",
    "guardrail_intervened",
];

const FILTERED_WORDS: &[&str] = &[
    "content management policy",
    "content violates usage guidelines",
    "content filtering policy",
    "flagged by moderation",
];

/// The model wrote what its own service could not read.
const SLIP: &[&str] = &[
    "tool_use_failed",
    "output_parse_failed",
    "json_validate_failed",
    "malformed_function_call",
    "unexpected_tool_call",
    "malformed_model_output",
    "malformed_tool_use",
    "modelerrorexception",
];

const SLIP_WORDS: &[&str] = &[
    "failed to call a function",
    "failed to parse tool call",
    "error parsing tool call",
    "tool call validation failed",
];

/// The service knows no such field, or takes none for this model.
pub(super) const UNKNOWN_FIELD: &[&str] = &[
    "unsupported_parameter",
    "unknown_parameter",
    "extra_forbidden",
    "unknown name",
    "unsupported",
    "unrecognized",
    "unknown field",
    "unknown parameter",
    "not permitted",
    "not supported",
    "does not support",
    "not allowed",
    "additional properties",
];

pub(super) fn of(codes: &[String], words: &str) -> Option<ModelErrorKind> {
    let meant = |names: &[&str], said: &[&str]| {
        codes.iter().any(|code| names.contains(&code.as_str()))
            || said.iter().any(|said| words.contains(said))
    };
    if meant(FILTERED, FILTERED_WORDS) {
        Some(ModelErrorKind::Filtered)
    } else if meant(SLIP, SLIP_WORDS) {
        Some(ModelErrorKind::Slip)
    } else if meant(TOO_LONG, TOO_LONG_WORDS) {
        Some(ModelErrorKind::TooLong)
    } else {
        None
    }
}

/// The HTTP status that a code stands for.
pub(super) fn status(code: &str) -> Option<u16> {
    if let Ok(number) = code.parse::<u16>() {
        return (400..600).contains(&number).then_some(number);
    }
    match code {
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "rate_limited"
        | "resource_exhausted"
        | "too_many_requests"
        | "insufficient_quota"
        | "throttlingexception"
        | "throttling_error" => Some(429),
        "overloaded_error"
        | "overloaded"
        | "unavailable"
        | "service_unavailable"
        | "service_unavailable_error"
        | "serviceunavailableexception"
        | "engine_overloaded"
        | "capacity_exceeded"
        | "modelnotreadyexception" => Some(503),
        "server_error"
        | "api_error"
        | "internal"
        | "internal_error"
        | "internal_server_error"
        | "internalserverexception"
        | "unknown" => Some(500),
        "timeout_error" | "deadline_exceeded" | "timeout" | "modeltimeoutexception" => Some(504),
        "authentication_error"
        | "invalid_api_key"
        | "unauthenticated"
        | "unauthorized"
        | "unrecognizedclientexception" => Some(401),
        "permission_error" | "permission_denied" | "accessdeniedexception" => Some(403),
        "not_found_error" | "not_found" | "model_not_found" | "resourcenotfoundexception" => {
            Some(404)
        }
        "invalid_request_error"
        | "invalid_argument"
        | "validationexception"
        | "failed_precondition" => Some(400),
        _ => None,
    }
}

/// Whether these words have this one, not as a part of a longer one.
pub(super) fn has_word(words: &str, word: &str) -> bool {
    words.match_indices(word).any(|(at, _)| {
        let of_name = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let (before, behind) = words.split_at(at);
        let behind = behind.get(word.len()..).unwrap_or_default();
        !of_name(before.chars().next_back()) && !of_name(behind.chars().next())
    })
}
