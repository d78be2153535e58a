//! A parameter of the query: among all arguments that the address does not name, or by its name in the address.
//! Knows one parameter; never the body.

use super::body::without_default;
use super::forms::{forms, may_be, without_objects};
use super::names::is_argument;
use super::node::{Map, Node};
use super::parameters::{Parameter, Parameters, argument, leave_out, schema};
use super::schema::{Schemas, Unfit};

/// How lists stand in a query: the words of a team file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    Repeat,
    Comma,
}

impl Lists {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Repeat => "repeat",
            Self::Comma => "comma",
        }
    }
}

/// `others`: names that an argument of the address must not have. Err completes the sentence "OPERATION: …".
pub(super) fn query<'a>(
    parameter: &Parameter<'a>,
    has_body: bool,
    others: &[&str],
    found: &mut Parameters,
    schemas: &mut Schemas<'a>,
) -> Result<(), String> {
    let mut schema = match schema(parameter, schemas) {
        Ok(schema) => schema,
        Err(Unfit::Part(reason)) => return leave_out(parameter, &reason, schemas),
        Err(Unfit::Whole(reason)) => return Err(reason),
    };
    if may_be(&schema, "object") {
        let reason = "it may be an object, which a query does not take";
        let narrower = without_objects(&schema).filter(|schema| !may_be(schema, "object"));
        let Some(narrower) = narrower else {
            return leave_out(parameter, reason, schemas);
        };
        let what = format!("an alternative of `{}`: {reason}", parameter.name);
        schemas.left_out.push(what);
        schema = narrower;
    }
    let is_list = may_be(&schema, "array");
    let is_plain = is_argument(parameter.name) && !found.properties.has(parameter.name);
    if !has_body && is_plain {
        if is_list {
            match lists(parameter, &schema, found.lists) {
                Ok(lists) => found.lists = Some(lists),
                Err(reason) => return leave_out(parameter, &reason, schemas),
            }
        }
        found.is_query = true;
        if parameter.is_required {
            found.add_required(parameter.name, schema);
        } else {
            let schema = without_default(&Node::Map(schema));
            found.properties.insert(parameter.name, schema);
        }
        return Ok(());
    }
    // What stands in the address itself is always sent.
    if is_list {
        return leave_out(
            parameter,
            "a list stands in no address beside a body",
            schemas,
        );
    }
    if !parameter.is_required && !schema.has("default") {
        let reason = if has_body {
            "beside a body only what is always sent can be in the query"
        } else {
            "model services take it for no name"
        };
        return leave_out(parameter, reason, schemas);
    }
    let argument = argument(parameter.name, "query", others, found);
    let separator = if found.target.contains('?') { "&" } else { "?" };
    let name = encoded(parameter.name);
    found
        .target
        .extend([separator, &name, "={", &argument, "}"]);
    if schema.has("default") {
        found.properties.insert(argument, Node::Map(schema));
    } else {
        found.add_required(&argument, schema);
    }
    Ok(())
}

/// How a list stands in the query. One operation has one way.
fn lists(parameter: &Parameter<'_>, schema: &Map, known: Option<Lists>) -> Result<Lists, String> {
    let style = parameter.node.text("style").unwrap_or("form");
    if style != "form" {
        return Err(format!("a list of the style {style:?} cannot be sent"));
    }
    for form in forms(schema) {
        let items = form.map("items");
        for other in ["array", "object", "null"] {
            if items.is_some_and(|items| may_be(items, other)) {
                return Err("its items are no single values".to_owned());
            }
        }
    }
    let lists = match parameter.node.get("explode") {
        Some(Node::Bool(false)) => Lists::Comma,
        _ => Lists::Repeat,
    };
    if known.is_some_and(|known| known != lists) {
        return Err("another list of the operation stands in the query in another way".to_owned());
    }
    Ok(lists)
}

/// RFC 3986, section 2.3.
fn encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        plain if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => {
            char::from(plain).to_string()
        }
        other => format!("%{other:02X}"),
    };
    name.bytes().map(encode).collect()
}
