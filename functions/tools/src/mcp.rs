//! Tools that a server of the Model Context Protocol runs, as declared in the team file's `[[mcp]]` and `[tool.mcp]`.
//! Knows the protocol and what the request says of the customer; never earlier attempts of an action.
//!
//! A server's word counts for little: a tool is what the team file says, as long as the server's own definition has the hash that an
//! operator agreed to. Annotations are never read. A call is sent once, by a connection of its own. The meaning of each answer:
//!
//! | | action with a key | without | lookup |
//! | --- | --- | --- | --- |
//! | a result | done | done | its text |
//! | a result with `isError` | tried again | unknown | error |
//! | the same, with `errors = "refusals"` | rejected | rejected | |
//! | a result that asks for input | rejected | rejected | error |
//! | -32700, -32600 to -32602, -32020 to -32022 | rejected | rejected | error |
//! | another error of JSON-RPC | tried again | unknown | error |
//! | HTTP 4xx, 307, 308 | rejected | rejected | error |
//! | HTTP 429 | tried again | rejected | error |
//! | HTTP 408, 5xx | tried again | unknown | error |
//! | HTTP 301, 302, 303 | unknown | unknown | error |
//! | no connection, no list of tools | tried again | tried again | error |
//! | cut, late or not understood after that | tried again | unknown | error |
//! | no allowed address, another definition | rejected | rejected | error |
//!
//! An answer that says that the server has forgotten the session (404 or 400 of a revision with sessions) is followed by a new session
//! and the same call: it was certainly not carried out.

mod answer;
#[cfg(all(unix, feature = "children"))]
mod child;
mod declare;
mod definition;
mod error;
mod events;
mod file;
mod http;
mod message;
mod place;
mod result;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use baton_handoff::ports::{CallContext, Env, Outcome, Price, ToolError, ToolRequest, Tools};
use baton_handoff::team::{Team, Tool};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use tokio::time::Instant;

pub use declare::McpProvider;
pub use definition::Definition;
pub use error::McpError;
pub use place::{Candidate, look_at};
pub use server::Standing;

use crate::http_tools::{BATON_TOKEN, TRACEPARENT};
use crate::outside::Outside;
use crate::tokens::{Claims, ToolTokens};

use answer::{Answer, Failed};
use declare::{KeyPlace, McpCall};
use definition::Mirrored;
use message::{Ask, HEADER_MISMATCH};
use server::{Pin, Server};

/// Calls the MCP servers of a team.
pub struct McpTools {
    /// By name.
    servers: BTreeMap<String, Arc<Server>>,
    tokens: Option<Arc<ToolTokens>>,
    env: Arc<dyn Env>,
}

/// A tool of the team, and how it stands with its server.
#[derive(Debug)]
pub struct Checked {
    /// The tool's name in the team.
    pub tool: String,
    /// The server's name.
    pub server: String,
    /// Err: the server could not be asked; a phrase about it.
    pub standing: Result<Standing, String>,
}

impl McpTools {
    /// Prepares the servers of the team, and connects to none.
    ///
    /// # Errors
    /// The first unusable server, as one sentence for the operator that starts Baton.
    pub fn new(team: &Team, outside: &Outside<'_>) -> Result<Self, McpError> {
        let mut pins: BTreeMap<String, Vec<Pin>> = BTreeMap::new();
        let mut declared = BTreeMap::new();
        for tool in team.tools() {
            if let Some(call) = tool.runs.config::<McpCall>() {
                let server = &call.server;
                declared.insert(server.name.clone(), server.clone());
                pins.entry(server.name.clone()).or_default().push(Pin {
                    tool: tool.name.clone(),
                    name: call.name.clone(),
                    hash: call.pinned.clone(),
                });
            }
        }
        let mut servers = BTreeMap::new();
        if !declared.is_empty() {
            let way = place::line(declared.values().map(|server| &**server), outside)?;
            for (name, server) in declared {
                let link = place::link(&server, &way, outside)?;
                let pins = pins.remove(&name).unwrap_or_default();
                let env = outside.env.clone();
                let server = Server::new(name.clone(), link, pins, env);
                servers.insert(name, Arc::new(server));
            }
        }
        Ok(Self {
            servers,
            tokens: outside.tokens.clone(),
            env: outside.env.clone(),
        })
    }

    /// Whether the team has such tools at all.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Asks each server for its tools, one after the other.
    pub async fn check(&self) -> Vec<Checked> {
        let mut all = Vec::new();
        for server in self.servers.values() {
            let listed = server.list(Instant::now() + place::PATIENCE).await;
            let listed = listed.map_err(|failed| failed.reason().to_owned());
            for pin in &server.pins {
                let standing = listed.as_ref().map_err(Clone::clone);
                let standing = standing.map(|(list, _)| server::standing(pin, list).0);
                all.push(Checked {
                    tool: pin.tool.clone(),
                    server: server.name.clone(),
                    standing,
                });
            }
        }
        all
    }

    fn place_of<'a>(&'a self, tool: &'a Tool) -> Result<(&'a McpCall, &'a Arc<Server>), Failed> {
        let call = tool.runs.config::<McpCall>();
        let found = call.and_then(|call| Some((call, self.servers.get(&call.server.name)?)));
        found.ok_or_else(|| Failed::Refused("it has no server".to_owned()))
    }

    /// One call, sent once. `key`: the idempotency key of an action.
    async fn call(&self, request: &ToolRequest, key: Option<&str>) -> Result<Answer, Failed> {
        let now = Instant::now();
        let deadline = now + request.tool.timeout;
        let (call, server) = self.place_of(&request.tool)?;
        // The call itself keeps half of the time: one that is cut short may have had its effect.
        let half = now + request.tool.timeout / 2;
        let (standing, mirrored) = server.standing(&request.tool.name, half).await?;
        if standing != Standing::Agreed {
            return Err(Failed::Refused(standing.sentence()));
        }
        let context = &request.context;
        let ask = ask(call, request, key);
        let mut headers = headers(&mirrored, &ask)?;
        let mut token = None;
        if let Some(post) = place::remote(&server.link) {
            if let Ok(span) = HeaderValue::try_from(context.span.to_string()) {
                headers.insert(TRACEPARENT, span);
            }
            let origin = || post.url.origin().ascii_serialization();
            let signed = post.takes_tokens.then(origin);
            let signed = signed.and_then(|origin| self.token(&origin, context, key));
            token = signed.and_then(|token| HeaderValue::try_from(token).ok());
            if let Some(token) = &mut token {
                token.set_sensitive(true);
                headers.insert(BATON_TOKEN, token.clone());
            }
        }
        let answer = server.request(&ask, &headers, deadline).await?;
        if answer
            .error()
            .is_some_and(|error| error.code == HEADER_MISMATCH)
        {
            // It may want other headers than it did.
            server.doubt();
        }
        Ok(place::without_secrets(&server.link, answer, token.as_ref()))
    }

    /// A token for one attempt: the server recognises an attempt of an action by its key.
    fn token(&self, origin: &str, context: &CallContext, key: Option<&str>) -> Option<String> {
        let random = || format!("{:032x}", self.env.random());
        Some(self.tokens.as_ref()?.sign(&Claims {
            audience: origin,
            id: &key.map_or_else(random, str::to_owned),
            context,
            now: self.env.now() / 1000,
        }))
    }
}

/// The call as the server gets it. The key takes its place whatever a model has put there.
fn ask(call: &McpCall, request: &ToolRequest, key: Option<&str>) -> Ask {
    let arguments = request.arguments.as_value().as_object();
    let mut arguments = arguments.cloned().unwrap_or_default();
    let mut meta = Map::new();
    let span = request.context.span.to_string();
    meta.insert("traceparent".to_owned(), span.into());
    match (&call.key, key) {
        (Some(KeyPlace::Argument(name)), Some(key)) => {
            arguments.insert(name.clone(), key.into());
        }
        (Some(KeyPlace::Meta(name)), Some(key)) => {
            meta.insert(name.clone(), key.into());
        }
        (_, _) => {}
    }
    let mut params = Map::new();
    params.insert("name".to_owned(), call.name.clone().into());
    params.insert("arguments".to_owned(), Value::Object(arguments));
    Ask {
        method: "tools/call",
        params,
        meta,
    }
}

/// The arguments that headers repeat.
fn headers(mirrored: &[Mirrored], ask: &Ask) -> Result<HeaderMap, Failed> {
    let mut headers = HeaderMap::new();
    let nothing = Value::Null;
    let arguments = ask.params.get("arguments").unwrap_or(&nothing);
    for argument in mirrored {
        headers.extend(argument.of(arguments).map_err(Failed::Refused)?);
    }
    Ok(headers)
}

#[async_trait]
impl Tools for McpTools {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        verdict::lookup(&request.tool.name, self.call(request, None).await)
    }

    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        let errors = (request.tool.runs.config::<McpCall>())
            .map_or_else(Default::default, |call| call.errors);
        let answered = self.call(request, Some(idempotency_key)).await;
        verdict::action(answered, request.tool.runs.retries.has_keys, errors)
    }

    /// Servers do not price calls: a parameter names the amount.
    async fn price(&self, _: &ToolRequest) -> Price {
        Price::NoPrice
    }

    fn offers(&self, tool: &Tool) -> bool {
        match self.place_of(tool) {
            Ok((_, server)) => server.offers(&tool.name),
            Err(_) => true,
        }
    }

    fn withdrawn(&self) -> Vec<String> {
        let all = self.servers.values();
        all.flat_map(|server| server.withdrawn()).collect()
    }
}
