//! Tools that call a service, as declared in the team file's `[tool.http]`.
//! Knows HTTP, addresses and what the request says of the customer; never earlier attempts of an action.
//!
//! A model chooses arguments only. The declaration sets scheme, host and port; an argument fills its place in path,
//! query or body. The host is resolved once per call, its addresses are checked, and the client connects to those; it follows no
//! redirect and uses no proxy. The meaning of each answer:
//!
//! | | action at a service with keys | without | lookup |
//! | --- | --- | --- | --- |
//! | 2xx | done | done | its result |
//! | 202 where the declaration has `result_within_minutes` | waits for a report | waits for a report | |
//! | 2xx, cut or late in the middle | tried again | unknown | error |
//! | 4xx, 307, 308 | rejected | rejected | error |
//! | 409 | rejected; tried again if an earlier try may have come through | rejected | error |
//! | 425, 429 | tried again | rejected | error |
//! | 408, 5xx | tried again | unknown | error |
//! | 301, 302, 303 | unknown | unknown | error |
//! | no connection | tried again | tried again | error |
//! | cut or late after that | tried again | unknown | error |
//! | no allowed address | rejected | rejected | error |
//! | a value of the customer is not known | rejected | rejected | error |
//!
//! `Retry-After` is passed on with an outcome that is tried again.

mod call;
mod declare;
mod declared;
mod error;
mod exchange;
mod file;
mod form;
mod target;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ids::ActionId;
use baton_handoff::ports::{CallContext, Env, Outcome, Price, ToolError, ToolRequest, Tools};
use baton_handoff::team::Team;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

pub use declare::HttpProvider;
pub use error::HttpToolsError;
pub(crate) use verdict::{Meaning, printable};

use crate::outgoing::line::{Line, Question};
use crate::outside::Outside;
use crate::tokens::{Claims, ToolTokens};

use call::{HttpBody, HttpMethod};
use declared::Declared;
use exchange::{Body, Exchange};

/// As the IETF's draft `draft-ietf-httpapi-idempotency-key-header` has it.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// W3C Trace Context.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Says in whose name the call is made. Not `Authorization`, which carries the service's own credential.
pub(crate) const BATON_TOKEN: HeaderName = HeaderName::from_static("baton-token");

/// The action that a service reports the end of, and what it proves with that it was asked for it.
const BATON_ACTION: HeaderName = HeaderName::from_static("baton-action");
const BATON_ACTION_TOKEN: HeaderName = HeaderName::from_static("baton-action-token");

/// How much longer such a token is valid than an action waits, in seconds: one begins to wait when its service has answered.
const REPORT_MARGIN: u64 = 15 * 60;

/// Calls the services of a team's tools.
pub struct HttpTools {
    declared: BTreeMap<String, Declared>,
    line: Line,
    tokens: Option<Arc<ToolTokens>>,
    env: Arc<dyn Env>,
}

impl HttpTools {
    /// Prepares every declared tool of the team.
    ///
    /// # Errors
    /// The first unusable tool, as one sentence for the operator that starts Baton.
    pub fn new(team: &Team, outside: &Outside<'_>) -> Result<Self, HttpToolsError> {
        let mut declared = BTreeMap::new();
        for tool in team.tools() {
            if let Some(ready) = Declared::of(tool, outside)? {
                let reports = ready.call.result_within.is_some();
                if reports && !(ready.takes_tokens && outside.tokens.is_some()) {
                    let tool = tool.name.clone();
                    return Err(HttpToolsError::NoReportToken { tool });
                }
                declared.insert(tool.name.clone(), ready);
            }
        }
        // The platform's certificates are read only if a tool needs them: that takes longer than all the rest.
        let secure = declared
            .values()
            .any(|ready| ready.origin.scheme() == "https");
        let tls = baton_http::tls(secure, &outside.extra_roots, false)
            .map_err(HttpToolsError::Certificates)?;
        let line = Line::new(outside.names.clone(), outside.networks.clone(), tls);
        for (tool, ready) in &declared {
            let barred = ready
                .literal_address()
                .filter(|address| !line.may_reach(*address, ready.call.allow_private));
            if let Some(address) = barred {
                let tool = tool.clone();
                return Err(HttpToolsError::Address { tool, address });
            }
        }
        Ok(Self {
            declared,
            line,
            tokens: outside.tokens.clone(),
            env: outside.env.clone(),
        })
    }

    /// The HTTP call of a request. Err is a sentence for the model. `key`: the idempotency key of an action.
    fn question<'a>(
        &'a self,
        request: &'a ToolRequest,
        key: Option<&str>,
    ) -> Result<(&'a Declared, Question<'a>), String> {
        let name = request.tool.name.as_str();
        let declared = self
            .declared
            .get(name)
            .ok_or_else(|| format!("{name} calls no service."))?;
        let call = &declared.call;
        let nothing = Map::new();
        let arguments = request.arguments.as_value().as_object().unwrap_or(&nothing);
        let context = &request.context;
        let not_called = |why: String| format!("{name} was not called: {why}.");
        let url = target::target(&declared.origin, call, arguments, context).map_err(not_called)?;
        let body = match call.body {
            HttpBody::None => None,
            HttpBody::Arguments if call.body_fields.is_empty() => {
                Some(request.arguments.canonical().to_owned())
            }
            HttpBody::Arguments | HttpBody::Others | HttpBody::Form => {
                let mut body = arguments.clone();
                if call.body != HttpBody::Arguments {
                    call.url
                        .parameters()
                        .for_each(|named| drop(body.remove(named)));
                }
                for (field, template) in &call.body_fields {
                    body.insert(field.clone(), template.value(context).map_err(not_called)?);
                }
                Some(if call.body == HttpBody::Form {
                    form::encoded(&body)
                } else {
                    Value::Object(body).to_string()
                })
            }
        };
        let mut headers = declared.headers.fixed.clone();
        for (header, template) in &declared.headers.filled {
            let value = template.header(context).map_err(not_called)?;
            headers.insert(header, value);
        }
        // Also sent to a service declared without keys: it is harmless, and may help in the service's log.
        if let Some(key) = key.and_then(|key| HeaderValue::try_from(key).ok()) {
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        if let Ok(span) = HeaderValue::try_from(context.span.to_string()) {
            headers.insert(TRACEPARENT, span);
        }
        let token = self.token(declared, context, key);
        if let Some(mut value) = token.as_deref().and_then(|t| HeaderValue::try_from(t).ok()) {
            value.set_sensitive(true);
            headers.insert(BATON_TOKEN, value);
        }
        if let (Some(within), Some(action)) = (call.result_within, &context.action) {
            let (id, token) = self.report_of(action, within);
            let name = HeaderValue::try_from(id);
            headers.extend(name.ok().map(|id| (BATON_ACTION, id)));
            if let Some(mut value) = token.and_then(|token| HeaderValue::try_from(token).ok()) {
                value.set_sensitive(true);
                headers.insert(BATON_ACTION_TOKEN, value);
            }
        }
        let question = Question {
            of: name,
            method: method(call.method),
            url,
            headers,
            body,
            allow_private: call.allow_private,
            timeout: request.tool.timeout,
        };
        Ok((declared, question))
    }

    /// A token for one attempt: the service recognises an attempt of an action by its key.
    fn token(
        &self,
        declared: &Declared,
        context: &CallContext,
        key: Option<&str>,
    ) -> Option<String> {
        let tokens = self.tokens.as_ref().filter(|_| declared.takes_tokens)?;
        let random = || format!("{:032x}", self.env.random());
        Some(tokens.sign(&Claims {
            audience: &declared.origin.origin().ascii_serialization(),
            id: &key.map_or_else(random, str::to_owned),
            context,
            now: self.env.now() / 1000,
        }))
    }

    /// What a service reports the end of an action with: its id, and a token. A report may come after the last attempt, so the token
    /// is valid for longer than the action waits.
    fn report_of(&self, action: &ActionId, within: Duration) -> (String, Option<String>) {
        let tokens = self.tokens.as_ref();
        let until = self.env.now() / 1000 + within.as_secs() + REPORT_MARGIN;
        let token = tokens.map(|tokens| tokens.for_report(action, until));
        (action.to_string(), token)
    }

    /// Calls the service, and removes our own secrets from its answer before it is passed on.
    async fn ask(&self, declared: &Declared, question: Question<'_>) -> Exchange {
        let tokens = [BATON_TOKEN, BATON_ACTION_TOKEN];
        let tokens = tokens.map(|token| question.headers.get(token).cloned());
        let mut exchange = exchange::ask(&self.line, question).await;
        if let Exchange::Answered(answer) = &mut exchange
            && let Body::Whole(text) = &mut answer.body
        {
            *text = declared
                .headers
                .without_secrets(text, tokens.iter().flatten());
        }
        exchange
    }
}

#[async_trait]
impl Tools for HttpTools {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        let (declared, question) = self.question(request, None).map_err(ToolError::Refused)?;
        let exchange = self.ask(declared, question).await;
        verdict::lookup(&request.tool.name, exchange)
    }

    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        let (declared, question) = match self.question(request, Some(idempotency_key)) {
            Ok(ready) => ready,
            Err(sentence) => return Outcome::Rejected(sentence),
        };
        let exchange = self.ask(declared, question).await;
        let keys = request.tool.runs.retries.has_keys;
        let within = declared.call.result_within;
        verdict::action(exchange, keys, within, self.env.now())
    }

    /// Services do not price calls: a parameter names the amount.
    async fn price(&self, _request: &ToolRequest) -> Price {
        Price::NoPrice
    }
}

fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
    }
}
