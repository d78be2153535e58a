//! Wraps each invocation: keeps the process alive after failed answers, and answers warmers.

use bytes::Bytes;
use lambda_http::lambda_runtime::LambdaInvocation;
use lambda_http::tower::layer::layer_fn;
use lambda_http::tower::{Layer, Service};
use lambda_http::{BoxFuture, Error};
use serde_json::{Map, Value};
use std::task::{Context, Poll};

/// Events of warmers are small. Larger events are not parsed.
const LONGEST_WARMER: usize = 8 * 1024;

/// A warmer's request, in the form of a function URL: health opens the resources that requests need.
const HEALTH: &[u8] = br#"{
    "version": "2.0", "routeKey": "$default", "rawPath": "/health", "rawQueryString": "",
    "headers": { "host": "localhost" }, "isBase64Encoded": false,
    "requestContext": {
        "accountId": "anonymous", "apiId": "warmer", "domainName": "localhost", "domainPrefix": "warmer", "requestId": "warmer",
        "routeKey": "$default", "stage": "$default", "time": "01/Jan/1970:00:00:00 +0000", "timeEpoch": 0,
        "http": {
            "method": "GET", "path": "/health", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "warmer"
        }
    }
}"#;

/// Answers invocations one after the other, even after a failed answer.
#[derive(Clone)]
pub(super) struct Steady<S>(S);

pub(super) fn steady<S>() -> impl Layer<S, Service = Steady<S>> {
    layer_fn(Steady)
}

impl<S> Service<LambdaInvocation> for Steady<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error, Future: Send + 'static>,
{
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<'static, Result<(), Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        if is_warmer(&invocation.body) {
            invocation.body = Bytes::from_static(HEALTH);
        }
        let answered = self.0.call(invocation);
        Box::pin(async move {
            // The client hung up, and the receiver of the answer closed the connection. The runtime would end its loop and with
            // it the process. The turn is handed over already. If the runtime API itself is gone, the next invocation ends the
            // loop.
            if let Err(error) = answered.await {
                tracing::warn!(%error, "the client closed the connection before the end of an answer");
            }
            Ok(())
        })
    }
}

/// A schedule of EventBridge, or the event of a plugin against cold starts. A request has a context, and its client cannot add
/// fields beside it.
fn is_warmer(event: &[u8]) -> bool {
    if event.len() > LONGEST_WARMER {
        return false;
    }
    let Ok(event) = serde_json::from_slice::<Map<String, Value>>(event) else {
        return false;
    };
    !event.contains_key("requestContext")
        && (event.get("warmer").is_some_and(|warmer| warmer == true)
            || event
                .get("detail-type")
                .is_some_and(|kind| kind == "Scheduled Event")
            || event
                .get("source")
                .is_some_and(|source| source == "serverless-plugin-warmup"))
}
