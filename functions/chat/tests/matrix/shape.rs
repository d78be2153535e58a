//! Refusals are alike: a sentence as JSON, and the same headers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Reply;

/// The headers of every refusal. HTTP adds those that [`lasting`] leaves out.
const HEADERS: [&str; 6] = [
    "cache-control",
    "content-type",
    "cross-origin-resource-policy",
    "referrer-policy",
    "vary",
    "x-content-type-options",
];

/// What HTTP, a proxy or the moment adds.
const OF_THE_MOMENT: [&str; 5] = [
    "connection",
    "content-length",
    "date",
    "transfer-encoding",
    "x-request-id",
];

/// The reply without the headers that differ from one time to the next.
pub(super) fn lasting(reply: &Reply) -> Reply {
    let mut lasting = reply.clone();
    lasting
        .headers
        .retain(|name, _| !OF_THE_MOMENT.contains(&name.as_str()));
    lasting
}

/// The sentence of a refusal, in the shape of its path: as our own, as an error of OpenAI or of JSON-RPC, as the event of a failed run of AG-UI, or as it is.
fn sentence(reply: &Reply) -> Option<String> {
    if reply.header("content-type").starts_with("text/plain") {
        return Some(reply.body.clone());
    }
    let body: Value = serde_json::from_str(&reply.body).ok()?;
    let mut names: Vec<&str> = body.as_object()?.keys().map(String::as_str).collect();
    names.sort_unstable();
    let sentence = match names[..] {
        ["detail"] => &body["detail"],
        ["error"] | ["error", "id", "jsonrpc"] => &body["error"]["message"],
        ["code", "message", "type"] => &body["message"],
        _ => return None,
    };
    sentence.as_str().map(str::to_owned)
}

/// A refusal has one sentence and the headers of every refusal; with 401 it names the scheme (RFC 6750, section 3). Returns the
/// differences.
pub(super) fn what_is_wrong(reply: &Reply) -> Vec<String> {
    let mut wrong = Vec::new();
    if sentence(reply).unwrap_or_default().is_empty() {
        wrong.push("the body is not one sentence".to_owned());
    }
    let lasting = lasting(reply);
    let mut names: BTreeSet<&str> = lasting.headers.keys().map(String::as_str).collect();
    if reply.status == 401 {
        // A cookie that is bad is taken away.
        names.remove("set-cookie");
        names.remove("www-authenticate");
        let scheme = reply.header("www-authenticate").split(' ').next();
        if scheme != Some("Bearer") {
            wrong.push("no scheme is named".to_owned());
        }
    }
    if names != BTreeSet::from(HEADERS) {
        wrong.push(format!("its headers are {names:?}"));
    }
    let content_types = ["application/json", "text/plain; charset=utf-8"];
    if !content_types.contains(&reply.header("content-type")) {
        wrong.push("content-type is another one".to_owned());
    }
    if reply.header("cache-control") != "no-store" {
        wrong.push("cache-control is not no-store".to_owned());
    }
    wrong
}
