//! A value against the rules. Knows values and how to complain about them; never how rules are written down.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt::{self, Write as _};

use serde_json::{Map, Number, Value};

use super::{ArrayRule, Kind, Node, NodeId, NumberRule, ObjectRule, Rule, StringRule, number};

/// As many complaints as a model can put right in one go.
const MAX_COMPLAINTS: usize = 3;

/// Model-made names are repeated to the model, so they must not be long.
const MAX_NAME_CHARS: usize = 64;

/// Nodes that are visited for one value. A schema may ask for more than any value is worth: alternatives inside of
/// alternatives double with each level.
const MAX_VISITS: u32 = 100_000;

/// As many comparisons, or bytes of a pattern's text, take as long as visiting a node.
const PARTS_A_VISIT: usize = 16;

/// Nodes inside of each other, each a few frames of the stack.
const MAX_DEPTH: u32 = 500;

pub(super) struct Checker<'a> {
    nodes: &'a [Node],
    whole: &'a str,
    path: Vec<Step<'a>>,
    complaints: Vec<String>,
    further: usize,
    /// Above 0 somebody asks whether it fits, and not why it does not.
    quiet: u32,
    visits: u32,
    depth: u32,
}

/// Values as JSON, written only where somebody reads it.
struct List<'a>(&'a [Value]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, value) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{value}")?;
        }
        f.write_str("]")
    }
}

enum Step<'a> {
    Item(usize),
    Member(&'a str),
}

impl<'a> Checker<'a> {
    pub(super) fn new(nodes: &'a [Node], whole: &'a str) -> Self {
        Self {
            nodes,
            whole,
            path: Vec::new(),
            complaints: Vec::new(),
            further: 0,
            quiet: 0,
            visits: 0,
            depth: 0,
        }
    }

    /// The value is canonical, as the schema's own values are: numbers are spelt one way.
    pub(super) fn check(mut self, root: NodeId, value: &'a Value) -> Result<(), String> {
        let fits = self.node(root, value);
        if self.is_exhausted() {
            return Err(format!("{} is too intricate to be checked", self.whole));
        }
        if fits {
            return Ok(());
        }
        if self.further > 0 {
            self.complaints.push(format!("and {} more", self.further));
        }
        Err(self.complaints.join("; "))
    }

    /// For what a rule does by itself with so many values or bytes.
    fn spend(&mut self, parts: usize) {
        let visits = u32::try_from(parts / PARTS_A_VISIT).unwrap_or(u32::MAX);
        self.visits = self.visits.saturating_add(visits);
    }

    fn is_exhausted(&self) -> bool {
        self.visits > MAX_VISITS || self.depth > MAX_DEPTH
    }

    fn node(&mut self, id: NodeId, value: &'a Value) -> bool {
        self.visits += 1;
        self.depth += 1;
        if self.is_exhausted() {
            // The depth stays, so that everybody above sees it and ends too.
            return false;
        }
        let nodes = self.nodes;
        let rules = nodes.get(id).map(Vec::as_slice).unwrap_or_default();
        let mut fits = true;
        for rule in rules {
            let holds = self.rule(rule, value);
            fits &= holds;
            if self.is_exhausted() {
                return false;
            }
            // Of another type, a value has nothing else that could be said of it.
            if !holds && (self.quiet > 0 || matches!(rule, Rule::Type(_))) {
                break;
            }
        }
        self.depth -= 1;
        fits
    }

    fn rule(&mut self, rule: &'a Rule, value: &'a Value) -> bool {
        match rule {
            Rule::Never => self.complain(format_args!("is not allowed")),
            Rule::Same(id) => self.node(*id, value),
            Rule::Type(kinds) => self.is_of(kinds, value),
            Rule::Const(wanted) => {
                value == wanted || self.complain(format_args!("must be {wanted}"))
            }
            Rule::Enum(wanted) => {
                self.spend(wanted.len());
                wanted.contains(value)
                    || self.complain(format_args!("must be one of {}", List(wanted)))
            }
            Rule::All(ids) => {
                let mut fits = true;
                for id in ids {
                    fits &= self.node(*id, value);
                }
                fits
            }
            // A model needs to hear once that no alternative fits, not why each of them did not.
            Rule::Any(ids) => {
                ids.iter().any(|id| self.fits(*id, value))
                    || self.complain(format_args!("fits none of the allowed forms"))
            }
            Rule::One(ids) => match ids.iter().filter(|id| self.fits(**id, value)).count() {
                0 => self.complain(format_args!("fits none of the allowed forms")),
                1 => true,
                _ => self.complain(format_args!("fits more than one of the allowed forms")),
            },
            Rule::Not(id) => {
                !self.fits(*id, value)
                    || self.complain(format_args!("has a form that is not allowed"))
            }
            Rule::If {
                condition,
                then,
                otherwise,
            } => {
                let branch = if self.fits(*condition, value) {
                    then
                } else {
                    otherwise
                };
                branch.is_none_or(|id| self.node(id, value))
            }
            Rule::Number(rule) => value
                .as_number()
                .is_none_or(|number| self.number(rule, number)),
            Rule::String(rule) => value.as_str().is_none_or(|text| self.text(rule, text)),
            Rule::Array(rule) => value.as_array().is_none_or(|items| self.array(rule, items)),
            Rule::Object(rule) => value
                .as_object()
                .is_none_or(|members| self.object(rule, members, value)),
        }
    }

    fn is_of(&mut self, kinds: &[Kind], value: &Value) -> bool {
        if kinds.iter().any(|kind| kind.has(value)) {
            return true;
        }
        let wanted: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        self.complain(format_args!(
            "must be of type {} and is of type {}",
            wanted.join(" or "),
            Kind::of(value).name()
        ))
    }

    fn number(&mut self, rule: &NumberRule, number: &Number) -> bool {
        let is = |limit, orderings: &[Ordering]| {
            number::compare(number, limit).is_some_and(|order| orderings.contains(&order))
        };
        match rule {
            NumberRule::Minimum(limit) => {
                !is(limit, &[Ordering::Less])
                    || self.complain(format_args!("must be at least {limit}"))
            }
            NumberRule::Maximum(limit) => {
                !is(limit, &[Ordering::Greater])
                    || self.complain(format_args!("must be at most {limit}"))
            }
            NumberRule::ExclusiveMinimum(limit) => {
                is(limit, &[Ordering::Greater])
                    || self.complain(format_args!("must be more than {limit}"))
            }
            NumberRule::ExclusiveMaximum(limit) => {
                is(limit, &[Ordering::Less])
                    || self.complain(format_args!("must be less than {limit}"))
            }
            NumberRule::MultipleOf(of) => {
                number::is_multiple(number, of)
                    || self.complain(format_args!("must be a multiple of {of}"))
            }
        }
    }

    fn text(&mut self, rule: &StringRule, text: &str) -> bool {
        let chars = || text.chars().count() as u64;
        match rule {
            StringRule::MinLength(least) => {
                chars() >= *least
                    || self.complain(format_args!("must be at least {least} characters long"))
            }
            StringRule::MaxLength(most) => {
                chars() <= *most
                    || self.complain(format_args!("must be at most {most} characters long"))
            }
            StringRule::Pattern(pattern) => {
                self.spend(text.len());
                pattern.is_match(text)
                    || self.complain(format_args!("must match the pattern {}", pattern.as_str()))
            }
            StringRule::Format(format) => {
                format.fits(text)
                    || self.complain(format_args!("must be a valid {}", format.name()))
            }
        }
    }

    fn array(&mut self, rule: &'a ArrayRule, items: &'a [Value]) -> bool {
        let count = items.len() as u64;
        match rule {
            ArrayRule::MinItems(least) => {
                count >= *least || self.complain(format_args!("must have at least {least} items"))
            }
            ArrayRule::MaxItems(most) => {
                count <= *most || self.complain(format_args!("must have at most {most} items"))
            }
            ArrayRule::UniqueItems => {
                self.spend(items.len());
                let mut seen = HashSet::new();
                let is_new = |item: &Value| seen.insert(item.to_string());
                items.iter().all(is_new)
                    || self.complain(format_args!("must not have an item twice"))
            }
            ArrayRule::Items { first, rest } => {
                let mut fits = true;
                for (index, item) in items.iter().enumerate() {
                    if let Some(id) = first.get(index).copied().or(*rest) {
                        fits &= self.inside(Step::Item(index), id, item);
                    }
                }
                fits
            }
            ArrayRule::Contains { item, least, most } => {
                let found = items.iter().filter(|value| self.fits(*item, value)).count() as u64;
                if found < *least {
                    self.complain(format_args!(
                        "must have at least {least} items of a certain form"
                    ))
                } else if most.is_some_and(|most| found > most) {
                    let most = most.unwrap_or_default();
                    self.complain(format_args!(
                        "must have at most {most} items of a certain form"
                    ))
                } else {
                    true
                }
            }
        }
    }

    fn object(
        &mut self,
        rule: &'a ObjectRule,
        members: &'a Map<String, Value>,
        value: &'a Value,
    ) -> bool {
        let count = members.len() as u64;
        match rule {
            ObjectRule::MinProperties(least) => {
                count >= *least || self.complain(format_args!("must have at least {least} members"))
            }
            ObjectRule::MaxProperties(most) => {
                count <= *most || self.complain(format_args!("must have at most {most} members"))
            }
            ObjectRule::Required(names) => self.has_all(members, names),
            ObjectRule::DependentRequired(name, names) => {
                !members.contains_key(name) || self.has_all(members, names)
            }
            ObjectRule::DependentSchema(name, id) => {
                !members.contains_key(name) || self.node(*id, value)
            }
            ObjectRule::Properties {
                named,
                patterns,
                others,
            } => {
                let mut fits = true;
                // By name, for the order of a `Map` depends on what other crates ask of it.
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_unstable_by_key(|(name, _)| *name);
                for (name, member) in sorted {
                    let mut is_other = true;
                    let matching = patterns
                        .iter()
                        .filter(|(pattern, _)| pattern.is_match(name));
                    for id in named
                        .get(name)
                        .into_iter()
                        .chain(matching.map(|(_, id)| id))
                    {
                        is_other = false;
                        fits &= self.inside(Step::Member(name), *id, member);
                    }
                    if let (true, Some(id)) = (is_other, others) {
                        fits &= self.other(name, *id, member);
                    }
                }
                fits
            }
            ObjectRule::PropertyNames(id) => members.keys().fold(true, |fits, name| {
                let fits_too = self.fits_name(*id, name)
                    || self.complain(format_args!(
                        "must not have a member named `{}`",
                        shorten(name)
                    ));
                fits && fits_too
            }),
        }
    }

    fn has_all(&mut self, members: &Map<String, Value>, names: &[String]) -> bool {
        let mut all = true;
        for name in names {
            if !members.contains_key(name) {
                all = self.complain_of(name, "is missing");
            }
        }
        all
    }

    /// A member whose name no rule has.
    fn other(&mut self, name: &'a str, id: NodeId, member: &'a Value) -> bool {
        let never = self
            .nodes
            .get(id)
            .is_some_and(|rules| matches!(rules.as_slice(), [Rule::Never]));
        if never {
            self.complain_of(name, "is not a known parameter")
        } else {
            self.inside(Step::Member(name), id, member)
        }
    }

    fn inside(&mut self, step: Step<'a>, id: NodeId, part: &'a Value) -> bool {
        self.path.push(step);
        let fits = self.node(id, part);
        self.path.pop();
        fits
    }

    fn fits(&mut self, id: NodeId, value: &'a Value) -> bool {
        self.quiet += 1;
        let fits = self.node(id, value);
        self.quiet -= 1;
        fits
    }

    /// A name as a value of its own. It lives no longer than this, so it has a checker of its own, with what is left of this one.
    fn fits_name(&mut self, id: NodeId, name: &str) -> bool {
        let name = Value::from(name);
        let mut checker = Checker::new(self.nodes, self.whole);
        (checker.visits, checker.depth, checker.quiet) = (self.visits, self.depth, 1);
        let fits = checker.node(id, &name);
        (self.visits, self.depth) = (checker.visits, checker.depth);
        fits
    }

    /// `false`, so that a rule can end with it.
    fn complain(&mut self, what: fmt::Arguments<'_>) -> bool {
        if self.has_room() {
            self.complaints.push(format!("{} {what}", self.subject()));
        }
        false
    }

    /// The same about a member of this value.
    fn complain_of(&mut self, member: &str, what: &str) -> bool {
        if self.has_room() {
            self.complaints
                .push(format!("{} {what}", self.member(member)));
        }
        false
    }

    /// Whether anybody will read one more complaint: writing them takes longer than checking.
    fn has_room(&mut self) -> bool {
        let is_heard = self.quiet == 0;
        let has_room = self.complaints.len() < MAX_COMPLAINTS;
        if is_heard && !has_room {
            self.further += 1;
        }
        is_heard && has_room
    }

    fn subject(&self) -> String {
        let path = self.path();
        if path.is_empty() {
            self.whole.to_owned()
        } else {
            format!("`{path}`")
        }
    }

    fn member(&self, name: &str) -> String {
        let path = self.path();
        let dot = if path.is_empty() { "" } else { "." };
        format!("`{path}{dot}{}`", shorten(name))
    }

    /// `items[2].name`, the way that programs write it.
    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Item(index) => {
                    // Writing to a string cannot fail.
                    let _written = write!(path, "[{index}]");
                }
                Step::Member(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&shorten(name));
                }
            }
        }
        path
    }
}

fn shorten(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}
