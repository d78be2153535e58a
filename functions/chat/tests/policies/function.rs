//! A program of the template as a process, as Lambda starts it.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::cloud::{Cloud, Message, PATIENCE};
use crate::template;

pub(crate) struct Function {
    pub(crate) cloud: Cloud,
    answers: mpsc::Receiver<String>,
    _process: Child,
}

impl Function {
    /// Starts the program with the settings that the template gives it, and `open`: the test chooses the names of conversations.
    pub(crate) async fn start(
        program: &str,
        table: &str,
        messages: mpsc::UnboundedSender<Message>,
        settings: impl FnOnce(&str) -> BTreeMap<String, String>,
    ) -> Self {
        let (cloud, answers) = Cloud::start(table, messages).await;
        let mut settings = settings(&cloud.host);
        if settings["BATON_MODEL_URL"] == template::MODEL_URL {
            settings.insert("BATON_MODEL_URL".to_owned(), rehearsal().await);
        }
        settings.insert("BATON_AUTH".to_owned(), "open".to_owned());
        let folder = std::env::var_os("BATON_FUNCTIONS")
            .map(PathBuf::from)
            .expect("BATON_FUNCTIONS is the folder of the programs; ./infra/test template sets it");
        let process = Command::new(folder.join(program))
            .env_clear()
            .envs(settings)
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", cloud.host.clone()),
                ("AWS_ENDPOINT_URL", format!("http://{}", cloud.host)),
            ])
            .envs([
                ("AWS_LAMBDA_FUNCTION_NAME", program),
                ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            cloud,
            answers,
            _process: process,
        }
    }

    /// The whole answer to one event.
    pub(crate) async fn ask(&mut self, event: Value) -> String {
        self.cloud.invocations.send(event).await.unwrap();
        tokio::time::timeout(PATIENCE, self.answers.recv())
            .await
            .expect("the function answers")
            .unwrap()
    }
}

/// A model on a port of its own, until the test ends: functions have none inside.
async fn rehearsal() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = baton_rehearsal::Settings {
        word_delay: Duration::ZERO,
        ..baton_rehearsal::Settings::default()
    };
    tokio::spawn(baton_rehearsal::serve(listener, settings, pending()));
    format!("http://{address}/v1")
}

/// A request as a function URL passes it on.
pub(crate) fn request(
    method: &str,
    path_and_query: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Value {
    let host = "abc.lambda-url.eu-central-1.on.aws";
    let (path, query) = path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""));
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": host, "content-type": "application/json", "x-forwarded-proto": "https"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": host, "domainPrefix": "abc", "requestId": "r",
            "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
        },
        "body": body.map(Value::to_string),
        "isBase64Encoded": false,
    });
    for (name, value) in headers {
        event["headers"][*name] = json!(value);
    }
    event
}

/// A batch as Lambda makes it of a message in this queue.
pub(crate) fn batch(queue: &str, body: &str) -> Value {
    json!({"Records": [{
        "messageId": "m", "receiptHandle": "r", "body": body, "attributes": {}, "messageAttributes": {},
        "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:eu-central-1:1:{queue}"), "awsRegion": "eu-central-1",
    }]})
}

pub(crate) fn message(conversation: &str, text: &str) -> Value {
    json!({"conversation_id": conversation, "message": text})
}

/// Says something and hears the answer to its end.
pub(crate) async fn say(chat: &mut Function, conversation: &str, text: &str) {
    say_with(chat, &[], conversation, text).await;
}

/// The same with these headers.
pub(crate) async fn say_with(
    chat: &mut Function,
    headers: &[(&str, &str)],
    conversation: &str,
    text: &str,
) {
    let answer = chat
        .ask(request(
            "POST",
            "/chat/completions",
            headers,
            Some(&message(conversation, text)),
        ))
        .await;
    assert!(answer.contains("committed"), "{answer}");
}
