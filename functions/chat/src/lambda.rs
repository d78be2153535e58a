//! The router as a Lambda function that streams its responses.
//!
//! An invocation has a deadline, after which the process is killed, and after its response the process is frozen. No accepted
//! message may depend on either. So this process gives up a conversation before the deadline, or when its last invocation ends,
//! and a worker goes on with it. A worker runs background turns from the start. Knows Lambda and the router; no rule about turns.

mod invocations;
mod mount;
mod steady;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use baton_handoff::Engine;
use baton_handoff::ids::ConversationId;
use http::{HeaderMap, HeaderValue};
use lambda_http::lambda_runtime::layers::TracingLayer;
use lambda_http::request::RequestContext;
use lambda_http::{Error, RequestExt, Service};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::edge::address::Peer;
use crate::edge::deadline::{ANSWER_END, BEHIND_A_GATEWAY, STREAMS_END};
use crate::edge::guard::RoutedByAws;
use crate::edge::headers;
use invocations::{HeldBody, Invocations};
use mount::{Mount, NamedStage};
use steady::steady;

/// How long before the deadline a turn is given up: a step in progress needs a few seconds to be recorded, and the client must be
/// told to follow the turn.
const GIVE_UP: Duration = Duration::from_secs(15);

/// How long before the deadline streams end in any case: after the turn is given up, in case the store does not answer.
const END_STREAMS: Duration = Duration::from_secs(6);

/// How long before the deadline all waiting ends.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// The properties of the runtime.
#[derive(Debug, Clone, Copy)]
pub struct Runtime {
    /// AWS routes requests here, and only for this function's names.
    pub routed_by_aws: bool,
    /// Workers are separate processes, which go on with conversations given up here. Without them the pool is in this process,
    /// which then must not freeze, such as under `cargo lambda watch`, and no conversation is given up.
    pub workers_elsewhere: bool,
}

#[derive(Clone)]
struct Function {
    invocations: Arc<Invocations>,
    runtime: Runtime,
}

/// Serves invocations until the runtime ends: one at a time, or as many as the environment is set up for
/// (`AWS_LAMBDA_MAX_CONCURRENCY`).
///
/// # Errors
/// The runtime's interface is missing.
pub async fn serve(router: Router, engine: Arc<Engine>, runtime: Runtime) -> Result<(), Error> {
    lambda_http::streaming_runtime_concurrent(function(router, engine, runtime))
        .layer(TracingLayer::new())
        .layer(steady())
        .run_concurrent()
        .await
}

/// The router in the form that answers invocations.
pub fn function(
    router: Router,
    engine: Arc<Engine>,
    runtime: Runtime,
) -> impl Service<
    lambda_http::Request,
    Response = Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone
+ Send
+ use<> {
    let invocations = Arc::new(Invocations::new(
        runtime.workers_elsewhere.then_some(engine),
    ));
    let function = Function {
        invocations,
        runtime,
    };
    router
        .layer(axum::middleware::from_fn_with_state(function, invoke))
        // Before the router, which knows paths without the prefix.
        .map_request(Mount::resolve as fn(lambda_http::Request) -> lambda_http::Request)
}

async fn invoke(State(function): State<Function>, mut request: Request, next: Next) -> Response {
    let deadline = deadline(&request);
    if let Some(stage) = request.extensions_mut().remove::<NamedStage>() {
        return stage.refusal().into_response();
    }
    let mount = request.extensions_mut().remove::<Mount>();
    if let Some(response) = mount.as_ref().and_then(|mount| mount.redirect(&request)) {
        return response.into_response();
    }
    if function.runtime.routed_by_aws {
        request.extensions_mut().insert(RoutedByAws);
    }
    if let Some(peer) = peer(&request) {
        request.extensions_mut().insert(peer);
    }
    // Before the request is read: the end of another invocation must not give up the conversation of this one.
    let named = in_path(request.uri().path()).map(|id| function.invocations.hold(id));
    let streams_end = before(deadline, END_STREAMS);
    let answer_end = if is_behind_a_gateway(&request) {
        streams_end.min(Instant::now() + BEHIND_A_GATEWAY)
    } else {
        streams_end
    };
    let answered = ANSWER_END.scope(answer_end, next.run(request));
    let mut response = STREAMS_END.scope(streams_end, answered).await;
    join_repeated(response.headers_mut());
    let hold = named.or_else(|| in_headers(&response).map(|id| function.invocations.hold(id)));
    let Some(hold) = hold else {
        return response;
    };
    let (parts, body) = response.into_parts();
    let give_up_at = before(deadline, GIVE_UP);
    let body = HeldBody::new(body, hold, give_up_at, before(deadline, LAST_MOMENT));
    Response::from_parts(parts, body.into_body())
}

/// The source address in the event, which AWS wrote.
fn peer(request: &Request) -> Option<Peer> {
    let context = request.extensions().request_context_ref()?;
    let ip = if let RequestContext::ApiGatewayV1(context) = context {
        context.identity.source_ip.as_deref()
    } else if let RequestContext::ApiGatewayV2(context) = context {
        context.http.source_ip.as_deref()
    } else {
        // Nothing else is in front of a function of ours.
        None
    };
    Some(Peer::Event(ip?.parse().ok()?))
}

/// Whether the request came through an API gateway. A function's own URL has another host.
fn is_behind_a_gateway(request: &Request) -> bool {
    let context = request.extensions().request_context_ref();
    if let Some(RequestContext::ApiGatewayV2(context)) = context {
        let name = context.domain_name.as_deref().unwrap_or_default();
        return !name.contains(".lambda-url.");
    }
    matches!(context, Some(RequestContext::ApiGatewayV1(_)))
}

/// One line for each header. The runtime writes a list where there are several, and a function URL takes only strings.
fn join_repeated(headers: &mut HeaderMap) {
    let repeated: Vec<_> = headers
        .keys()
        .filter(|name| headers.get_all(*name).iter().nth(1).is_some())
        .cloned()
        .collect();
    for name in repeated {
        let lines: Vec<_> = headers
            .get_all(&name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        // A header assembled from valid parts is valid.
        if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b", "[..])) {
            headers.insert(name, joined);
        }
    }
}

/// The deadline of the invocation. Without one, such as in a test of the router, a minute.
fn deadline(request: &Request) -> Instant {
    let left = request
        .extensions()
        .lambda_context_ref()
        .and_then(|context| context.deadline().duration_since(SystemTime::now()).ok())
        .unwrap_or(Duration::from_mins(1));
    Instant::now() + left
}

fn before(deadline: Instant, by: Duration) -> Instant {
    deadline.checked_sub(by).unwrap_or(deadline)
}

/// The conversation in a path.
fn in_path(path: &str) -> Option<ConversationId> {
    let rest = path.strip_prefix("/conversations/")?;
    ConversationId::parse(rest.split('/').next()?).ok()
}

/// The conversation named in an answer.
fn in_headers(response: &Response) -> Option<ConversationId> {
    let named = response.headers().get(headers::CONVERSATION)?;
    ConversationId::parse(named.to_str().ok()?).ok()
}
