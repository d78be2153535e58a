//! The OpenAPI document, made from the handlers, their types and their comments.
//!
//! Compiled for tests only. The program serves `openapi.json`, which a test below writes and checks:
//! `UPDATE=1 cargo test -p baton-chat --lib openapi`.

mod events;
mod headers;
mod history;
pub(crate) mod refusals;
mod shapes;
pub(crate) mod streams;
pub(crate) mod values;

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{self, Ref, RefOr, Required};
use utoipa::{Modify, OpenApi, ToResponse};

use self::headers::{header, header_ref};
use self::shapes::FaceRefusals;
use crate::faces::{a2a, ag_ui, ai_sdk, mcp, openai_chat, responses};
use crate::routes::{
    actions, audit, books, completions, confirm, conversations, decisions, health, keys, page,
    report, session, turns,
};

/// What a reader needs to know before any route.
const DESCRIPTION: &str = "\
Customers chat with a team of agents that hand the conversation to each other.

A customer's message goes to `POST /chat/completions`; the answer streams back. A conversation consists of turns, each begun by a \
message; a stream that was cut is taken up again at `/conversations/{id}/turns/{turn}/events` from the position of the last event \
that arrived.

Before the first byte of a stream, an error is an HTTP status with `{\"detail\": \"…\"}`; after it, an event. A path or method \
that is not here is 404 or 405. A path that ends in a slash is answered by 308 and the path without it. All addresses in answers \
are relative references, so that they are right below any path prefix of a proxy.

The address and the headers of a request may have 64 KiB together; more is 431, before any route.

`Host` and `Origin` are checked on every route; `/health` answers by whatever `Host`, or none. Other origins than the server's own \
may call it only if they are named in `BATON_ORIGINS`; such requests, preflights included, are answered with the usual \
`Access-Control-*` headers.

Times are milliseconds since 1970. Parameters of a query that are not named here are ignored.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Baton", description = DESCRIPTION),
    servers((url = ".", description = "This server")),
    tags(
        (name = "chat", description = "A customer's messages and their answers"),
        (name = "conversations", description = "What was said, for its owner. Another's conversation is 404"),
        (
            name = "operators",
            description = "For people who look after the service, by an operator's token"
        ),
        (name = "services", description = "For the company's own programs, by an API key"),
        (
            name = "faces",
            description = "Other protocols, each as its clients speak it. A refusal has their own shape: below `/v1` that of OpenAI's \
                           errors, below `/api/chat` the sentence as plain text, below `/agui` the event of a failed run, below `/mcp` and `/a2a` that of JSON-RPC"
        ),
        (name = "server", description = "The server itself and its page"),
    ),
    paths(
        completions::create,
        ag_ui::run,
        ag_ui::follow,
        a2a::call,
        a2a::card::card,
        conversations::list,
        conversations::list_all,
        conversations::history,
        conversations::erase,
        conversations::export,
        turns::events,
        turns::stop,
        turns::regenerate,
        confirm::confirm,
        conversations::events,
        openai_chat::create,
        openai_chat::models,
        openai_chat::model,
        ai_sdk::create,
        ai_sdk::resume,
        ai_sdk::stop,
        responses::create::create,
        responses::read::read,
        responses::read::delete,
        responses::read::cancel,
        responses::conversations::create,
        responses::conversations::read,
        responses::conversations::update,
        responses::conversations::delete,
        responses::listed::routes::list,
        responses::listed::routes::add,
        responses::listed::routes::one,
        responses::listed::routes::delete,
        actions::list,
        actions::one,
        decisions::approve,
        decisions::reject,
        decisions::settle,
        report::report,
        audit::read,
        books::orders,
        books::refunds,
        health::health,
        session::read,
        session::create,
        keys::key_set,
        session::end,
        mcp::create,
        mcp::metadata,
        page::openapi,
        page::index,
        page::file,
        page::desk,
    ),
    components(schemas(
        events::Line,
        events::Events,
        values::After,
        values::TurnEvents,
        values::ConversationEvents,
        values::Markdown,
        shapes::OpenAiError,
        shapes::OpenAiReason,
        shapes::JsonRpcError,
        shapes::JsonRpcReason,
        shapes::RunError
    )),
    modifiers(&Security, &Refusals, &Layers, &FaceRefusals),
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An operator's token, or a JWT of the operators' issuer with a role.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("operator", SecurityScheme::Http(token));
        let key = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key of the company's own."))
            .build();
        components.add_security_scheme("apiKey", SecurityScheme::Http(key));
    }
}

/// Whether an operation needs no credential anywhere.
fn is_public(path: &str) -> bool {
    matches!(
        path,
        "/" | "/desk"
            | "/health"
            | "/.well-known/jwks.json"
            | "/.well-known/agent-card.json"
            | "/openapi.json"
            | "/static/{file}"
    )
}

/// Shared responses and headers of operations.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.responses.extend(refusals::all());
        for (name, response) in [
            streams::TurnStream::response(),
            streams::ConversationStream::response(),
        ] {
            components.responses.insert(name.to_owned(), response);
        }
        for (name, description) in [
            ("NoStore", "`no-store`"),
            ("WwwAuthenticate", "`Bearer`"),
            (
                "XAccelBuffering",
                "`no`: proxies must not hold a stream back.",
            ),
        ] {
            components
                .headers
                .insert(name.to_owned(), header::<String>(description).into());
        }
        components
            .headers
            .insert("RetryAfter".to_owned(), header::<u32>("Seconds.").into());
    }
}

/// The responses of the layers around all handlers, and of reading a body.
struct Layers;

impl Modify for Layers {
    fn modify(&self, document: &mut openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                let mut refuse = |status: &str, name: &str| {
                    let refusal = Ref::from_response_name(name);
                    let responses = &mut operation.responses.responses;
                    responses.insert(status.to_owned(), refusal.into());
                };
                refuse("403", "Forbidden");
                // Probes send any host.
                if path != "/health" {
                    refuse("421", "OtherHost");
                }
                if !is_public(path) {
                    refuse("401", "BadCredential");
                }
                if let Some(RefOr::T(body)) = &mut operation.request_body {
                    let is_optional = operation.operation_id.as_deref() == Some("makeSession");
                    body.required = Some(if is_optional {
                        Required::False
                    } else {
                        Required::True
                    });
                    refuse("408", "TooSlow");
                    refuse("413", "TooLarge");
                    refuse("415", "NotJson");
                    refuse("417", "CannotExpect");
                }
                // The page, public keys and this document may be cached.
                let is_kept = path == "/openapi.json"
                    || path == "/.well-known/jwks.json"
                    || path == "/.well-known/agent-card.json"
                    || operation
                        .parameters
                        .iter()
                        .flatten()
                        .any(|parameter| matches!(parameter, RefOr::T(one) if one.name == "If-None-Match"));
                for response in operation.responses.responses.values_mut() {
                    if let (RefOr::T(response), false) = (response, is_kept) {
                        let headers = &mut response.headers;
                        headers.insert("Cache-Control".to_owned(), header_ref("NoStore"));
                    }
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get, post, delete, ..
    } = item;
    [get, post, delete].into_iter().flatten()
}

mod tests;
