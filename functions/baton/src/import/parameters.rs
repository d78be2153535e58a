//! The parameters of an operation: what stands in the path, in the query and in headers, as a team file says it.
//! Knows one operation; never what is printed about it.

use super::body::describe;
use super::document::{Document, Operation};
use super::forms::{may_be, without_null};
use super::headers::{Header, header};
use super::names::plain;
use super::node::{Map, Node};
use super::query::{Lists, query};
use super::schema::{Schemas, Unfit};

/// Where the parameters go.
#[derive(Default)]
pub(super) struct Parameters {
    /// Path and query, with arguments in braces.
    pub(super) target: String,
    /// Whether all other arguments are the query.
    pub(super) is_query: bool,
    pub(super) lists: Option<Lists>,
    pub(super) properties: Map,
    pub(super) required: Vec<String>,
    pub(super) headers: Vec<Header>,
    /// The idempotency header of the document is the one that Baton sends.
    pub(super) has_key: bool,
    /// An idempotency header that has another name.
    pub(super) other_key: Option<String>,
}

/// One parameter as the document has it.
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    place: &'a str,
    pub(super) node: &'a Map,
    pub(super) is_required: bool,
}

/// `body`: the members of the body, none where there is no body. Err completes the sentence "OPERATION: …".
pub(super) fn parameters<'a>(
    document: &'a Document,
    operation: &Operation<'a>,
    body: Option<&Map>,
    schemas: &mut Schemas<'a>,
) -> Result<Parameters, String> {
    let all = declared(document, operation)?;
    let mut found = Parameters::default();
    // Names of the query are the service's own, so those of the path give way.
    let is_query = |one: &&Parameter<'_>| one.place == "query";
    let queries: Vec<_> = all.iter().filter(is_query).map(|one| one.name).collect();
    let members = body.into_iter().flat_map(Map::iter).map(|(name, _)| name);
    let members: Vec<_> = members.collect();
    let taken: Vec<_> = queries.iter().chain(&members).copied().collect();
    // Beside a body the query has no names of its own.
    let others = if body.is_some() { &members } else { &queries };
    path(operation, &all, &taken, &mut found, schemas)?;
    for parameter in &all {
        match parameter.place {
            "query" => query(parameter, body.is_some(), others, &mut found, schemas)?,
            "header" => header(parameter, &mut found, schemas)?,
            "path" => {}
            other => {
                let reason = format!("Baton sends no {other} parameters");
                leave_out(parameter, &reason, schemas)?;
            }
        }
    }
    Ok(found)
}

/// The parameters of the operation, and those of its path that it does not name anew.
fn declared<'a>(
    document: &'a Document,
    operation: &Operation<'a>,
) -> Result<Vec<Parameter<'a>>, String> {
    let mut all: Vec<Parameter<'a>> = Vec::new();
    for node in [operation.item, operation.node]
        .iter()
        .flat_map(|map| map.list("parameters"))
    {
        let node = document.follow(node)?;
        let (Some(name), Some(place)) = (node.text("name"), node.text("in")) else {
            return Err("it has a parameter without a name or a place".to_owned());
        };
        let parameter = Parameter {
            name,
            place,
            node,
            is_required: node.is_true("required") || place == "path",
        };
        match all
            .iter_mut()
            .find(|known| (known.name, known.place) == (name, place))
        {
            Some(known) => *known = parameter,
            None => all.push(parameter),
        }
    }
    Ok(all)
}

/// An optional parameter that cannot be sent is left out; a required one refuses the operation.
pub(super) fn leave_out(
    parameter: &Parameter<'_>,
    reason: &str,
    schemas: &mut Schemas<'_>,
) -> Result<(), String> {
    let (name, place) = (parameter.name, parameter.place);
    if parameter.is_required {
        return Err(format!("it needs {name:?} in its {place}: {reason}"));
    }
    schemas.left_out.push(format!("`{name}`: {reason}"));
    Ok(())
}

/// The schema of a parameter, never null: what is left out is not sent.
pub(super) fn schema<'a>(
    parameter: &Parameter<'a>,
    schemas: &mut Schemas<'a>,
) -> Result<Map, Unfit> {
    if parameter.node.has("content") {
        return Err(Unfit::Part(
            "it is sent as a document of its own".to_owned(),
        ));
    }
    let mut schema = match parameter.node.get("schema") {
        Some(schema) => without_null(schemas.convert(schema, parameter.name)?),
        None => [("type".to_owned(), Node::text("string"))]
            .into_iter()
            .collect(),
    };
    if let Some(text) = parameter.node.text("description") {
        describe(&mut schema, text);
    }
    Ok(schema)
}

fn path<'a>(
    operation: &Operation<'a>,
    all: &[Parameter<'a>],
    taken: &[&str],
    found: &mut Parameters,
    schemas: &mut Schemas<'a>,
) -> Result<(), String> {
    let mut rest = operation.path;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, tail) = after
            .split_once('}')
            .ok_or("its path has a { without a }")?;
        rest = tail;
        found.target.push_str(text);
        let is_it = |one: &&Parameter<'_>| one.place == "path" && one.name == name;
        let schema = match all.iter().find(is_it) {
            Some(parameter) => {
                let style = parameter.node.text("style").unwrap_or("simple");
                let schema = schema(parameter, schemas).map_err(Unfit::reason)?;
                if style != "simple" {
                    let reason = format!("its style {style:?} cannot be sent");
                    return leave_out(parameter, &reason, schemas);
                }
                for other in ["array", "object"] {
                    if may_be(&schema, other) {
                        let reason =
                            format!("it may be an {other}, and Baton sends single values there");
                        return leave_out(parameter, &reason, schemas);
                    }
                }
                schema
            }
            None => [("type".to_owned(), Node::text("string"))]
                .into_iter()
                .collect(),
        };
        let argument = argument(name, "path", taken, found);
        found.add_required(&argument, schema);
        found.target.extend(["{", &argument, "}"]);
    }
    found.target.push_str(rest);
    Ok(())
}

/// A name for braces in the address that no other argument has, and that Baton does not fill itself.
pub(super) fn argument(name: &str, place: &str, taken: &[&str], found: &Parameters) -> String {
    let is_free = |name: &str| {
        name != "turn" && !taken.contains(&name) && !found.properties.has(name) && !name.is_empty()
    };
    let wanted = plain(name);
    let prefixed = plain(&format!("{place}_{wanted}"));
    let numbered = (2..).map(|number| format!("{place}_{number}"));
    let candidates = [wanted, prefixed].into_iter().chain(numbered);
    candidates
        .into_iter()
        .find(|name| is_free(name))
        .unwrap_or_default()
}

impl Parameters {
    pub(super) fn add_required(&mut self, name: &str, schema: Map) {
        self.properties.insert(name, Node::Map(schema));
        self.required.push(name.to_owned());
    }
}
