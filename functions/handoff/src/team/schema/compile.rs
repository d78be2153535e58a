//! From the text of a schema to rules. Knows what each keyword takes; never a value that is checked.

use std::collections::HashMap;

use regex_lite::{Regex, RegexBuilder};
use serde_json::{Map, Number, Value};

use super::format::Format;
use super::{ArrayRule, Kind, Node, NodeId, NumberRule, ObjectRule, Rule, StringRule, Validator};
use crate::team::arguments::canonical;

/// As deep as schemas may be inside of each other. Team files are not deeper either.
const MAX_DEPTH: usize = 128;

/// A compiled pattern, in bytes. Matching takes as long as this times the text.
const MAX_PATTERN_BYTES: usize = 64 * 1024;

/// The one draft that is read.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Say something to people and to models, and nothing about what fits.
const REMARKS: [&str; 8] = [
    "$comment",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];

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
    if has_loop(&nodes) {
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

/// The keywords of one schema, taken one by one.
struct Keywords<'a> {
    /// Where they are: a pointer.
    place: &'a str,
    left: Map<String, Value>,
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
        let mut keywords = Keywords { place, left };
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
        let pointer = percent_decoded(fragment)
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

impl Keywords<'_> {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    fn pointer(&self, tokens: &[&str]) -> String {
        let mut pointer = self.place.to_owned();
        for token in tokens {
            pointer.push('/');
            pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        }
        pointer
    }

    fn mistake(&self, name: &str, what: &str) -> String {
        format!("{} {what}", shown(&self.pointer(&[name])))
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.mistake(name, "must be a string")),
        }
    }

    fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.mistake(name, "must be true or false")),
        }
    }

    fn number(&mut self, name: &str) -> Result<Option<Number>, String> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match canonical(value).as_number() {
            Some(number) => Ok(Some(number.clone())),
            None => Err(self.mistake(name, "must be a number")),
        }
    }

    fn count(&mut self, name: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match canonical(value).as_u64() {
            Some(count) => Ok(Some(count)),
            None => Err(self.mistake(name, "must be a whole number, 0 or more")),
        }
    }

    fn names(&mut self, name: &str) -> Result<Option<Vec<String>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => strings(value)
                .map(Some)
                .ok_or_else(|| self.mistake(name, "must be a list of names")),
        }
    }

    fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(self.mistake(name, "must be an object")),
        }
    }

    fn types(&mut self) -> Result<Option<Vec<Kind>>, String> {
        let Some(value) = self.take("type") else {
            return Ok(None);
        };
        let names = match value.as_str() {
            Some(name) => Some(vec![name.to_owned()]),
            None => strings(value).filter(|names| !names.is_empty()),
        };
        let names =
            names.ok_or_else(|| self.mistake("type", "must be a type or a list of types"))?;
        let kind = |name: &String| {
            Kind::named(name).ok_or_else(|| {
                let known = Kind::ALL.map(Kind::name).join(", ");
                self.mistake("type", &format!("is {name:?}, which is none of {known}"))
            })
        };
        names.iter().map(kind).collect::<Result<_, _>>().map(Some)
    }

    /// What is left must be remarks, or nobody would notice that a keyword is misspelt.
    fn end(&self) -> Result<(), String> {
        let unknown = self
            .left
            .keys()
            .find(|name| !REMARKS.contains(&name.as_str()) && !name.starts_with("x-"));
        match unknown {
            None => Ok(()),
            Some(name) => Err(self.mistake(name, "is a keyword that is not known here")),
        }
    }
}

fn strings(value: Value) -> Option<Vec<String>> {
    let Value::Array(values) = value else {
        return None;
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    values.iter().map(text).collect()
}

fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|error| format!("the pattern {pattern:?} is not a regular expression: {error}"))
}

/// A pointer the way that people write it: `properties.size`.
fn shown(pointer: &str) -> String {
    let path = pointer.trim_start_matches('/').replace('/', ".");
    if path.is_empty() {
        "it".to_owned()
    } else {
        format!("`{}`", path.replace("~1", "/").replace("~0", "~"))
    }
}

/// What `%41` in a reference means.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        if *byte == b'%' {
            let (code, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a schema asks something of the same value again and again. Asking it of a part of the value comes to an end.
fn has_loop(nodes: &[Node]) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Never,
        Above,
        Done,
    }
    fn visit(nodes: &[Node], id: NodeId, seen: &mut [Seen]) -> bool {
        match seen.get_mut(id) {
            None | Some(Seen::Done) => return false,
            Some(Seen::Above) => return true,
            Some(state) => *state = Seen::Above,
        }
        let rules = nodes.get(id).map(Vec::as_slice).unwrap_or_default();
        let found = rules
            .iter()
            .flat_map(of_the_same)
            .any(|id| visit(nodes, id, seen));
        if let Some(state) = seen.get_mut(id) {
            *state = Seen::Done;
        }
        found
    }
    let mut seen = vec![Seen::Never; nodes.len()];
    (0..nodes.len()).any(|id| visit(nodes, id, &mut seen))
}

/// The schemas that a rule applies to the very value that it is about.
fn of_the_same(rule: &Rule) -> Vec<NodeId> {
    match rule {
        Rule::Same(id) | Rule::Not(id) | Rule::Object(ObjectRule::DependentSchema(_, id)) => {
            vec![*id]
        }
        Rule::All(ids) | Rule::Any(ids) | Rule::One(ids) => ids.clone(),
        Rule::If {
            condition,
            then,
            otherwise,
        } => [Some(*condition), *then, *otherwise]
            .into_iter()
            .flatten()
            .collect(),
        Rule::Never
        | Rule::Type(_)
        | Rule::Const(_)
        | Rule::Enum(_)
        | Rule::Number(_)
        | Rule::String(_)
        | Rule::Array(_)
        | Rule::Object(_) => Vec::new(),
    }
}
