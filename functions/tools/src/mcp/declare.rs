//! Reads and checks the declarations of servers and of the tools that they run.
//! Knows names, addresses as texts and hashes; never a socket, a process or the value of an environment variable.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use baton_handoff::team::{
    Declared, Draft, Located, Provider, Retries, Tables, Tool, ToolKind, in_range,
};
use reqwest::Url;
use toml::Spanned;

use super::file::{CallFile, ErrorsFile, KeyFile, ServerFile};
use super::verdict::Errors;
use crate::outgoing::headers::{self, HeaderValueSource, is_variable};
use crate::outgoing::keys::Keys;

/// What a program may take, in MB.
const MEMORY_MB: (i64, i64) = (32, 64 * 1024);

const DEFAULT_MEMORY_MB: u64 = 1024;

/// Headers of the protocol's own.
const PROTOCOL_HEADERS: &[&str] = &["accept", "content-type", "last-event-id"];

/// Declares the tools with a section `[tool.mcp]`, whose servers have tables `[[mcp]]`.
#[derive(Debug, Clone, Copy)]
pub struct McpProvider;

/// A server, as declared in the team file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerDeclaration {
    pub(super) name: String,
    pub(super) place: Place,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Url {
        url: Url,
        headers: Vec<(String, HeaderValueSource)>,
        allow_private: bool,
    },
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// The variables that it gets of ours.
        variables: Vec<String>,
        memory_mb: u64,
    },
}

/// A tool of a server, as declared in the team file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct McpCall {
    pub(super) server: Arc<ServerDeclaration>,
    /// The tool's name at the server.
    pub(super) name: String,
    /// The hash of the definition that was agreed to.
    pub(super) pinned: String,
    pub(super) key: Option<KeyPlace>,
    pub(super) errors: Errors,
}

/// Where the idempotency key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyPlace {
    Argument(String),
    Meta(String),
}

impl Provider for McpProvider {
    fn name(&self) -> &'static str {
        "mcp"
    }

    fn section(&self) -> Option<&'static str> {
        Some("mcp")
    }

    fn noun(&self) -> &'static str {
        "the MCP server"
    }

    fn tables(&self) -> Option<&'static str> {
        Some("mcp")
    }

    fn declare(&self, draft: &Draft<'_>) -> Result<Declared, Located> {
        let file: CallFile = draft.read()?;
        let servers = servers(draft.read_tables()?)?;
        let wanted = file.server.get_ref();
        let found = servers
            .into_iter()
            .find(|(server, _)| server.name == *wanted);
        let (server, _) = found.ok_or_else(|| {
            let sentence = format!(
                "tool {:?} is of the MCP server {wanted:?}, and no [[mcp]] has that name",
                draft.name
            );
            Located::new(sentence, file.server.span())
        })?;
        let retries = retries(draft, &file)?;
        let key = file.key.map(|key| key_place(draft, &key)).transpose()?;
        let errors = file.errors.map(Spanned::into_inner);
        Ok(Declared {
            retries,
            config: Arc::new(McpCall {
                server: Arc::new(server),
                name: file
                    .tool
                    .map_or_else(|| draft.name.to_owned(), Spanned::into_inner),
                pinned: pinned(draft.name, &file.pinned)?,
                key,
                errors: match errors.unwrap_or(ErrorsFile::Unclear) {
                    ErrorsFile::Unclear => Errors::Unclear,
                    ErrorsFile::Refusals => Errors::Refusals,
                },
            }),
            prices: false,
        })
    }

    /// Every server is used, as every tool is.
    fn check_tables(&self, tables: &Tables<'_>, tools: &[Arc<Tool>]) -> Result<(), Located> {
        let servers = servers(tables.read()?)?;
        let calls = || {
            tools
                .iter()
                .filter_map(|tool| tool.runs.config::<McpCall>())
        };
        let is_unused =
            |server: &ServerDeclaration| !calls().any(|call| call.server.name == server.name);
        match servers.iter().find(|(server, _)| is_unused(server)) {
            Some((server, at)) => {
                let sentence = format!("no tool is of the MCP server {:?}", server.name);
                Err(Located::new(sentence, at.clone()))
            }
            None => Ok(()),
        }
    }
}

fn servers(files: Vec<ServerFile>) -> Result<Vec<(ServerDeclaration, Range<usize>)>, Located> {
    let mut names = BTreeSet::new();
    let mut servers = Vec::with_capacity(files.len());
    for file in files {
        let at = file.name.span();
        let server = server(file)?;
        if !names.insert(server.name.clone()) {
            let sentence = format!("MCP server {:?} is there twice", server.name);
            return Err(Located::new(sentence, at));
        }
        servers.push((server, at));
    }
    Ok(servers)
}

fn server(file: ServerFile) -> Result<ServerDeclaration, Located> {
    let at = file.name.span();
    let name = file.name.into_inner();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
        let sentence = format!(
            "the name {name:?} of an MCP server is not 1 to 64 letters, digits, `_` and `-`"
        );
        return Err(Located::new(sentence, at));
    }
    let only = |key: &str, other: &str, at: Range<usize>| {
        let sentence = format!("MCP server {name:?} has {key}, which goes with {other} only");
        Located::new(sentence, at)
    };
    let place = match (file.url, file.command) {
        (Some(url), None) => {
            if let Some(env) = file.env.first() {
                return Err(only("env", "command", env.span()));
            }
            if let Some(memory) = &file.memory_mb {
                return Err(only("memory_mb", "command", memory.span()));
            }
            Place::Url {
                headers: server_headers(&name, file.headers)?,
                url: address(&name, &url)?,
                allow_private: file.allow_private.is_some_and(Spanned::into_inner),
            }
        }
        (None, Some(command)) => {
            if let Some(header) = file.headers.values().next() {
                return Err(only("headers", "url", header.span()));
            }
            if let Some(allow) = &file.allow_private {
                return Err(only("allow_private", "url", allow.span()));
            }
            let at = command.span();
            let command = command.into_inner();
            if command.first().is_none_or(String::is_empty) {
                let sentence = format!("the command of MCP server {name:?} names no program");
                return Err(Located::new(sentence, at));
            }
            if let Some(bad) = file.env.iter().find(|it| !is_variable(it.get_ref())) {
                let sentence = format!(
                    "env of MCP server {name:?} names a variable that is not made of letters, digits and _"
                );
                return Err(Located::new(sentence, bad.span()));
            }
            let memory = in_range("memory_mb", file.memory_mb, MEMORY_MB)?;
            Place::Command {
                command,
                variables: file.env.into_iter().map(Spanned::into_inner).collect(),
                memory_mb: memory.unwrap_or(DEFAULT_MEMORY_MB),
            }
        }
        (Some(_), Some(command)) => {
            let sentence = format!("MCP server {name:?} has url and command; it is at one place");
            return Err(Located::new(sentence, command.span()));
        }
        (None, None) => {
            let sentence = format!("MCP server {name:?} needs url, or command on a local server");
            return Err(Located::new(sentence, at));
        }
    };
    Ok(ServerDeclaration { name, place })
}

fn address(server: &str, file: &Spanned<String>) -> Result<Url, Located> {
    let bad = |what: &str| {
        let sentence = format!("the URL of MCP server {server:?} {what}");
        Located::new(sentence, file.span())
    };
    let text = file.get_ref();
    if text.contains(['{', '}']) {
        return Err(bad(
            "is one address for all calls, without a place to fill in",
        ));
    }
    let url = Url::parse(text).map_err(|_| bad("cannot be read"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err(bad("must begin with https:// or http://, and have a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            "must not hold a user or password; use a header from the environment",
        ));
    }
    if url.fragment().is_some() {
        return Err(bad("must not have a fragment (`#`), which is never sent"));
    }
    Ok(url)
}

/// One session may serve several customers, so no header is about one of them.
fn server_headers(
    server: &str,
    files: std::collections::BTreeMap<String, Spanned<headers::HeaderFile>>,
) -> Result<Vec<(String, HeaderValueSource)>, Located> {
    let of = format!("MCP server {server:?}");
    let places: Vec<_> = files
        .iter()
        .map(|(name, file)| (name.clone(), file.span()))
        .collect();
    let declared = headers::declare(&of, files)?;
    for (name, source) in &declared {
        let at = places.iter().find(|(known, _)| known == name);
        let at = at.map(|(_, at)| at.clone()).unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        if PROTOCOL_HEADERS.contains(&lower.as_str()) || lower.starts_with("mcp-") {
            let sentence = format!("header {name:?} of {of} is set by Baton itself");
            return Err(Located::new(sentence, at));
        }
        if matches!(source, HeaderValueSource::Template(_)) {
            let sentence = format!(
                "header {name:?} of {of} is the same in all calls, so it says nothing of a customer; \
                 the server finds that in Baton-Token"
            );
            return Err(Located::new(sentence, at));
        }
    }
    Ok(declared)
}

fn pinned(tool: &str, file: &Spanned<String>) -> Result<String, Located> {
    let is_hash = |hash: &str| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        hash.len() == 64 && hash.bytes().all(is_digit)
    };
    if file.get_ref().strip_prefix("sha256:").is_some_and(is_hash) {
        return Ok(file.get_ref().clone());
    }
    let sentence = format!(
        "pinned of tool {tool:?} is not sha256: and 64 digits, as `baton import mcp` writes it"
    );
    Err(Located::new(sentence, file.span()))
}

fn key_place(draft: &Draft<'_>, file: &Spanned<KeyFile>) -> Result<KeyPlace, Located> {
    let tool = draft.name;
    let bad = |what: String| Located::new(format!("key of tool {tool:?} {what}"), file.span());
    match file.get_ref().clone() {
        KeyFile {
            argument: Some(argument),
            meta: None,
        } if !argument.is_empty() => {
            if draft.has_parameter(&argument) {
                return Err(bad(format!(
                    "is the argument {argument:?}, which is also a parameter, and so the model's; take it out of the parameters"
                )));
            }
            Ok(KeyPlace::Argument(argument))
        }
        KeyFile {
            argument: None,
            meta: Some(meta),
        } if !meta.is_empty() => {
            if meta == "traceparent" || meta.starts_with("io.modelcontextprotocol/") {
                return Err(bad(format!("is {meta:?}, which the protocol itself uses")));
            }
            Ok(KeyPlace::Meta(meta))
        }
        _ => Err(bad(
            r#"is { argument = "NAME" } or { meta = "NAME" }"#.to_owned()
        )),
    }
}

fn retries(draft: &Draft<'_>, file: &CallFile) -> Result<Retries, Located> {
    if let (ToolKind::Lookup, Some(errors)) = (draft.kind, &file.errors) {
        return Err(draft.for_actions_only("errors", errors.span()));
    }
    Keys {
        honoured: file.key.is_some(),
        said: file.key.as_ref().map(|key| ("key", key.span())),
        noun: "a key",
        life: file.key_life_minutes.as_ref(),
        remembers: file.key_remembers.as_ref(),
    }
    .retries(draft)
}
