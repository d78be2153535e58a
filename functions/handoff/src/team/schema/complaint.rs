//! Errors in words that a model, or the owner of a team, can act on. Knows the crate's errors; never how they are found.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::explain::Forms;
use super::{MAX_PATTERN_BYTES, What, tokens};

/// As many complaints as a model can put right in one go.
const MAX_COMPLAINTS: usize = 3;

/// Model-made names are repeated to the model, so they must not be long.
const MAX_NAME_CHARS: usize = 64;

/// The same of values of the schema.
const MAX_VALUE_CHARS: usize = 1000;

/// The complaints about one value.
pub(super) struct Complaints<'a> {
    whole: &'a str,
    value: &'a Value,
    /// So many steps lead to the value from the one that was checked.
    down: usize,
    told: Vec<String>,
    further: usize,
    /// Where the last value was that is of a wrong type. Nothing else is said of it.
    wrong_type: Option<String>,
    /// The last alternatives of which none fits, and where.
    none_fits: Option<(String, usize)>,
}

impl<'a> Complaints<'a> {
    pub(super) fn new(whole: &'a str, value: &'a Value) -> Self {
        Self {
            whole,
            value,
            down: 0,
            told: Vec::new(),
            further: 0,
            wrong_type: None,
            none_fits: None,
        }
    }

    /// The value is a part of the one that is checked, so many steps down.
    pub(super) fn inside(self, down: usize) -> Self {
        Self { down, ..self }
    }

    pub(super) fn add(&mut self, error: &ValidationError<'_>, forms: Option<Forms>) {
        let at = error.instance_path().as_str();
        if self.wrong_type.as_deref() == Some(at) {
            return;
        }
        match forms {
            None => {}
            Some(Forms::None(number)) => {
                self.none_fits = Some((at.to_owned(), number));
                return self.complain(at, || "fits none of the allowed forms".to_owned());
            }
            Some(Forms::NotOne(number)) => {
                if self
                    .none_fits
                    .as_ref()
                    .is_none_or(|(known, none)| known != at || *none != number)
                {
                    self.complain(at, || "fits more than one of the allowed forms".to_owned());
                }
                return;
            }
        }
        if let ValidationErrorKind::Required { property } = error.kind() {
            return self.complain_of(at, property.as_str().unwrap_or_default(), "is missing");
        }
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            for name in unexpected {
                self.complain_of(at, name, "is not a known parameter");
            }
            return;
        }
        if matches!(error.kind(), ValidationErrorKind::Type { .. }) {
            self.wrong_type = Some(at.to_owned());
        }
        self.complain(at, || words(error));
    }

    /// None where there is nothing to complain about.
    pub(super) fn told(mut self) -> Option<String> {
        if self.further > 0 {
            self.told.push(format!("and {} more", self.further));
        }
        (!self.told.is_empty()).then(|| self.told.join("; "))
    }

    fn complain(&mut self, at: &str, what: impl FnOnce() -> String) {
        if self.has_room() {
            let path = self.path(at);
            let subject = if path.is_empty() {
                self.whole.to_owned()
            } else {
                format!("`{path}`")
            };
            self.told.push(format!("{subject} {}", what()));
        }
    }

    /// The same about a member of a value.
    fn complain_of(&mut self, at: &str, member: &str, what: &str) {
        if self.has_room() {
            let path = self.path(at);
            let dot = if path.is_empty() { "" } else { "." };
            self.told.push(format!(
                "`{path}{dot}{}` {what}",
                shorten(member, MAX_NAME_CHARS)
            ));
        }
    }

    /// Whether one more complaint will be read: writing them takes longer than checking.
    fn has_room(&mut self) -> bool {
        let has_room = self.told.len() < MAX_COMPLAINTS;
        if !has_room {
            self.further += 1;
        }
        has_room
    }

    /// `items[2].name`, the way that programs write it.
    fn path(&self, at: &str) -> String {
        let mut path = String::new();
        let mut value = Some(self.value);
        for token in tokens(at).skip(self.down) {
            if value.is_some_and(Value::is_array) {
                path.extend(["[", &token, "]"]);
                let index = token.parse::<usize>().ok();
                value = value.and_then(|items| items.get(index?));
            } else {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&shorten(&token, MAX_NAME_CHARS));
                value = value.and_then(|members| members.get(&token));
            }
        }
        path
    }
}

/// What is wrong with a schema, which is a value for the schema of schemas.
pub(super) fn of_schema(error: &ValidationError<'_>) -> What {
    if let ValidationErrorKind::Format { format } = error.kind()
        && format == "regex"
    {
        return What::Whole(format!(
            "the pattern {} is not a regular expression, or one of more than {} KB",
            error.instance(),
            MAX_PATTERN_BYTES / 1024
        ));
    }
    if let ValidationErrorKind::Referencing(reason) = error.kind() {
        return What::Whole(format!(
            "it refers to something that is not there: {reason}"
        ));
    }
    What::Here(words(error))
}

fn words(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Required { property } => format!("lacks {property}"),
        ValidationErrorKind::FalseSchema => "is not allowed".into(),
        ValidationErrorKind::Type { kind } => format!(
            "must be of type {} and is of type {}",
            types(kind),
            type_of(error.instance())
        ),
        ValidationErrorKind::Constant { expected_value } => {
            format!(
                "must be {}",
                shorten(&expected_value.to_string(), MAX_VALUE_CHARS)
            )
        }
        ValidationErrorKind::Enum { options } => {
            format!(
                "must be one of {}",
                shorten(&options.to_string(), MAX_VALUE_CHARS)
            )
        }
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
            "fits none of the allowed forms".into()
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            "fits more than one of the allowed forms".into()
        }
        ValidationErrorKind::Not { .. } => "has a form that is not allowed".into(),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        ValidationErrorKind::MultipleOf { multiple_of } => {
            format!("must be a multiple of {multiple_of}")
        }
        ValidationErrorKind::MinLength { limit } => {
            format!("must be at least {limit} characters long")
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("must be at most {limit} characters long")
        }
        ValidationErrorKind::Pattern { pattern } => {
            format!(
                "must match the pattern {}",
                shorten(pattern, MAX_VALUE_CHARS)
            )
        }
        ValidationErrorKind::Format { format } => format!("must be a valid {format}"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} items"),
        ValidationErrorKind::UniqueItems => "must not have an item twice".into(),
        ValidationErrorKind::AdditionalItems { limit } => {
            format!("must have at most {limit} items")
        }
        ValidationErrorKind::Contains => {
            "must have another number of items of a certain form".into()
        }
        ValidationErrorKind::MinProperties { limit } => {
            format!("must have at least {limit} members")
        }
        ValidationErrorKind::MaxProperties { limit } => {
            format!("must have at most {limit} members")
        }
        ValidationErrorKind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            format!(
                "must not have a member named `{}`",
                shorten(name, MAX_NAME_CHARS)
            )
        }
        ValidationErrorKind::ContentEncoding { .. }
        | ValidationErrorKind::ContentMediaType { .. }
        | ValidationErrorKind::FromUtf8 { .. } => "does not hold what its schema says".into(),
        ValidationErrorKind::AdditionalProperties { .. }
        | ValidationErrorKind::UnevaluatedProperties { .. }
        | ValidationErrorKind::UnevaluatedItems { .. } => {
            "holds something that its schema does not allow".into()
        }
        ValidationErrorKind::BacktrackLimitExceeded { .. }
        | ValidationErrorKind::RegexEngineFailure { .. }
        | ValidationErrorKind::Custom { .. }
        | ValidationErrorKind::Referencing(_) => "cannot be checked".into(),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(many) => {
            let names: Vec<_> = many.iter().map(|one| one.to_string()).collect();
            names.join(" or ")
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
