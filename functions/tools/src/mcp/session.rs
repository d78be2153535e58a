//! A server behind HTTP: the revision that it speaks, found once; and the session that an older one wants.
//! Knows which answers say that a request was not carried out, so that it may be sent once more; never a tool.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Answer, Failed, Said};
use super::definition::plain_or_coded;
use super::http::{Post, SESSION};
use super::message::{
    Ask, Era, LEGACY, MODERN, Reply, RpcError, UNSUPPORTED, chosen, common, notification,
};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// A server behind HTTP.
pub(super) struct Remote {
    pub(super) post: Post,
    ids: AtomicU64,
    state: Mutex<Option<State>>,
    /// Held while the revision is found and a session begun: all calls wait for the same one.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    era: Era,
    session: Option<HeaderValue>,
}

impl Remote {
    pub(super) fn new(post: Post) -> Self {
        Self {
            post,
            ids: AtomicU64::new(1),
            state: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// Sends a request, once; a second time only where the answer to the first says that the server did not carry it out because
    /// it no longer knows the session (revision 2025-11-25, Session Management: 404; some say 400).
    pub(super) async fn request(
        &self,
        ask: &Ask,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<Answer, Failed> {
        let opened = self.open(None, deadline).await;
        let state = opened.map_err(Failed::before_call)?;
        let answer = self.send(ask, &state, headers, deadline).await?;
        let is = |status: StatusCode| answer.status == Some(status);
        match state.era {
            Era::Legacy(_) => {
                if answer.error().is_some_and(RpcError::is_modern) {
                    return Err(self.speaks_another(&state));
                }
                let is_about_call = answer.error().is_some_and(RpcError::is_certain);
                let is_gone =
                    is(StatusCode::NOT_FOUND) || is(StatusCode::BAD_REQUEST) && !is_about_call;
                if state.session.is_none() || !is_gone {
                    return Ok(answer);
                }
                let opened = self.open(Some(&state), deadline).await;
                let state = opened.map_err(Failed::before_call)?;
                self.send(ask, &state, headers, deadline).await
            }
            Era::Modern => {
                let is_unheard = is(StatusCode::NOT_FOUND)
                    || is(StatusCode::BAD_REQUEST)
                    || is(StatusCode::METHOD_NOT_ALLOWED);
                // A server of this revision would say one of the protocol's own words.
                let is_other = match &answer.said {
                    Said::Text(_) => is_unheard,
                    Said::Reply(Reply::Error(error)) => {
                        error.code == UNSUPPORTED || is_unheard && !error.is_certain()
                    }
                    Said::Reply(Reply::Result(_)) => false,
                };
                if is_other {
                    return Err(self.speaks_another(&state));
                }
                Ok(answer)
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request was not understood, so not carried out. The next one finds out anew how to speak.
    fn speaks_another(&self, stale: &State) -> Failed {
        let mut known = self.lock();
        if known.as_ref() == Some(stale) {
            *known = None;
        }
        Failed::NotSent("it speaks another revision of the protocol than before".to_owned())
    }

    /// The revision and the session. `stale`: one that is no more.
    async fn open(&self, stale: Option<&State>, deadline: Instant) -> Result<State, Failed> {
        let known = || self.lock().clone().filter(|known| Some(known) != stale);
        if let Some(known) = known() {
            return Ok(known);
        }
        let _opening = self.opening.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        // Also where a session is gone: the server may be another one by now.
        let opened = self.find(deadline).await?;
        *self.lock() = Some(opened.clone());
        Ok(opened)
    }

    /// Asks for the revisions that the server speaks. A server that does not understand the question speaks an older one.
    async fn find(&self, deadline: Instant) -> Result<State, Failed> {
        let modern = State {
            era: Era::Modern,
            session: None,
        };
        let ask = Ask::new("server/discover", &json!({}));
        let answer = self
            .send(&ask, &modern, &HeaderMap::new(), deadline)
            .await?;
        let status = answer.status.unwrap_or_default();
        let supported = match &answer.said {
            Said::Reply(Reply::Result(result)) => result.get("supportedVersions").cloned(),
            Said::Reply(Reply::Error(error)) if error.code == UNSUPPORTED => {
                Some(error.data.get("supported").cloned().unwrap_or_default())
            }
            Said::Reply(Reply::Error(error)) if error.is_modern() => Some(json!([MODERN])),
            Said::Reply(Reply::Error(_)) | Said::Text(_) => None,
        };
        match supported.as_ref().map(common) {
            Some(Some(Era::Modern)) => Ok(modern),
            Some(Some(Era::Legacy(_))) => self.initialize(deadline).await,
            Some(None) => Err(Failed::Refused(
                "it speaks no revision of the protocol that Baton does".to_owned(),
            )),
            None if status.is_success() || is_misunderstood(status) => {
                self.initialize(deadline).await
            }
            None => Err(answer.result().err().unwrap_or(Failed::Barred)),
        }
    }

    async fn initialize(&self, deadline: Instant) -> Result<State, Failed> {
        let [newest, ..] = LEGACY;
        let begun = State {
            era: Era::Legacy(newest),
            session: None,
        };
        let none = HeaderMap::new();
        let ask = Ask::initialize();
        let answer = self.send(&ask, &begun, &none, deadline).await?;
        let session = answer.session.clone();
        let result = answer.result()?;
        let state = State {
            era: chosen(&result).map_err(Failed::Refused)?,
            session,
        };
        let ready = notification("notifications/initialized", &json!({}));
        let headers = headers_of(None, &state, &none);
        let told = self.post.send(ready, None, headers, deadline).await?;
        if !told.is_success() {
            return Err(Failed::Unusable(
                "it did not take the end of the handshake".to_owned(),
            ));
        }
        Ok(state)
    }

    async fn send(
        &self,
        ask: &Ask,
        state: &State,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<Answer, Failed> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let message = ask.message(id, Some(state.era));
        let headers = headers_of(Some(ask), state, headers);
        self.post.send(message, Some(id), headers, deadline).await
    }
}

/// Whether a server may say so that it has never heard of such a request.
fn is_misunderstood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 404 | 405 | 406 | 415 | 422)
}

fn headers_of(ask: Option<&Ask>, state: &State, more: &HeaderMap) -> HeaderMap {
    let mut headers = more.clone();
    let mut set = |name, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(reqwest::header::CONTENT_TYPE, "application/json");
    set(
        reqwest::header::ACCEPT,
        "application/json, text/event-stream",
    );
    match state.era {
        Era::Modern => {
            set(VERSION, MODERN);
            if let Some(ask) = ask {
                set(METHOD, ask.method);
                let name = ask.params.get("name").and_then(Value::as_str);
                if let Some(name) = name.and_then(plain_or_coded) {
                    headers.insert(NAME, name);
                }
            }
        }
        Era::Legacy(version) => {
            // The revision is not agreed yet.
            if ask.is_none_or(|ask| ask.method != "initialize") {
                set(VERSION, version);
            }
            if let Some(session) = &state.session {
                headers.insert(SESSION, session.clone());
            }
        }
    }
    headers
}
