//! The types and the alternatives of a schema: what may fit it, and the same schema wider or narrower.
//! Knows JSON Schema without references; never another dialect.

use super::dialect::is_annotation;
use super::node::{Map, Node};

/// The types that a schema names.
pub(super) fn types(schema: &Map) -> Vec<Node> {
    match schema.get("type") {
        Some(Node::List(types)) => types.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    }
}

/// Whether the value has a type, and is one of the values, that the schema names.
pub(super) fn may_have(schema: &Map, value: &Node) -> bool {
    let name = value.type_name();
    let types = types(schema);
    let has_type = |one: &Node| {
        let one = one.as_text();
        one == Some(name) || (name == "integer" && one == Some("number"))
    };
    let values = schema.list("enum");
    (types.is_empty() || types.iter().any(has_type))
        && (values.is_empty() || values.contains(value))
}

/// The same schema, and null fits too.
pub(super) fn allow_null(mut schema: Map) -> Map {
    let null = || Node::text("null");
    let is_narrow = ["enum", "const"].iter().any(|keyword| schema.has(keyword));
    if !is_narrow && schema.has("type") {
        let mut types = types(&schema);
        if !types.contains(&null()) {
            types.push(null());
        }
        schema.insert("type", Node::List(types));
        return schema;
    }
    let (annotations, constraints): (Vec<_>, Vec<_>) = schema
        .into_iter()
        .partition(|(keyword, _)| is_annotation(keyword));
    let mut whole: Map = annotations.into_iter().collect();
    let constraints: Map = constraints.into_iter().collect();
    if constraints.is_empty() {
        return whole;
    }
    let null = [("type".to_owned(), null())].into_iter().collect();
    let mut forms = vec![Node::Map(without_null(constraints)), Node::Map(null)];
    // Alternatives stay one list.
    if let [Node::Map(first), null] = forms.as_slice()
        && let Some(Node::List(inner)) = first.get("anyOf")
        && first.iter().count() == 1
    {
        forms = inner.iter().chain([null]).cloned().collect();
    }
    whole.insert("anyOf", Node::List(forms));
    whole
}

/// The same schema without null, where types or alternatives name it.
pub(super) fn without_null(mut schema: Map) -> Map {
    let null = Node::text("null");
    if let Some(Node::List(types)) = schema.get("type") {
        let others: Vec<_> = types.iter().filter(|one| **one != null).cloned().collect();
        match others.as_slice() {
            [] => {}
            [one] => {
                let one = one.clone();
                schema.insert("type", one);
            }
            _ => schema.insert("type", Node::List(others)),
        }
    }
    for keyword in ["anyOf", "oneOf"] {
        let is_null = |form: &Node| {
            form.as_map()
                .is_some_and(|form| form.get("type") == Some(&null))
        };
        let forms: Vec<_> = schema
            .list(keyword)
            .iter()
            .filter(|form| !is_null(form))
            .cloned()
            .collect();
        match forms.as_slice() {
            [] => {}
            [Node::Map(one)] if one.iter().all(|(name, _)| !schema.has(name)) => {
                let one = one.clone();
                schema.remove(keyword);
                for (name, value) in one {
                    schema.insert(name, value);
                }
            }
            _ => schema.insert(keyword, Node::List(forms)),
        }
    }
    schema
}

/// The same schema without the alternatives that are objects, where others remain.
pub(super) fn without_objects(schema: &Map) -> Option<Map> {
    let is_other = |form: &&Node| form.as_map().is_some_and(|form| !may_be(form, "object"));
    ["anyOf", "oneOf"].iter().find_map(|keyword| {
        let forms = schema.list(keyword);
        let others: Vec<_> = forms.iter().filter(is_other).cloned().collect();
        let mut narrower = schema.clone();
        (!others.is_empty() && others.len() < forms.len()).then(|| {
            narrower.insert(*keyword, Node::List(others));
            without_null(narrower)
        })
    })
}

/// Whether a value of this type may fit, as far as types, values and alternatives name it.
pub(super) fn may_be(schema: &Map, wanted: &str) -> bool {
    let is_wanted = |name: &Node| name.as_text() == Some(wanted);
    let types = types(schema);
    if !types.is_empty() {
        return types.iter().any(is_wanted);
    }
    let mut forms = ["anyOf", "oneOf", "allOf"]
        .iter()
        .flat_map(|keyword| schema.list(keyword));
    forms.any(|form| form.as_map().is_some_and(|form| may_be(form, wanted)))
        || (wanted == "object" && schema.has("properties"))
        || (wanted == "array" && schema.has("items"))
}

/// A schema and all that it consists of.
pub(super) fn forms(schema: &Map) -> Vec<&Map> {
    let keywords = ["anyOf", "oneOf", "allOf"];
    let inner = keywords.iter().flat_map(|keyword| schema.list(keyword));
    let inner = inner.filter_map(Node::as_map).flat_map(forms);
    std::iter::once(schema).chain(inner).collect()
}
