//! The router as a Lambda function that streams its responses.
//!
//! An invocation has a deadline, after which the process is killed, and after its response the process is frozen. So nothing
//! that was accepted may depend on either: 15 s before the deadline, and when the client goes away, the conversation is given up
//! here and a worker goes on with it. A turn in the background is a worker's from the start. Knows Lambda and the router; no rule about turns.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use baton_handoff::Engine;
use baton_handoff::ids::ConversationId;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lambda_http::{Error, RequestExt};
use std::convert::Infallible;
use tokio::time::{Instant, sleep_until};

use crate::deadline::STREAMS_END;
use crate::guard::RoutedByAws;

/// When a turn is given up, before the deadline: a step that is being recorded needs a few seconds, and the client must hear
/// that the turn goes on elsewhere.
const GIVE_UP: Duration = Duration::from_secs(15);

/// When streams end whatever happens, before the deadline: behind the giving up, in case that the store does not answer.
const END_STREAMS: Duration = Duration::from_secs(6);

/// What is known of the runtime.
#[derive(Debug, Clone, Copy)]
pub struct Runtime {
    /// AWS routes requests here, and only those of this function's names.
    pub routed_by_aws: bool,
}

#[derive(Clone)]
struct Function {
    engine: Arc<Engine>,
    runtime: Runtime,
}

/// Serves invocations until the runtime ends: one at a time, or as many as the environment is set up for
/// (`AWS_LAMBDA_MAX_CONCURRENCY`).
///
/// # Errors
/// When the runtime's interface is not there.
pub async fn serve(router: Router, engine: Arc<Engine>, runtime: Runtime) -> Result<(), Error> {
    let function = Function { engine, runtime };
    let router = router.layer(axum::middleware::from_fn_with_state(function, invoke));
    lambda_http::run_with_streaming_response_concurrent(router).await
}

async fn invoke(State(function): State<Function>, mut request: Request, next: Next) -> Response {
    let deadline = deadline(&request);
    if function.runtime.routed_by_aws {
        request.extensions_mut().insert(RoutedByAws);
    }
    let path = request.uri().path().to_owned();
    let response = STREAMS_END
        .scope(before(deadline, END_STREAMS), next.run(request))
        .await;
    let Some(conversation) = conversation(&response, &path) else {
        return response;
    };
    let (parts, body) = response.into_parts();
    Response::from_parts(
        parts,
        leashed(
            body,
            function.engine,
            conversation,
            before(deadline, GIVE_UP),
        ),
    )
}

/// The deadline of the invocation. Where there is none, such as in a test of the router, a minute.
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

/// The conversation that a response is about: named by a header, or by the path that was asked for.
fn conversation(response: &Response, path: &str) -> Option<ConversationId> {
    let named = response
        .headers()
        .get("x-conversation-id")
        .and_then(|id| id.to_str().ok());
    let in_path = path
        .split("/conversations/")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    ConversationId::parse(named.or(in_path)?).ok()
}

/// A body that gives its conversation up in time, or when it is dropped.
fn leashed(
    body: Body,
    engine: Arc<Engine>,
    conversation: ConversationId,
    give_up_at: Instant,
) -> Body {
    let leash = Leash {
        stream: body.into_data_stream(),
        engine,
        conversation,
        give_up_at,
        state: Leashed::Streams,
    };
    Body::from_stream(stream::unfold(leash, |mut leash| async move {
        let bytes = leash.next().await?;
        Some((Ok::<_, Infallible>(bytes), leash))
    }))
}

struct Leash {
    stream: BodyDataStream,
    engine: Arc<Engine>,
    conversation: ConversationId,
    give_up_at: Instant,
    state: Leashed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leashed {
    Streams,
    GivenUp,
    Ended,
}

impl Leash {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                biased;
                chunk = self.stream.next() => {
                    // An error would be written into the body as text: the stream is cut instead, and the client follows.
                    let bytes = chunk.and_then(Result::ok);
                    if bytes.is_none() {
                        self.state = Leashed::Ended;
                    }
                    return bytes;
                }
                () = sleep_until(self.give_up_at), if self.state == Leashed::Streams => {
                    tracing::warn!(conversation = %self.conversation, "the invocation ends; a worker goes on with the turn");
                    self.state = Leashed::GivenUp;
                    self.engine.give_up(&self.conversation);
                }
            }
        }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // The client went away. The process is frozen soon, so that the turn must go on elsewhere.
        if self.state == Leashed::Streams {
            self.engine.give_up(&self.conversation);
        }
    }
}
