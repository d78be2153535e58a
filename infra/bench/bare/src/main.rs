//! The least that a function on Lambda can be which does what a text turn must: the clients of DynamoDB, SQS and a model are
//! built at the start, the SDK's as they come; one read, one streaming model call whose text is passed on, one write. The
//! measure of what Baton's function adds.

use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use baton_bench_completion::{Call, lines};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lambda_http::Error;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

#[derive(Clone)]
struct Function {
    records: aws_sdk_dynamodb::Client,
    /// Built, as a function that queues work has to; a text turn queues none.
    _messages: aws_sdk_sqs::Client,
    http: reqwest::Client,
    table: String,
    model_url: String,
}

#[derive(Deserialize)]
struct Asked {
    conversation_id: String,
    message: String,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
    // As Baton's for a model on this machine: no certificates are read.
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let function = Function {
        records: aws_sdk_dynamodb::Client::new(&config),
        _messages: aws_sdk_sqs::Client::new(&config),
        http: reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(tls)
            .build()?,
        table: std::env::var("BATON_TABLE")?,
        model_url: std::env::var("BATON_MODEL_URL")?,
    };
    let router = Router::new()
        .route("/chat/completions", post(complete))
        .with_state(function);
    lambda_http::run_with_streaming_response_concurrent(router).await
}

async fn complete(State(function): State<Function>, body: Bytes) -> Response {
    match answer(function, &body).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn answer(function: Function, body: &[u8]) -> Result<Response, Error> {
    let asked: Asked = serde_json::from_slice(body)?;
    let key = |name: &str| AttributeValue::S(name.to_owned());
    let read = function
        .records
        .get_item()
        .table_name(&function.table)
        .key("pk", key(&asked.conversation_id))
        .key("sk", key("META"));
    read.send().await?;
    let called = function
        .http
        .post(format!("{}/chat/completions", function.model_url))
        .json(&Call::new(&asked.message));
    let response = called.send().await?.error_for_status()?;
    let write = function
        .records
        .put_item()
        .table_name(&function.table)
        .item("pk", key(&asked.conversation_id))
        .item("sk", key("META"))
        .item("body", key(&asked.message));
    let written = stream::once(async move {
        let done = if write.send().await.is_ok() {
            "committed"
        } else {
            "failed"
        };
        Ok(Bytes::from(format!(
            "{{\"content\":{{\"type\":\"done\",\"message\":\"\",\"status\":\"{done}\"}}}}\n"
        )))
    });
    let body = Body::from_stream(lines(response).chain(written));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
