//! An OpenAPI document: its version, its operations in their order, its servers, and the places that references lead to.
//! Fetches nothing: a reference leads to a place in the same document or is a reason.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use percent_encoding::percent_decode_str;

use super::names::{Names, plain};
use super::node::{Map, Node};
use super::yaml;

/// GitHub's document, one of the largest, has 13 MB.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// References that lead to references.
const MAX_REFERENCES: usize = 16;

/// The keys of a path that are operations.
const METHODS: [&str; 9] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace", "query",
];

/// The versions differ in what a schema means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 3.0: a dialect of its own.
    V30,
    /// 3.1: JSON Schema 2020-12.
    V31,
}

pub(super) struct Document {
    root: Map,
    pub(super) version: Version,
}

/// One operation of a document.
pub(super) struct Operation<'a> {
    /// In capital letters.
    pub(super) method: String,
    pub(super) path: &'a str,
    pub(super) id: Option<&'a str>,
    /// The name of its tool, unique in the document whichever operations are imported.
    pub(super) name: String,
    pub(super) node: &'a Map,
    /// The path that it is an operation of.
    pub(super) item: &'a Map,
}

impl Operation<'_> {
    /// The operation for people: `GET /pets (listPets)`.
    pub(super) fn title(&self) -> String {
        match self.id {
            Some(id) => format!("{} {} ({id})", self.method, self.path),
            None => format!("{} {}", self.method, self.path),
        }
    }
}

impl Document {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let mut text = String::new();
        let file = File::open(path).with_context(|| format!("{name} cannot be read"))?;
        // Measured while it is read: a pipe has no size.
        file.take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .with_context(|| format!("{name} cannot be read"))?;
        if text.len() as u64 > MAX_BYTES {
            bail!("{name} has more than {} MB", MAX_BYTES / 1024 / 1024);
        }
        Self::read(&text).map_err(|what| anyhow::anyhow!("{name} {what}"))
    }

    /// Err completes the sentence "FILE …".
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let is_json = text.trim_start().starts_with('{');
        let root = if is_json {
            serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?
        } else {
            yaml::read(text).map_err(|what| format!("is not YAML: {what}"))?
        };
        let Node::Map(root) = root else {
            return Err("is not an OpenAPI document: it is no object".to_owned());
        };
        let version = match (root.get("openapi"), root.get("swagger")) {
            // `openapi: 3.1` without quotes is a number.
            (Some(Node::Float(version)), _) => version.to_string(),
            (Some(Node::Text(version)), _) => version.clone(),
            (None, Some(_)) => {
                return Err("is a Swagger 2.0 document; convert it to OpenAPI 3 first".to_owned());
            }
            _ => return Err("is not an OpenAPI document: it has no version `openapi`".to_owned()),
        };
        let version = match version.split('.').take(2).collect::<Vec<_>>().as_slice() {
            ["3", "0"] => Version::V30,
            ["3", "1"] => Version::V31,
            _ => {
                return Err(format!(
                    "is OpenAPI {version}, and 3.0 and 3.1 can be imported"
                ));
            }
        };
        Ok(Self { root, version })
    }

    pub(super) fn title(&self) -> &str {
        let info = self.root.map("info");
        info.and_then(|info| info.text("title")).unwrap_or_default()
    }

    /// All operations, and a sentence for each path that refers elsewhere.
    pub(super) fn operations(&self) -> (Vec<Operation<'_>>, Vec<String>) {
        let (mut operations, mut refused) = (Vec::new(), Vec::new());
        let mut names = Names::default();
        let paths = self.root.map("paths").into_iter().flat_map(Map::iter);
        for (path, item) in paths.filter(|(path, _)| path.starts_with('/')) {
            let item = match self.follow(item) {
                Ok(item) => item,
                Err(reason) => {
                    refused.push(format!("{path}: {reason}"));
                    continue;
                }
            };
            for (method, node) in item.iter() {
                let Some(node) = node.as_map().filter(|_| METHODS.contains(&method)) else {
                    continue;
                };
                let id = node.text("operationId").filter(|id| !id.is_empty());
                let name = match id {
                    Some(id) if !plain(id).is_empty() => names.take(id),
                    _ => names.take(&format!("{method}{path}")),
                };
                operations.push(Operation {
                    method: method.to_ascii_uppercase(),
                    path,
                    id,
                    name,
                    node,
                    item,
                });
            }
        }
        (operations, refused)
    }

    /// The place that a reference leads to: RFC 6901, in a fragment of an address.
    pub(super) fn find(&self, reference: &str) -> Result<&Node, String> {
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(format!(
                "it refers to {reference:?}, and what is outside of the document is not loaded"
            ));
        };
        let nowhere = || format!("it refers to {reference:?}, which is no place in the document");
        let pointer = percent_decode_str(pointer).decode_utf8_lossy();
        let mut tokens = pointer.strip_prefix('/').ok_or_else(nowhere)?.split('/');
        let first = tokens.next().unwrap_or_default();
        let mut found = self.root.get(&token(first)).ok_or_else(nowhere)?;
        for next in tokens.map(token) {
            let inside = match found {
                Node::Map(map) => map.get(&next),
                Node::List(items) => next.parse().ok().and_then(|at: usize| items.get(at)),
                Node::Null | Node::Bool(_) | Node::Integer(_) | Node::Float(_) | Node::Text(_) => {
                    None
                }
            };
            found = inside.ok_or_else(nowhere)?;
        }
        Ok(found)
    }

    /// An object, or the one that it refers to. What stands beside a reference is not read.
    pub(super) fn follow<'a>(&'a self, mut node: &'a Node) -> Result<&'a Map, String> {
        for _ in 0..MAX_REFERENCES {
            let map = node.as_map().ok_or("it has a part that is no object")?;
            match map.text("$ref") {
                Some(reference) => node = self.find(reference)?,
                None => return Ok(map),
            }
        }
        Err("it has a reference that leads to itself".to_owned())
    }

    /// The first server of an operation, without a slash at its end.
    pub(super) fn server(&self, operation: &Operation<'_>) -> Result<String, String> {
        let places = [operation.node, operation.item, &self.root];
        let servers = places.iter().map(|place| place.list("servers"));
        let first = servers.into_iter().find_map(<[Node]>::first);
        let server = first.and_then(Node::as_map);
        let url = server
            .and_then(|server| server.text("url"))
            .ok_or("the document names no server; name one with --server")?;
        let mut filled = url.to_owned();
        let variables = server.and_then(|server| server.map("variables"));
        for (name, variable) in variables.into_iter().flat_map(Map::iter) {
            let value = variable
                .as_map()
                .and_then(|variable| variable.text("default"));
            if let Some(value) = value {
                filled = filled.replace(&format!("{{{name}}}"), value);
            }
        }
        check_server(&filled).map_err(|what| {
            format!("the server {url:?} of the document {what}; name one with --server")
        })?;
        Ok(filled.trim_end_matches('/').to_owned())
    }

    /// The schemes of the security that an operation wants: the first choice that `fits`. None: nothing is wanted. Err: the choices.
    pub(super) fn schemes(
        &self,
        operation: &Operation<'_>,
        fits: impl Fn(&Map) -> bool,
    ) -> Result<Vec<(&str, &Map)>, String> {
        let own = operation.node.get("security");
        let choices = own.or_else(|| self.root.get("security"));
        let choices = choices.map_or(&[][..], Node::items);
        let known = self.root.map("components");
        let known = known.and_then(|components| components.map("securitySchemes"));
        let mut others = Vec::new();
        for choice in choices.iter().filter_map(Node::as_map) {
            let schemes: Vec<_> = choice
                .iter()
                .filter_map(|(name, _)| {
                    let (name, node) = known?.iter().find(|(known, _)| *known == name)?;
                    Some((name, self.follow(node).ok()?))
                })
                .collect();
            if schemes.iter().all(|(_, scheme)| fits(scheme)) {
                return Ok(schemes);
            }
            others.extend(schemes.into_iter().map(|(name, _)| name));
        }
        if others.is_empty() {
            Ok(Vec::new())
        } else {
            Err(others.join(", "))
        }
    }
}

fn token(text: &str) -> String {
    text.replace("~1", "/").replace("~0", "~")
}

/// Err completes the sentence "the server …". The reader of team files has the last word.
pub(super) fn check_server(url: &str) -> Result<(), String> {
    let host = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    match host {
        None => Err("does not begin with https:// or http://".to_owned()),
        Some(host) if host.starts_with('/') || host.is_empty() => Err("has no host".to_owned()),
        Some(host) if host.contains(['{', '}']) => {
            Err("has a variable without a default".to_owned())
        }
        Some(host) if host.contains(['?', '#', '@']) => {
            Err("has a query, a fragment or a user".to_owned())
        }
        Some(_) => Ok(()),
    }
}
