//! The routes of other protocols.

use serde_json::{Value, json};

use super::{Own, Row, own, owners};

/// For whoever may chat.
const FOR_CHATS: Own = Own {
    nobody: [200, 401, 401],
    other: &[200],
    scopeless: 403,
    operator: 200,
};

/// For whoever may chat, but operators.
const FOR_TASKS: Own = Own {
    nobody: [200, 200, 401],
    other: &[200],
    scopeless: 403,
    operator: 403,
};

/// A call of A2A.
fn task(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// A message of A2A.
fn spoken() -> Value {
    json!({ "messageId": "hello", "role": "ROLE_USER", "parts": [{ "text": "hello" }] })
}

/// A message in the chat of this name.
fn chat(id: &str) -> Value {
    let parts = json!([{ "type": "text", "text": "hello" }]);
    json!({ "id": id, "messages": [{ "role": "user", "parts": parts }] })
}

/// A run of AG-UI that says something.
fn run(thread: &str) -> Value {
    let said = json!({ "id": "m", "role": "user", "content": "hello" });
    json!({ "threadId": thread, "runId": "r", "messages": [said] })
}

pub(super) fn all() -> Vec<Row> {
    vec![
        Row {
            body: |_| Some(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })),
            ..own(
                "POST",
                "/mcp",
                Own {
                    // Its clients keep no cookie that would make a visitor of them.
                    nobody: [200, 401, 401],
                    other: &[200],
                    scopeless: 403,
                    operator: 403,
                },
            )
        },
        Row {
            body: |_| Some(task("SendMessage", &json!({ "message": spoken() }))),
            ..own("POST", "/a2a", FOR_TASKS)
        },
        Row {
            body: |_| Some(task("ListTasks", &json!({}))),
            ..own("POST", "/a2a", FOR_TASKS)
        },
        own("GET", "/v1/models", FOR_CHATS),
        own("GET", "/v1/models/{model}", FOR_CHATS),
        Row {
            body: |_| {
                let messages = json!([{ "role": "user", "content": "hello" }]);
                Some(json!({ "messages": messages, "stream": true }))
            },
            ..own(
                "POST",
                "/v1/chat/completions",
                Own {
                    nobody: [200, 200, 401],
                    operator: 403,
                    ..FOR_CHATS
                },
            )
        },
        Row {
            body: |target| {
                let messages = json!([{ "role": "user", "content": "hello" }]);
                let conversation = &target.conversation;
                Some(
                    json!({ "messages": messages, "stream": true, "conversation_id": conversation }),
                )
            },
            ..owners("POST", "/v1/chat/completions", &[], &[200])
        },
        Row {
            body: |target| Some(chat(&target.conversation)),
            ..owners("POST", "/api/chat", &[], &[200])
        },
        // The same for a chat that is another's and for one that was never begun.
        own(
            "GET",
            "/api/chat/{id}/stream",
            Own {
                nobody: [204, 401, 401],
                other: &[204],
                scopeless: 403,
                operator: 403,
            },
        ),
        owners("POST", "/api/chat/{id}/stop", &[], &[202]),
        Row {
            body: |_| Some(json!({ "input": "hello", "stream": true })),
            ..own(
                "POST",
                "/v1/responses",
                Own {
                    nobody: [200, 200, 401],
                    other: &[200],
                    scopeless: 403,
                    operator: 403,
                },
            )
        },
        Row {
            body: |target| {
                let conversation = &target.conversation;
                Some(json!({ "input": "hello", "stream": true, "conversation": conversation }))
            },
            ..owners("POST", "/v1/responses", &[], &[200])
        },
        owners("GET", "/v1/responses/{id}", &["see"], &[200]),
        Row {
            query: "?stream=true&starting_after=0",
            ..owners("GET", "/v1/responses/{id}", &["see"], &[200])
        },
        owners(
            "POST",
            "/v1/responses/{id}/cancel",
            &["see", "administer"],
            &[200],
        ),
        owners(
            "DELETE",
            "/v1/responses/{id}",
            &["see", "administer"],
            &[200],
        ),
        Row {
            body: |_| Some(json!({ "metadata": { "topic": "anvils" } })),
            ..own(
                "POST",
                "/v1/conversations",
                Own {
                    nobody: [200, 200, 401],
                    other: &[200],
                    scopeless: 403,
                    operator: 403,
                },
            )
        },
        owners("GET", "/v1/conversations/{id}", &["see"], &[200]),
        Row {
            body: |_| Some(json!({ "metadata": {} })),
            ..owners(
                "POST",
                "/v1/conversations/{id}",
                &["see", "administer"],
                &[200],
            )
        },
        owners("GET", "/v1/conversations/{id}/items", &["see"], &[200]),
        Row {
            body: |_| Some(json!({ "items": [{ "role": "user", "content": "hello" }] })),
            ..owners("POST", "/v1/conversations/{id}/items", &[], &[200])
        },
        owners(
            "GET",
            "/v1/conversations/{id}/items/{item}",
            &["see"],
            &[200],
        ),
        // Nobody changes what was said.
        owners(
            "DELETE",
            "/v1/conversations/{id}/items/{item}",
            &["see"],
            &[400],
        ),
        owners(
            "DELETE",
            "/v1/conversations/{id}",
            &["see", "administer"],
            &[200],
        ),
        Row {
            body: |_| Some(run("a-new-thread")),
            ..own(
                "POST",
                "/agui",
                Own {
                    // A visitor's first message names no conversation, and a run always does.
                    nobody: [200, 401, 401],
                    other: &[200],
                    scopeless: 403,
                    operator: 403,
                },
            )
        },
        Row {
            body: |target| Some(run(&target.conversation)),
            ..owners("POST", "/agui", &[], &[200])
        },
        owners("GET", "/agui/{id}/stream", &["see"], &[200, 204]),
    ]
}
