//! A listener of typed events: what comes, and when.
//! Knows server-sent events as Baton writes them: `id`, `event` and `data`, a line each.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use serde::Deserialize;

use crate::client::{connect, refusal};

/// One event, and when its last byte was here.
pub(crate) struct Event<'a> {
    pub(crate) name: &'a str,
    pub(crate) data: &'a str,
    pub(crate) at: Instant,
}

impl Event<'_> {
    /// What a `text_delta` adds.
    pub(crate) fn text(&self) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Delta {
            text: String,
        }
        if self.name != "text_delta" {
            return Ok(None);
        }
        let Delta { text } = serde_json::from_str(self.data).context("a delta without text")?;
        Ok(Some(text))
    }
}

/// One connection.
pub(crate) struct Listener {
    host: String,
    sender: SendRequest<Full<Bytes>>,
    patience: Duration,
}

impl Listener {
    pub(crate) async fn connect(addr: SocketAddr, patience: Duration) -> Result<Self> {
        Ok(Self {
            host: addr.to_string(),
            sender: connect(addr).await?,
            patience,
        })
    }

    /// Says something; `on` sees each event until it breaks off or the stream ends.
    pub(crate) async fn say(
        &mut self,
        conversation: &str,
        message: &str,
        on: impl FnMut(Event<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let body = serde_json::json!({ "message": message, "conversation_id": conversation });
        let request = Request::post("/chat/completions")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))?;
        self.listen(request, on).await
    }

    /// Everything of a turn from its beginning, as one who was not there yet.
    pub(crate) async fn resume(
        &mut self,
        conversation: &str,
        turn: u32,
        on: impl FnMut(Event<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let path = format!("/conversations/{conversation}/turns/{turn}/events");
        self.listen(Request::get(path).body(Full::default())?, on)
            .await
    }

    async fn listen(
        &mut self,
        mut request: Request<Full<Bytes>>,
        on: impl FnMut(Event<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.parse()?);
        headers.insert(ACCEPT, http::HeaderValue::from_static("text/event-stream"));
        let patience = self.patience;
        tokio::time::timeout(patience, self.events(request, on))
            .await
            .with_context(|| format!("nothing more within {patience:?}"))?
    }

    async fn events(
        &mut self,
        request: Request<Full<Bytes>>,
        mut on: impl FnMut(Event<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
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
        let (mut body, mut begun) = (response.into_body(), String::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            let at = Instant::now();
            begun.push_str(std::str::from_utf8(&data).context("a character was cut")?);
            while let Some((event, rest)) = begun.split_once("\n\n") {
                if let Some(event) = parse(event, at)
                    && on(event)?.is_break()
                {
                    return Ok(());
                }
                begun = rest.to_owned();
            }
        }
        Ok(())
    }
}

/// None for a comment.
fn parse(lines: &str, at: Instant) -> Option<Event<'_>> {
    let field = |name: &str| {
        lines
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Some(Event {
        name: field("event")?,
        data: field("data")?,
        at,
    })
}
