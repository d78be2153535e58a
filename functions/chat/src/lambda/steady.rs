//! Around each invocation, outside of the request in it: what keeps the process going, and what keeps it warm.

use bytes::Bytes;
use lambda_http::lambda_runtime::LambdaInvocation;
use lambda_http::tower::layer::layer_fn;
use lambda_http::tower::{Layer, Service};
use lambda_http::{BoxFuture, Error};
use serde_json::{Map, Value};
use std::task::{Context, Poll};

/// Events of warmers are small. Larger ones are not looked through.
const LONGEST_WARMER: usize = 8 * 1024;

/// What a warmer asks, as a function URL would: health opens what requests need.
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

/// Answers invocations one after the other, whatever becomes of an answer.
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
            // The client hung up, and whatever took the answer for it broke the connection off. The runtime would end its loop
            // and with it the process. The turn is given over already; a runtime API that is gone ends the loop at the next
            // invocation.
            if let Err(error) = answered.await {
                tracing::warn!(%error, "an answer was not taken to its end");
            }
            Ok(())
        })
    }
}

/// A schedule of EventBridge, or what plugins against cold starts send. A request has a context, and its client writes nothing
/// beside it.
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
