//! From the text of a schema to rules. Knows what each keyword takes; never a value that is checked.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use regex_lite::{Regex, RegexBuilder};
use serde_json::{Map, Number, Value};

use super::endless::is_endless;
use super::format::Format;
use super::keywords::{Keywords, shown, strings};
use super::{ArrayRule, Node, NodeId, NumberRule, ObjectRule, Rule, StringRule, Validator};
use crate::team::arguments::canonical;

/// As deep as schemas may be inside of each other. Team files are not deeper either.
const MAX_DEPTH: usize = 128;

/// A compiled pattern, in bytes. Matching takes as long as this times the text.
const MAX_PATTERN_BYTES: usize = 64 * 1024;

/// The one draft that is read.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

pub(super) fn compile(document: &Value, pointer: &str) -> Result<Validator, String> {
    let mut compiler = Compiler {
        document,
        nodes: Vec::new(),
        known: HashMap::new(),
    };
    let root = compiler.at(pointer, 0)?;
    let nodes: Vec<Node> = compiler
        .nodes
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect();
    if is_endless(&nodes) {
        return Err("it refers to itself without end".into());
    }
    Ok(Validator { nodes, root })
}

struct Compiler<'a> {
    document: &'a Value,
    /// None where a node is being compiled.
    nodes: Vec<Option<Node>>,
    known: HashMap<String, NodeId>,
}

impl Compiler<'_> {
    /// The node of the schema at this pointer. It may be in the making, when a schema refers to itself.
    fn at(&mut self, pointer: &str, depth: usize) -> Result<NodeId, String> {
        if let Some(id) = self.known.get(pointer) {
            return Ok(*id);
        }
        if depth > MAX_DEPTH {
            return Err(format!("it is deeper than {MAX_DEPTH} schemas"));
        }
        let schema = self
            .document
            .pointer(pointer)
            .ok_or_else(|| format!("it has nothing at {}", shown(pointer)))?;
        let id = self.nodes.len();
        self.nodes.push(None);
        self.known.insert(pointer.to_owned(), id);
        let node = match schema {
            Value::Bool(true) => Node::new(),
            Value::Bool(false) => vec![Rule::Never],
            Value::Object(keywords) => self.node(pointer, keywords.clone(), depth + 1)?,
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(format!("{} must be a schema", shown(pointer)));
            }
        };
        if let Some(place) = self.nodes.get_mut(id) {
            *place = Some(node);
        }
        Ok(id)
    }

    fn node(
        &mut self,
        place: &str,
        left: Map<String, Value>,
        depth: usize,
    ) -> Result<Node, String> {
        let mut keywords = Keywords::new(place, left);
        let keywords = &mut keywords;
        let mut rules = Node::new();
        self.of_anything(keywords, depth, &mut rules)?;
        of_numbers(keywords, &mut rules)?;
        of_strings(keywords, &mut rules)?;
        self.of_arrays(keywords, depth, &mut rules)?;
        self.of_objects(keywords, depth, &mut rules)?;
        keywords.end()?;
        Ok(rules)
    }

    fn of_anything(
        &mut self,
        keywords: &mut Keywords<'_>,
        depth: usize,
        rules: &mut Node,
    ) -> Result<(), String> {
        if keywords
            .text("$schema")?
            .is_some_and(|draft| draft != DRAFT)
        {
            return Err(keywords.mistake("$schema", &format!("must be {DRAFT}")));
        }
        // Whoever refers to them finds them; mistakes in the others are told as well.
        self.map(keywords, "$defs", depth)?;
        self.map(keywords, "definitions", depth)?;
        if let Some(types) = keywords.types()? {
            rules.push(Rule::Type(types));
        }
        if let Some(reference) = keywords.text("$ref")? {
            rules.push(Rule::Same(self.refer(&reference, depth)?));
        }
        if let Some(value) = keywords.take("const") {
            rules.push(Rule::Const(canonical(value)));
        }
        if let Some(value) = keywords.take("enum") {
            let Value::Array(values) = value else {
                return Err(keywords.mistake("enum", "must be a list"));
            };
            rules.push(Rule::Enum(values.into_iter().map(canonical).collect()));
        }
        for (name, rule) in [
            ("allOf", Rule::All as fn(Vec<NodeId>) -> Rule),
            ("anyOf", Rule::Any),
            ("oneOf", Rule::One),
        ] {
            if let Some(ids) = self.list(keywords, name, depth)? {
                if ids.is_empty() {
                    return Err(keywords.mistake(name, "must not be empty"));
                }
                rules.push(rule(ids));
            }
        }
        if let Some(id) = self.one(keywords, "not", depth)? {
            rules.push(Rule::Not(id));
        }
        let then = self.one(keywords, "then", depth)?;
        let otherwise = self.one(keywords, "else", depth)?;
        if let Some(condition) = self.one(keywords, "if", depth)? {
            rules.push(Rule::If {
                condition,
                then,
                otherwise,
            });
        }
        Ok(())
    }

    fn of_arrays(
        &mut self,
        keywords: &mut Keywords<'_>,
        depth: usize,
        rules: &mut Node,
    ) -> Result<(), String> {
        push(rules, ArrayRule::MinItems, keywords.count("minItems")?);
        push(rules, ArrayRule::MaxItems, keywords.count("maxItems")?);
        if keywords.flag("uniqueItems")? {
            rules.push(ArrayRule::UniqueItems.into());
        }
        let first = self.list(keywords, "prefixItems", depth)?;
        let rest = self.one(keywords, "items", depth)?;
        if first.is_some() || rest.is_some() {
            let first = first.unwrap_or_default();
            rules.push(ArrayRule::Items { first, rest }.into());
        }
        let (least, most) = (
            keywords.count("minContains")?,
            keywords.count("maxContains")?,
        );
        if let Some(item) = self.one(keywords, "contains", depth)? {
            let least = least.unwrap_or(1);
            rules.push(ArrayRule::Contains { item, least, most }.into());
        }
        Ok(())
    }

    fn of_objects(
        &mut self,
        keywords: &mut Keywords<'_>,
        depth: usize,
        rules: &mut Node,
    ) -> Result<(), String> {
        push(
            rules,
            ObjectRule::MinProperties,
            keywords.count("minProperties")?,
        );
        push(
            rules,
            ObjectRule::MaxProperties,
            keywords.count("maxProperties")?,
        );
        push(rules, ObjectRule::Required, keywords.names("required")?);
        for (name, needs) in keywords.object("dependentRequired")?.into_iter().flatten() {
            let needs = strings(needs)
                .ok_or_else(|| keywords.mistake("dependentRequired", "must have lists of names"))?;
            rules.push(ObjectRule::DependentRequired(name, needs).into());
        }
        for (name, id) in self
            .map(keywords, "dependentSchemas", depth)?
            .into_iter()
            .flatten()
        {
            rules.push(ObjectRule::DependentSchema(name, id).into());
        }
        let named = self.map(keywords, "properties", depth)?;
        let patterns = self.map(keywords, "patternProperties", depth)?;
        let others = self.one(keywords, "additionalProperties", depth)?;
        if named.is_some() || patterns.is_some() || others.is_some() {
            let patterns = patterns.unwrap_or_default().into_iter();
            let rule = ObjectRule::Properties {
                named: named.unwrap_or_default().into_iter().collect(),
                patterns: patterns
                    .map(|(pattern, id)| Ok((regex(&pattern)?, id)))
                    .collect::<Result<_, String>>()?,
                others,
            };
            rules.push(rule.into());
        }
        if let Some(id) = self.one(keywords, "propertyNames", depth)? {
            rules.push(ObjectRule::PropertyNames(id).into());
        }
        Ok(())
    }

    /// A reference to a place of this very document.
    fn refer(&mut self, reference: &str, depth: usize) -> Result<NodeId, String> {
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(format!(
                "it refers to {reference}, and schemas outside of this file are not loaded"
            ));
        };
        let pointer = percent_decode_str(fragment).decode_utf8().ok();
        let pointer = pointer
            .filter(|pointer| pointer.is_empty() || pointer.starts_with('/'))
            .ok_or_else(|| format!("it refers to {reference}, which is not a JSON pointer"))?;
        self.at(&pointer, depth)
    }

    fn one(
        &mut self,
        keywords: &mut Keywords<'_>,
        name: &str,
        depth: usize,
    ) -> Result<Option<NodeId>, String> {
        if keywords.take(name).is_none() {
            return Ok(None);
        }
        self.at(&keywords.pointer(&[name]), depth).map(Some)
    }

    fn list(
        &mut self,
        keywords: &mut Keywords<'_>,
        name: &str,
        depth: usize,
    ) -> Result<Option<Vec<NodeId>>, String> {
        match keywords.take(name) {
            None => Ok(None),
            Some(Value::Array(schemas)) => (0..schemas.len())
                .map(|index| self.at(&keywords.pointer(&[name, &index.to_string()]), depth))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(keywords.mistake(name, "must be a list of schemas")),
        }
    }

    fn map(
        &mut self,
        keywords: &mut Keywords<'_>,
        name: &str,
        depth: usize,
    ) -> Result<Option<Vec<(String, NodeId)>>, String> {
        let Some(schemas) = keywords.object(name)? else {
            return Ok(None);
        };
        schemas
            .into_iter()
            .map(|(member, _)| {
                let id = self.at(&keywords.pointer(&[name, &member]), depth)?;
                Ok((member, id))
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

fn of_numbers(keywords: &mut Keywords<'_>, rules: &mut Node) -> Result<(), String> {
    push(rules, NumberRule::Minimum, keywords.number("minimum")?);
    push(rules, NumberRule::Maximum, keywords.number("maximum")?);
    push(
        rules,
        NumberRule::ExclusiveMinimum,
        keywords.number("exclusiveMinimum")?,
    );
    push(
        rules,
        NumberRule::ExclusiveMaximum,
        keywords.number("exclusiveMaximum")?,
    );
    let multiple = keywords.number("multipleOf")?;
    if multiple
        .as_ref()
        .and_then(Number::as_f64)
        .is_some_and(|number| number <= 0.0)
    {
        return Err(keywords.mistake("multipleOf", "must be more than 0"));
    }
    push(rules, NumberRule::MultipleOf, multiple);
    Ok(())
}

fn of_strings(keywords: &mut Keywords<'_>, rules: &mut Node) -> Result<(), String> {
    push(rules, StringRule::MinLength, keywords.count("minLength")?);
    push(rules, StringRule::MaxLength, keywords.count("maxLength")?);
    if let Some(pattern) = keywords.text("pattern")? {
        rules.push(StringRule::Pattern(regex(&pattern)?).into());
    }
    if let Some(name) = keywords.text("format")? {
        let format = Format::named(&name).ok_or_else(|| {
            let known: Vec<_> = Format::ALL.into_iter().map(Format::name).collect();
            let known = known.join(", ");
            keywords.mistake("format", &format!("is {name:?}, which is none of {known}"))
        })?;
        rules.push(StringRule::Format(format).into());
    }
    Ok(())
}

fn push<T, R: Into<Rule>>(rules: &mut Node, rule: fn(T) -> R, value: Option<T>) {
    rules.extend(value.map(|value| rule(value).into()));
}

fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|error| format!("the pattern {pattern:?} is not a regular expression: {error}"))
}
