//! The body of a request as the arguments of a tool: one JSON object, whose members stand beside the parameters.
//! Knows schemas only; never where parameters go.

use super::dialect::{add_to_description, described};
use super::document::{Document, Operation};
use super::forms::{may_be, without_null};
use super::names::is_argument;
use super::node::{Map, Node};
use super::schema::{Schemas, Unfit};
use super::toml;

/// The keywords of a part that can be told as members of the whole.
const MERGED: [&str; 6] = [
    "type",
    "title",
    "description",
    "examples",
    "default",
    "deprecated",
];

/// The body that an operation wants.
pub(super) struct Wanted {
    /// The schema of an object.
    pub(super) schema: Map,
    /// Where it is not the usual one.
    pub(super) media_type: Option<String>,
    /// Whether it is sent as a form.
    pub(super) is_form: bool,
}

/// None where an operation wants no body. Err completes the sentence "OPERATION: …".
pub(super) fn body<'a>(
    document: &'a Document,
    operation: &Operation<'a>,
    schemas: &mut Schemas<'a>,
) -> Result<Option<Wanted>, String> {
    let Some(body) = operation.node.get("requestBody") else {
        return Ok(None);
    };
    let body = document.follow(body)?;
    let wanted = if operation.method == "GET" {
        Err("it has a body with GET, which Baton does not send".to_owned())
    } else {
        wanted(body, schemas)
    };
    let is_usual = !["GET", "DELETE"].contains(&operation.method.as_str());
    match wanted {
        Err(reason) if is_usual || body.is_true("required") => Err(reason),
        Err(_) if is_empty(body) => Ok(None),
        Err(reason) => {
            schemas.left_out.push(format!("the body: {reason}"));
            Ok(None)
        }
        Ok(wanted) => Ok(Some(wanted)),
    }
}

fn wanted<'a>(body: &'a Map, schemas: &mut Schemas<'a>) -> Result<Wanted, String> {
    let content = body.map("content").into_iter().flat_map(Map::iter);
    let content: Vec<_> = content.collect();
    let is = |known: &'static [&str]| {
        let mut content = content.iter();
        content.find(|(name, _)| known.contains(&plain(name).as_str()))
    };
    let usual = is(&["application/json"]).or_else(|| is(&["application/*", "*/*"]));
    // A JSON Patch is a list, whatever its schema says.
    let is_json = |name: &str| name.ends_with("+json") && !name.contains("json-patch");
    let json = || content.iter().find(|(name, _)| is_json(&plain(name)));
    let form = || is(&["application/x-www-form-urlencoded"]);
    let is_form = usual.or_else(json).is_none();
    let Some((name, media)) = usual.or_else(json).or_else(form) else {
        let names = content.iter().map(|(name, _)| *name);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        return Err(if names.is_empty() {
            "its body is not described".to_owned()
        } else {
            format!(
                "its body is {}, and Baton sends JSON and forms",
                names.join(" or ")
            )
        });
    };
    let schema = media.as_map().and_then(|media| media.get("schema"));
    let schema = schema.ok_or("its body has no schema")?;
    Ok(Wanted {
        schema: object(schema, schemas)?,
        media_type: (usual.is_none() && !is_form).then(|| (*name).to_owned()),
        is_form,
    })
}

/// A media type without its parameters.
fn plain(name: &str) -> String {
    let name = name.split(';').next().unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

/// Whether the document describes a body that has nothing in it.
fn is_empty(body: &Map) -> bool {
    let mut content = body.map("content").into_iter().flat_map(Map::iter);
    content.all(|(_, media)| {
        let schema = media.as_map().and_then(|media| media.map("schema"));
        let members = schema.and_then(|schema| schema.map("properties"));
        members.is_some_and(Map::is_empty)
    })
}

fn object<'a>(schema: &'a Node, schemas: &mut Schemas<'a>) -> Result<Map, String> {
    let whole = schemas.convert(schema, "").map_err(Unfit::reason)?;
    let mut whole = merged(without_null(whole));
    let is_object = may_be(&whole, "object") || (!whole.has("type") && !whole.has("enum"));
    if !is_object {
        let name = whole
            .get("type")
            .map_or("value", |_| "list or a single value");
        return Err(format!("its body is a {name}, and Baton sends an object"));
    }
    for other in ["array", "string", "number", "integer", "boolean"] {
        if !whole.has("type") && may_be(&whole, other) {
            return Err(format!("its body may be no object but of type {other}"));
        }
    }
    whole.insert("type", Node::text("object"));
    for gone in ["title", "description", "examples", "default", "deprecated"] {
        whole.remove(gone);
    }
    let mut members = Map::default();
    let properties = whole.remove("properties");
    for (name, member) in properties
        .as_ref()
        .and_then(Node::as_map)
        .into_iter()
        .flat_map(Map::iter)
    {
        let is_required = whole.lists("required", name);
        if is_argument(name) {
            members.insert(name, without_default(member));
        } else if is_required {
            return Err(format!(
                "its body needs {name:?}, which model services take for no name"
            ));
        } else {
            schemas
                .left_out
                .push(format!("`{name}`: model services take it for no name"));
        }
    }
    let mut required = Vec::new();
    for name in whole.list("required").iter().filter_map(Node::as_text) {
        let is_there = members.has(name);
        let was_left_out = |left: &&String| left.starts_with(&format!("`{name}`"));
        if let Some(left) = schemas
            .left_out
            .iter()
            .find(|left| !is_there && was_left_out(left))
        {
            return Err(left.clone());
        }
        if is_there || !schemas.read_only.iter().any(|gone| gone == name) {
            required.push(Node::text(name));
        }
    }
    whole.remove("required");
    if !required.is_empty() {
        whole.insert("required", Node::List(required));
    }
    // A model invents members where it may.
    let is_whole = (whole.list("required").iter())
        .all(|name| name.as_text().is_some_and(|name| members.has(name)));
    let has_forms = ["anyOf", "oneOf", "allOf", "patternProperties", "if"]
        .iter()
        .any(|keyword| whole.has(keyword));
    if !whole.has("additionalProperties") && !has_forms && !members.is_empty() && is_whole {
        whole.insert("additionalProperties", Node::Bool(false));
    }
    whole.insert("properties", Node::Map(members));
    Ok(whole)
}

/// Baton would fill a default in and send it: with PATCH, a change that nobody asked for.
pub(super) fn without_default(member: &Node) -> Node {
    let Node::Map(member) = member else {
        return member.clone();
    };
    let mut member = member.clone();
    let description = member.text("description").unwrap_or_default();
    let is_told = description.to_lowercase().contains("default");
    if let Some(default) = member.remove("default")
        && !is_told
        && let Ok(text) = toml::value(&default)
        && text.len() <= 60
    {
        add_to_description(&mut member, &format!("Default: {text}."));
    }
    Node::Map(member)
}

/// An object whose parts (`allOf`) are plain objects, as one object.
fn merged(mut whole: Map) -> Map {
    let Some(Node::List(parts)) = whole.get("allOf").cloned() else {
        return whole;
    };
    let parts = parts.iter().filter_map(Node::as_map).cloned();
    let parts: Vec<Map> = parts.map(merged).collect();
    let is_open = |value: &Node| *value != Node::Bool(false);
    let is_plain = |part: &Map| {
        part.iter().all(|(keyword, value)| match keyword {
            "properties" | "required" => true,
            "additionalProperties" => is_open(value) && value.as_map().is_none_or(Map::is_empty),
            other => MERGED.contains(&other),
        })
    };
    if !parts.iter().all(is_plain)
        || whole
            .get("additionalProperties")
            .is_some_and(|own| !is_open(own))
    {
        return whole;
    }
    whole.remove("allOf");
    let own_properties = whole.remove("properties");
    let own_required = whole.remove("required");
    let own = [("properties", own_properties), ("required", own_required)];
    let own: Map = own
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    let mut properties = Map::default();
    let mut required: Vec<Node> = Vec::new();
    for part in parts.iter().chain([&own]) {
        for (name, member) in part.map("properties").into_iter().flat_map(Map::iter) {
            let member = match properties.get(name) {
                Some(known) if known != member => {
                    let both = vec![known.clone(), member.clone()];
                    let both = [("allOf".to_owned(), Node::List(both))]
                        .into_iter()
                        .collect();
                    Node::Map(both)
                }
                _ => member.clone(),
            };
            properties.insert(name, member);
        }
        for name in part.list("required") {
            if !required.contains(name) {
                required.push(name.clone());
            }
        }
    }
    whole.insert("type", Node::text("object"));
    whole.insert("properties", Node::Map(properties));
    if !required.is_empty() {
        whole.insert("required", Node::List(required));
    }
    whole
}

/// Whether alternatives or parts of an object allow no members but their own.
pub(super) fn is_closed_inside(whole: &Map) -> bool {
    let mut parts = ["allOf", "anyOf", "oneOf"]
        .iter()
        .flat_map(|keyword| whole.list(keyword));
    parts.any(|part| {
        part.as_map().is_some_and(|part| {
            let closed = ["additionalProperties", "unevaluatedProperties"];
            closed
                .iter()
                .any(|keyword| part.has(keyword) && !part.is_true(keyword))
                || is_closed_inside(part)
        })
    })
}

/// The description of a parameter stands beside its schema, and says more.
pub(super) fn describe(schema: &mut Map, text: &str) {
    if let Some(Node::Text(text)) = described(text).remove("description")
        && !text.is_empty()
    {
        schema.insert("description", Node::Text(text));
    }
}
