//! The way to each server: an address that may be called, or a program of this machine.
//! Knows settings and addresses; never tools.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ports::Env;
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde_json::Value;
use tokio::time::Instant;

use super::answer::{Answer, Said};
use super::declare::{Place, ServerDeclaration};
use super::definition::Definition;
use super::error::McpError;
use super::http::Post;
use super::message::Reply;
use super::server::{Link, Server};
use super::session::Remote;
use crate::outgoing::headers::{HeaderValueSource, Headers};
use crate::outgoing::line::{Line, literal_address};
use crate::outside::Outside;

/// How long a person waits for a list of tools.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// This process's way to servers behind HTTP.
pub(super) fn line<'a>(
    servers: impl Iterator<Item = &'a ServerDeclaration>,
    outside: &Outside<'_>,
) -> Result<Arc<Line>, McpError> {
    let mut servers = servers;
    // The platform's certificates are read only if a server needs them: that takes longer than all the rest.
    let secure = servers.any(|server| match &server.place {
        Place::Url { url, .. } => url.scheme() == "https",
        Place::Command { .. } => false,
    });
    let tls =
        baton_http::tls(secure, &outside.extra_roots, false).map_err(McpError::Certificates)?;
    let (names, networks) = (outside.names.clone(), outside.networks.clone());
    Ok(Arc::new(Line::new(names, networks, tls)))
}

/// The link to a server. Nothing is sent or started.
pub(super) fn link(
    server: &ServerDeclaration,
    line: &Arc<Line>,
    outside: &Outside<'_>,
) -> Result<Link, McpError> {
    match &server.place {
        Place::Url {
            url,
            headers,
            allow_private,
        } => {
            let barred =
                literal_address(url).filter(|address| !line.may_reach(*address, *allow_private));
            if let Some(address) = barred {
                let server = server.name.clone();
                return Err(McpError::Address { server, address });
            }
            let takes_secrets = baton_http::may_carry_secrets(url.as_str(), &outside.plain_hosts);
            let of = format!("MCP server {:?}", server.name);
            let headers = Headers::ready(&of, headers, takes_secrets, outside)?;
            Ok(Link::Http(Box::new(Remote::new(Post {
                name: server.name.clone(),
                url: url.clone(),
                headers,
                takes_tokens: takes_secrets,
                allow_private: *allow_private,
                line: line.clone(),
                env: outside.env.clone(),
            }))))
        }
        #[cfg(all(unix, feature = "children"))]
        Place::Command {
            command,
            variables,
            memory_mb,
        } if outside.runs_programs => {
            let program =
                super::child::Program::new(&server.name, command, variables, *memory_mb, outside)?;
            Ok(Link::Child(Box::new(program)))
        }
        Place::Command { .. } => Err(McpError::Command {
            server: server.name.clone(),
        }),
    }
}

/// The server behind HTTP, if it is one.
#[cfg_attr(
    not(all(unix, feature = "children")),
    expect(clippy::unnecessary_wraps, reason = "a program has no address")
)]
pub(super) fn remote(link: &Link) -> Option<&Post> {
    match link {
        Link::Http(remote) => Some(&remote.post),
        #[cfg(all(unix, feature = "children"))]
        Link::Child(_) => None,
    }
}

/// The answer without the secrets that the server was sent.
pub(super) fn without_secrets(
    link: &Link,
    mut answer: Answer,
    token: Option<&HeaderValue>,
) -> Answer {
    let hide = |text: &str| match link {
        Link::Http(remote) => remote.post.headers.without_secrets(text, token),
        #[cfg(all(unix, feature = "children"))]
        Link::Child(program) => program.secrets.hide(text),
    };
    match &mut answer.said {
        Said::Text(text) => *text = hide(text),
        Said::Reply(Reply::Error(error)) => error.message = hide(&error.message),
        Said::Reply(Reply::Result(result)) => {
            let whole = Value::Object(std::mem::take(result));
            if let Value::Object(hidden) = without(whole, &hide) {
                *result = hidden;
            }
        }
    }
    answer
}

/// The value with all of its texts and names changed. It is no deeper than JSON is read.
fn without(value: Value, hide: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(hide(&text)),
        Value::Array(items) => items.into_iter().map(|item| without(item, hide)).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (hide(&name), without(value, hide)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// A server that is not in a team yet.
#[derive(Debug, Clone)]
pub enum Candidate {
    /// At an address, with headers from the environment: name, variable and a text before its value.
    Url(String, Vec<(String, String, String)>),
    /// A program and its arguments.
    Command(Vec<String>),
}

/// The tools of a server, as it defines them now. For a person at a terminal, who may look at private addresses too.
///
/// # Errors
/// A phrase about the server.
pub async fn look_at(
    candidate: &Candidate,
    outside: &Outside<'_>,
    variables: &[String],
) -> Result<Vec<Definition>, String> {
    let place = match candidate {
        Candidate::Url(url, headers) => Place::Url {
            url: Url::parse(url).map_err(|_| "its address cannot be read".to_owned())?,
            headers: headers
                .iter()
                .map(|(name, variable, prefix)| {
                    let (variable, prefix) = (variable.clone(), prefix.clone());
                    (
                        name.clone(),
                        HeaderValueSource::Environment { variable, prefix },
                    )
                })
                .collect(),
            allow_private: true,
        },
        Candidate::Command(command) => Place::Command {
            command: command.clone(),
            variables: variables.to_vec(),
            memory_mb: 4 * 1024,
        },
    };
    let declaration = ServerDeclaration {
        name: "import".to_owned(),
        place,
    };
    let whole = |error: McpError| error.to_string();
    let way = line(std::iter::once(&declaration), outside).map_err(whole)?;
    let link = link(&declaration, &way, outside).map_err(whole)?;
    let env: Arc<dyn Env> = outside.env.clone();
    let server = Server::new(declaration.name, link, Vec::new(), env);
    let listed = server.list(Instant::now() + PATIENCE).await;
    let (definitions, _) = listed.map_err(|failed| failed.reason().to_owned())?;
    Ok(definitions)
}
