//! One operation as a `[[tool]]`: its address, its arguments, its headers, and what of it Baton's own reader says.
//! Knows what a team file can hold; never how it is worded for people.

use baton_handoff::team::Team;
use baton_tools::toolbox::{KINDS, providers};

use super::body::{Wanted, body, is_closed_inside};
use super::document::{Document, Operation};
use super::headers::Header;
use super::names::{is_argument, short, variable};
use super::node::{Map, Node};
use super::parameters::{Parameters, parameters};
use super::schema::Schemas;
use super::toml;

/// A tool is chosen by its description, which a model reads in each request.
const MAX_DESCRIPTION: usize = 400;

/// The methods of a tool.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// What the body of a request is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Arguments,
    Others,
    Form,
}

impl Body {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Arguments => "arguments",
            Self::Others => "others",
            Self::Form => "form",
        }
    }
}

/// A header with a secret: the header, the variable, and the text before it.
pub(super) struct Secret {
    pub(super) header: String,
    pub(super) variable: String,
    pub(super) prefix: &'static str,
}

pub(super) struct Tool {
    pub(super) name: String,
    pub(super) method: String,
    pub(super) description: String,
    pub(super) is_deprecated: bool,
    pub(super) url: String,
    pub(super) body: Body,
    pub(super) schema: Map,
    pub(super) parameters: Parameters,
    pub(super) secrets: Vec<Secret>,
    /// The members of its result, as far as the document names them.
    pub(super) result: Vec<String>,
    /// What a call cannot say, and why.
    pub(super) left_out: Vec<String>,
}

impl Tool {
    /// `server`: in place of the document's. Err completes the sentence "OPERATION: …".
    pub(super) fn of(
        document: &Document,
        operation: &Operation<'_>,
        server: Option<&str>,
    ) -> Result<Self, String> {
        let method = operation.method.as_str();
        if !METHODS.contains(&method) {
            return Err(format!("a tool cannot have the method {method}"));
        }
        let server = match server {
            Some(server) => server.trim_end_matches('/').to_owned(),
            None => document.server(operation)?,
        };
        let mut schemas = Schemas::new(document);
        let body = body(document, operation, &mut schemas)?;
        let is_form = body.as_ref().is_some_and(|wanted| wanted.is_form);
        let (body, media_type) = match body {
            Some(Wanted {
                schema, media_type, ..
            }) => (Some(schema), media_type),
            None => (None, None),
        };
        let no_members = Map::default();
        let members = |body: &'_ Map| body.map("properties").cloned();
        let members = body
            .as_ref()
            .map(|body| members(body).unwrap_or(no_members));
        let mut found = parameters(document, operation, members.as_ref(), &mut schemas)?;
        if let Some(media_type) = media_type {
            found.headers.push(Header {
                name: "Content-Type".to_owned(),
                is_required: true,
                value: Some(media_type),
            });
        }
        let sent = match (&body, found.properties.is_empty()) {
            (None, _) => Body::None,
            (Some(_), true) if is_form => Body::Form,
            (Some(_), true) => Body::Arguments,
            (Some(body), false) if is_closed_inside(body) => {
                return Err(
                    "its body has parts that allow no other argument beside them".to_owned(),
                );
            }
            (Some(_), false) if is_form => Body::Form,
            (Some(_), false) => Body::Others,
        };
        Ok(Self {
            name: operation.name.clone(),
            method: method.to_owned(),
            description: description(operation),
            is_deprecated: operation.node.is_true("deprecated"),
            url: format!("{server}{}", found.target),
            body: sent,
            schema: schema(body, &found),
            secrets: secrets(document, operation)?,
            result: result(document, operation),
            left_out: schemas.left_out,
            parameters: found,
        })
    }

    pub(super) fn is_action(&self) -> bool {
        self.method != "GET"
    }

    /// The arguments, in their order.
    pub(super) fn arguments(&self) -> impl Iterator<Item = (&str, &Map)> {
        let properties = self.schema.map("properties").into_iter();
        let properties = properties.flat_map(Map::iter);
        properties.filter_map(|(name, schema)| Some((name, schema.as_map()?)))
    }

    pub(super) fn is_required(&self, argument: &str) -> bool {
        self.schema.lists("required", argument)
    }
}

/// The members of the body and the parameters, as one object.
fn schema(body: Option<Map>, found: &Parameters) -> Map {
    let mut whole: Map = [("type".to_owned(), Node::text("object"))]
        .into_iter()
        .collect();
    let mut body = body.unwrap_or_else(|| {
        [("additionalProperties".to_owned(), Node::Bool(false))]
            .into_iter()
            .collect()
    });
    let required = found.required.iter().map(Node::text);
    let required: Vec<_> = required
        .chain(body.list("required").iter().cloned())
        .collect();
    body.remove("type");
    body.remove("required");
    let mut properties = found.properties.clone();
    if let Some(Node::Map(members)) = body.remove("properties") {
        for (name, member) in members {
            properties.insert(name, member);
        }
    }
    if !required.is_empty() {
        whole.insert("required", Node::List(required));
    }
    for (keyword, value) in body {
        // A number of members of the body says nothing about body and parameters together.
        let counts = ["minProperties", "maxProperties"].contains(&keyword.as_str());
        if !counts || found.properties.is_empty() {
            whole.insert(keyword, value);
        }
    }
    whole.insert("properties", Node::Map(properties));
    whole
}

fn description(operation: &Operation<'_>) -> String {
    let text = |name| operation.node.text(name).unwrap_or_default().trim();
    let (summary, long) = (text("summary"), text("description"));
    let whole = match (summary, long) {
        ("", "") => return format!("{} {}", operation.method, operation.path),
        ("", one) | (one, "") => one.to_owned(),
        (summary, long) if long.starts_with(summary) => long.to_owned(),
        (summary, long) => format!("{}. {long}", summary.trim_end_matches('.')),
    };
    short(&whole, MAX_DESCRIPTION)
}

fn secrets(document: &Document, operation: &Operation<'_>) -> Result<Vec<Secret>, String> {
    let fits = |scheme: &Map| match scheme.text("type") {
        Some("apiKey") => scheme.text("in") == Some("header"),
        Some("http" | "oauth2" | "openIdConnect") => true,
        _ => false,
    };
    let schemes = document.schemes(operation, fits).map_err(|names| {
        format!("it wants a credential outside of the headers ({names}), where Baton sends none")
    })?;
    let secret = |(name, scheme): (&str, &Map)| {
        let scheme_is = |wanted: &str| {
            let scheme = scheme.text("scheme");
            scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(wanted))
        };
        let variable = variable(name);
        let prefix = match scheme.text("type") {
            Some("apiKey") => "",
            _ if scheme_is("basic") => "Basic ",
            _ => "Bearer ",
        };
        let header = match scheme.text("type") {
            Some("apiKey") => scheme.text("name").unwrap_or("Authorization"),
            _ => "Authorization",
        };
        Secret {
            header: header.to_owned(),
            variable,
            prefix,
        }
    };
    Ok(schemes.into_iter().map(secret).collect())
}

/// The members of the first successful answer that is JSON, not looking into references in alternatives.
fn result(document: &Document, operation: &Operation<'_>) -> Vec<String> {
    let responses = operation.node.map("responses");
    let mut successes = responses.into_iter().flat_map(Map::iter);
    let schema = successes.find_map(|(status, response)| {
        let response = document
            .follow(response)
            .ok()
            .filter(|_| status.starts_with('2'))?;
        let mut content = response.map("content")?.iter();
        let (_, media) = content.find(|(name, _)| name.contains("json") || name.contains('*'))?;
        media.as_map()?.get("schema")
    });
    let mut names = Vec::new();
    if let Some(schema) = schema {
        members(document, schema, 4, &mut names);
    }
    names
}

fn members(document: &Document, schema: &Node, depth: usize, names: &mut Vec<String>) {
    let Ok(schema) = document.follow(schema) else {
        return;
    };
    let properties = schema.map("properties").into_iter().flat_map(Map::iter);
    for (name, _) in properties.filter(|(name, _)| is_argument(name)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    if depth > 0 {
        for part in schema.list("allOf") {
            members(document, part, depth - 1, names);
        }
    }
}

/// Whether Baton's own reader takes a block, as the only tool of a team. Err completes the sentence "OPERATION: …".
pub(super) fn is_taken(name: &str, block: &str) -> Result<(), String> {
    let name = toml::text(name);
    let team = format!(
        "name = \"Import\"\nentry = \"Agent\"\n[[agent]]\nname = \"Agent\"\ninstructions = \"None.\"\ntools = [{name}]\n{block}"
    );
    let read = Team::parse("", &team, &providers(KINDS))
        .and_then(|team| team.compile_all())
        .map_err(|error| error.to_string());
    read.map_err(|error| {
        let sentence =
            error.trim_start_matches(|first: char| first == ':' || first.is_ascii_digit());
        format!("a team file cannot have it: {}", sentence.trim())
    })
}
