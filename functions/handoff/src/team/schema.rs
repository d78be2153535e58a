//! JSON Schema, as much of draft 2020-12 as describes the arguments of a tool: compiled once, and its errors in words that a
//! model can act on.
//!
//! ```text
//! keywords (what is written) ─▶ compile (nodes of rules) ─▶ endless (do they end?)
//!                                     └─▶ check (a value against a node) ─▶ format, number
//! ```
//!
//! Written for this, because it is on the way of every start and of every call: a validator of all drafts reads their
//! meta-schemas first and brings a megabyte of regular expressions and URLs. `tests.rs` compares the verdicts with such a one.

mod check;
mod compile;
mod endless;
mod format;
mod keywords;
mod number;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use regex_lite::Regex;
use serde_json::{Number, Value};

use check::Checker;
use format::Format;

/// A compiled schema.
pub(super) struct Validator {
    nodes: Vec<Node>,
    root: NodeId,
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Validator")
    }
}

impl Validator {
    /// Compiles the schema at `pointer` (RFC 6901, empty for all) of `document`.
    ///
    /// Err is a phrase of one line: what is wrong, and where in the schema.
    pub(super) fn compile(document: &Value, pointer: &str) -> Result<Self, String> {
        compile::compile(document, pointer)
    }

    /// Err is a phrase: up to three complaints about the parts of a canonical value (as arguments are), which is called `whole`.
    pub(super) fn check(&self, value: &Value, whole: &str) -> Result<(), String> {
        Checker::new(&self.nodes, whole).check(self.root, value)
    }
}

/// Where a node is in the list of all nodes of a schema.
type NodeId = usize;

/// A schema: all of these must hold.
type Node = Vec<Rule>;

/// A keyword, or several that work together. The last four hold for what is of another type.
enum Rule {
    Never,
    Same(NodeId),
    Type(Vec<Kind>),
    Const(Value),
    Enum(Vec<Value>),
    All(Vec<NodeId>),
    Any(Vec<NodeId>),
    One(Vec<NodeId>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
    Number(NumberRule),
    String(StringRule),
    Array(ArrayRule),
    Object(ObjectRule),
}

enum NumberRule {
    Minimum(Number),
    Maximum(Number),
    ExclusiveMinimum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
}

enum StringRule {
    MinLength(u64),
    MaxLength(u64),
    Pattern(Regex),
    Format(Format),
}

enum ArrayRule {
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    Items {
        first: Vec<NodeId>,
        rest: Option<NodeId>,
    },
    Contains {
        item: NodeId,
        least: u64,
        most: Option<u64>,
    },
}

enum ObjectRule {
    MinProperties(u64),
    MaxProperties(u64),
    Required(Vec<String>),
    Properties {
        named: BTreeMap<String, NodeId>,
        patterns: Vec<(Regex, NodeId)>,
        others: Option<NodeId>,
    },
    PropertyNames(NodeId),
    /// Whoever has the first also has the others.
    DependentRequired(String, Vec<String>),
    DependentSchema(String, NodeId),
}

impl From<NumberRule> for Rule {
    fn from(rule: NumberRule) -> Self {
        Self::Number(rule)
    }
}

impl From<StringRule> for Rule {
    fn from(rule: StringRule) -> Self {
        Self::String(rule)
    }
}

impl From<ArrayRule> for Rule {
    fn from(rule: ArrayRule) -> Self {
        Self::Array(rule)
    }
}

impl From<ObjectRule> for Rule {
    fn from(rule: ObjectRule) -> Self {
        Self::Object(rule)
    }
}

/// The types of JSON Schema. `Integer` is a part of `Number`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Null,
        Self::Boolean,
        Self::Integer,
        Self::Number,
        Self::String,
        Self::Array,
        Self::Object,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }

    fn has(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Integer, Value::Number(number)) => number::is_whole(number),
            _ => self == Self::of(value),
        }
    }
}
