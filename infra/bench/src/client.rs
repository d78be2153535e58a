//! A customer: one connection, one turn after another, each timed and checked.
//! Knows `POST /chat/completions` over HTTP/1.1; what an answer says is [`crate::answer`]'s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::answer::Answer;

/// A server, and what a right answer of it is.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) kind: Kind,
    /// The whole text.
    pub(crate) expected: Arc<str>,
    /// An answer that is not whole by then is an error.
    pub(crate) patience: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its answers end with the stream.
    Relay,
    /// Its answers end with a `done` line, status `committed`.
    Baton,
}

/// How long one answer took, from the request's first byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) first_text: Duration,
    pub(crate) whole: Duration,
}

pub(crate) struct Client {
    target: Target,
    host: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(target: Target) -> Result<Self> {
        let sender = connect(target.addr).await?;
        let host = target.addr.to_string();
        Ok(Self {
            target,
            host,
            sender,
        })
    }

    /// One turn: the answer must be the expected text, all of it, in order, and nothing else.
    pub(crate) async fn say(
        &mut self,
        conversation: &str,
        message: &str,
        on_first_text: impl FnOnce(),
    ) -> Result<Timing> {
        let patience = self.target.patience;
        let turn = self.turn(conversation, message, on_first_text);
        tokio::time::timeout(patience, turn)
            .await
            .with_context(|| format!("no whole answer within {patience:?}"))?
    }

    async fn turn(
        &mut self,
        conversation: &str,
        message: &str,
        on_first_text: impl FnOnce(),
    ) -> Result<Timing> {
        let asked = Asked {
            message,
            conversation_id: conversation,
        };
        let request = Request::post("/chat/completions")
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(serde_json::to_vec(&asked)?))?;
        let asked_at = Instant::now();
        self.sender
            .ready()
            .await
            .context("the connection is closed")?;
        let response = self.sender.send_request(request).await?;
        ensure!(
            response.status() == StatusCode::OK,
            "answered {}",
            refusal(response).await
        );
        let mut body = response.into_body();
        let mut answer = Answer::default();
        let mut first_text = None;
        let mut on_first_text = Some(on_first_text);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            answer.take(&data)?;
            if first_text.is_none() && answer.has_text() {
                first_text = Some(asked_at.elapsed());
                on_first_text.take().into_iter().for_each(|tell| tell());
            }
        }
        let whole = asked_at.elapsed();
        answer.check(&self.target.expected, self.target.kind)?;
        Ok(Timing {
            first_text: first_text.context("an answer without text")?,
            whole,
        })
    }
}

/// A connection of one's own.
pub(crate) async fn connect<B>(addr: SocketAddr) -> Result<SendRequest<B>>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: std::error::Error + Send + Sync,
{
    let socket = TcpStream::connect(addr).await.context("cannot connect")?;
    socket.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    // How it ends is seen by whoever waits for an answer.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// Asks once, on a connection of its own.
pub(crate) async fn get(addr: SocketAddr, path: &str) -> Result<StatusCode> {
    let mut sender = connect(addr).await?;
    let request = Request::get(path)
        .header(HOST, addr.to_string())
        .body(Empty::<Bytes>::new())?;
    Ok(sender.send_request(request).await?.status())
}

/// What a refused request was told.
pub(crate) async fn refusal(response: http::Response<Incoming>) -> String {
    let status = response.status();
    match response.into_body().collect().await {
        Ok(body) => format!("{status}: {}", String::from_utf8_lossy(&body.to_bytes())),
        Err(error) => format!("{status}: {error}"),
    }
}

#[derive(Serialize)]
struct Asked<'a> {
    message: &'a str,
    conversation_id: &'a str,
}
