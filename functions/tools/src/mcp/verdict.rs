//! The meaning of an answer: the outcome of an action, and the result of a lookup.
//! Knows what JSON-RPC, MCP and HTTP say about whether a call was carried out; never its transport.

use baton_handoff::ports::{Outcome, ToolError};
use serde_json::{Map, Value};

use super::answer::{Answer, Failed, Said};
use super::message::{Reply, RpcError};
use super::result::{cut, refusal_of, text_of};
use crate::http_tools::Meaning;

/// What a tool's own error says about its effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Errors {
    /// Nothing: it may have failed half way, as libraries report every exception like that.
    #[default]
    Unclear,
    /// That there was none, as the operator knows.
    Refusals,
}

/// What an answer says, in the order of certainty.
enum Told {
    Done(Result<String, String>),
    /// Certainly not carried out.
    Refused(String),
    /// Not carried out now; a later call may be.
    Busy(String),
    /// The tool says that it failed.
    Failed(String),
    /// Nothing certain.
    Unclear(String),
    /// Nothing certain, and the same call would be told the same.
    Elsewhere(String),
}

impl Told {
    fn of(answer: &Answer) -> Self {
        let meaning = answer.status.map_or(Meaning::Done, Meaning::of);
        let status = answer.status.map_or(0, |status| status.as_u16());
        let answered = format!("the server answered {status}");
        match (&answer.said, meaning) {
            (Said::Reply(Reply::Error(error)), _) if error.is_certain() => {
                Self::Refused(words(error))
            }
            (Said::Reply(Reply::Result(result)), Meaning::Done) => Self::of_result(result),
            (Said::Reply(Reply::Error(error)), Meaning::Done | Meaning::Failed) => {
                Self::Unclear(words(error))
            }
            (Said::Reply(Reply::Error(error)), Meaning::Refused | Meaning::Conflict) => {
                Self::Refused(words(error))
            }
            (Said::Text(text), Meaning::Refused | Meaning::Conflict) if !text.is_empty() => {
                Self::Refused(format!("{answered}: {}", cut(text)))
            }
            (_, Meaning::Refused | Meaning::Conflict) => Self::Refused(answered),
            (_, Meaning::Unauthorized) => {
                Self::Refused(format!("{answered}: it does not accept us"))
            }
            (_, Meaning::Busy) => Self::Busy(answered),
            (_, Meaning::Elsewhere) => {
                Self::Elsewhere(format!("{answered}, which leads elsewhere"))
            }
            (_, Meaning::Done | Meaning::Failed) => Self::Unclear(answered),
        }
    }

    fn of_result(result: &Map<String, Value>) -> Self {
        match result.get("resultType").and_then(Value::as_str) {
            None | Some("complete") => {}
            // By the protocol the work begins when the input is sent, which is never.
            Some("input_required") => {
                return Self::Refused(
                    "the server asks for input that Baton does not give".to_owned(),
                );
            }
            Some(_) => {
                return Self::Unclear("the server's answer is of an unknown kind".to_owned());
            }
        }
        if result.get("isError").and_then(Value::as_bool) == Some(true) {
            return Self::Failed(refusal_of(result));
        }
        Self::Done(text_of(result))
    }
}

fn words(error: &RpcError) -> String {
    let message = crate::http_tools::printable(error.message.trim());
    match cut(&message) {
        "" => format!("error {}", error.code),
        message => message.to_owned(),
    }
}

/// The result of a lookup. Err is a sentence for the model.
pub(super) fn lookup(tool: &str, answered: Result<Answer, Failed>) -> Result<String, ToolError> {
    let answer = match answered {
        Ok(answer) => answer,
        Err(Failed::Barred) => {
            return Err(ToolError::Refused(format!(
                "{tool} was not called: its address is not allowed."
            )));
        }
        Err(Failed::Refused(reason)) => {
            return Err(ToolError::Refused(format!(
                "{tool} was not called: {reason}."
            )));
        }
        Err(Failed::NotSent(reason)) => {
            return Err(ToolError::Unavailable(format!(
                "{tool} cannot be reached now: {reason}."
            )));
        }
        Err(Failed::Cut(reason)) => {
            return Err(ToolError::Unavailable(format!(
                "{tool} cannot be used now: {reason}."
            )));
        }
        Err(Failed::Unusable(reason)) => {
            return Err(ToolError::Refused(format!(
                "The answer of {tool} is of no use: {reason}."
            )));
        }
    };
    match Told::of(&answer) {
        Told::Done(Ok(text)) if text.is_empty() => {
            Ok(format!("{tool} answered without any content."))
        }
        Told::Done(Ok(text)) => Ok(text),
        Told::Done(Err(why)) => Err(ToolError::Refused(format!(
            "The answer of {tool} is of no use: {why}."
        ))),
        Told::Refused(reason) => Err(ToolError::Refused(format!("{tool} refused it: {reason}"))),
        Told::Failed(reason) => Err(ToolError::Refused(format!(
            "{tool} reported an error: {reason}"
        ))),
        Told::Elsewhere(reason) => Err(ToolError::Refused(format!(
            "{tool} cannot be used: {reason}."
        ))),
        Told::Busy(reason) | Told::Unclear(reason) => Err(ToolError::Unavailable(format!(
            "{tool} cannot be used now: {reason}; it may work later."
        ))),
    }
}

/// The outcome of an action. `keys`: the server distinguishes a second attempt from a second action.
pub(super) fn action(answered: Result<Answer, Failed>, keys: bool, errors: Errors) -> Outcome {
    let maybe = |reason: String, after| {
        if keys {
            Outcome::Retry(reason, after)
        } else {
            Outcome::Unknown(reason)
        }
    };
    let answer = match answered {
        Ok(answer) => answer,
        Err(Failed::Barred) => {
            return Outcome::Rejected("the server's address is not allowed".to_owned());
        }
        Err(Failed::Refused(reason)) => return Outcome::Rejected(reason),
        Err(Failed::NotSent(reason)) => return Outcome::NotSent(reason),
        Err(Failed::Cut(reason) | Failed::Unusable(reason)) => return maybe(reason, None),
    };
    let after = answer.retry_after;
    match Told::of(&answer) {
        Told::Done(Ok(text)) if text.is_empty() => Outcome::Done("Done.".to_owned()),
        Told::Done(Ok(text)) => Outcome::Done(text),
        Told::Done(Err(why)) => {
            Outcome::Done(format!("Done. The server's answer cannot be shown: {why}."))
        }
        Told::Refused(reason) => Outcome::Rejected(reason),
        Told::Failed(reason) if errors == Errors::Refusals => Outcome::Rejected(reason),
        Told::Failed(reason) => maybe(format!("the tool reported an error: {reason}"), after),
        Told::Busy(reason) if keys => Outcome::Busy(reason, after),
        // Another attempt would be harmless, but such a tool is called only once.
        Told::Busy(reason) => Outcome::Rejected(format!("{reason}: it is too busy now")),
        Told::Unclear(reason) => maybe(reason, after),
        Told::Elsewhere(reason) => Outcome::Unknown(reason),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use serde_json::json;

    use super::*;

    fn said(status: u16, said: Said) -> Answer {
        Answer {
            status: Some(StatusCode::from_u16(status).unwrap()),
            retry_after: None,
            session: None,
            said,
        }
    }

    fn result(status: u16, result: Value) -> Answer {
        let Value::Object(result) = result else {
            panic!("no object")
        };
        said(status, Said::Reply(Reply::Result(result)))
    }

    fn error(status: u16, code: i64) -> Answer {
        let error = RpcError {
            code,
            message: "no".to_owned(),
            data: Value::Null,
        };
        said(status, Said::Reply(Reply::Error(error)))
    }

    fn text(status: u16) -> Answer {
        said(status, Said::Text("no".to_owned()))
    }

    fn outcome(answer: Answer, keys: bool) -> &'static str {
        match action(Ok(answer), keys, Errors::Unclear) {
            Outcome::Done(_) => "done",
            Outcome::Begun(_) => "begun",
            Outcome::Rejected(_) => "rejected",
            Outcome::Conflict(..) => "conflict",
            Outcome::NotSent(_) => "not sent",
            Outcome::Busy(..) => "busy",
            Outcome::Retry(..) => "again",
            Outcome::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn only_what_is_certain_is_a_refusal_of_an_action() {
        let failed = || json!({"isError": true, "content": [{"type": "text", "text": "Boom."}]});
        for (answer, without_key, with_key) in [
            (result(200, json!({})), "done", "done"),
            (
                result(200, json!({"resultType": "complete"})),
                "done",
                "done",
            ),
            (
                result(200, json!({"resultType": "input_required"})),
                "rejected",
                "rejected",
            ),
            (
                result(200, json!({"resultType": "task"})),
                "unknown",
                "again",
            ),
            (result(200, failed()), "unknown", "again"),
            (result(500, json!({})), "unknown", "again"),
            (error(200, -32602), "rejected", "rejected"),
            (error(404, -32601), "rejected", "rejected"),
            (error(400, -32020), "rejected", "rejected"),
            (error(200, -32603), "unknown", "again"),
            (error(500, -32603), "unknown", "again"),
            (error(403, -32000), "rejected", "rejected"),
            (text(401), "rejected", "rejected"),
            (text(404), "rejected", "rejected"),
            (text(429), "rejected", "busy"),
            (text(502), "unknown", "again"),
            (text(302), "unknown", "unknown"),
            (text(307), "rejected", "rejected"),
        ] {
            let shown = format!("{answer:?}");
            let said = |answer: &Answer| match &answer.said {
                Said::Reply(reply) => Said::Reply(reply.clone()),
                Said::Text(text) => Said::Text(text.clone()),
            };
            let again = Answer {
                said: said(&answer),
                session: None,
                ..answer
            };
            assert_eq!(outcome(answer, false), without_key, "{shown}");
            assert_eq!(outcome(again, true), with_key, "{shown}");
        }
        let known = action(Ok(result(200, failed())), false, Errors::Refusals);
        assert_eq!(known, Outcome::Rejected("Boom.".to_owned()));
    }

    #[test]
    fn what_was_not_sent_may_be_tried_again_and_what_was_cut_may_not() {
        let failed = |failed| action(Err(failed), false, Errors::Unclear);
        let reason = || "x".to_owned();
        assert_eq!(
            failed(Failed::NotSent(reason())),
            Outcome::NotSent(reason())
        );
        assert_eq!(failed(Failed::Cut(reason())), Outcome::Unknown(reason()));
        assert_eq!(
            failed(Failed::Unusable(reason())),
            Outcome::Unknown(reason())
        );
        assert!(matches!(failed(Failed::Barred), Outcome::Rejected(_)));
    }
}
