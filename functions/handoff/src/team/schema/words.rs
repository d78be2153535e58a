//! Errors in words that a model, or the owner of a team, can act on. Knows the crate's errors; never how they are found.

use std::fmt::Display;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::LocationSegment::{Index, Property};
use jsonschema::{JsonType, ValidationError};

use super::{MAX_PATTERN_BYTES, Problem, step};

/// As many complaints as a model can put right in one go.
const MAX_COMPLAINTS: usize = 3;

/// Model-made names are repeated to the model, so they must not be long.
const MAX_NAME_CHARS: usize = 64;

/// The same of values of the schema.
const MAX_VALUE_CHARS: usize = 1000;

/// The complaints about a value. None where there is nothing to complain about.
pub(super) fn complaint<'a>(
    errors: impl Iterator<Item = ValidationError<'a>>,
    whole: &str,
) -> Option<String> {
    let mut told = Vec::new();
    let mut further = 0;
    let mut wrong_type = None;
    for error in errors {
        // Nothing else is said of a value of a wrong type.
        if wrong_type.as_ref() == Some(error.instance_path()) {
            continue;
        }
        // Writing a complaint takes longer than checking.
        if told.len() >= MAX_COMPLAINTS {
            further += 1;
            continue;
        }
        if matches!(error.kind(), Kind::Type { .. }) {
            wrong_type = Some(error.instance_path().clone());
        }
        told.extend(
            words(&error)
                .into_iter()
                .map(|(member, what)| match path(&error, member) {
                    path if path.is_empty() => format!("{whole} {what}"),
                    path => format!("`{path}` {what}"),
                }),
        );
    }
    further += told.len().saturating_sub(MAX_COMPLAINTS);
    told.truncate(MAX_COMPLAINTS);
    if further > 0 {
        told.push(format!("and {further} more"));
    }
    (!told.is_empty()).then(|| told.join("; "))
}

/// What is wrong with a schema, which is a value for the schema of schemas.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all others name the place in the value"
)]
pub(super) fn of_schema(error: &ValidationError<'_>) -> Problem {
    if let Kind::AnyOf { context } = error.kind() {
        // Of alternatives the one that goes farthest into the schema is likely meant, or the first.
        let inside = context.iter().flatten().rev();
        if let Some(inside) = inside.max_by_key(|error| error.instance_path().as_str().len()) {
            return of_schema(inside);
        }
    }
    // Of a pattern the crate names the place in the schema only.
    let place = match error.kind() {
        Kind::Format { .. } => error.schema_path(),
        _ => error.instance_path(),
    };
    problem(place.as_str(), error)
}

/// The first that an error says of a place in a schema.
pub(super) fn problem(place: &str, error: &ValidationError<'_>) -> Problem {
    let (member, what) = words(error).into_iter().next().unwrap_or_default();
    Problem::new(
        member.map_or_else(|| place.to_owned(), |name| step(place, name)),
        what,
    )
}

/// `items[2].name`, the way that programs write it.
fn path(error: &ValidationError<'_>, member: Option<&str>) -> String {
    let member = member.map(|name| Property(name.into()));
    let segments = error.instance_path().iter().chain(member);
    let path = segments.map(|segment| match segment {
        Index(index) => format!("[{index}]"),
        Property(name) => format!(".{}", short(&name, MAX_NAME_CHARS)),
    });
    let path: String = path.collect();
    path.strip_prefix('.').unwrap_or(&path).to_owned()
}

/// What an error says: of a member of the value, or of the value itself.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate has more kinds than need a sentence of their own"
)]
fn words<'a>(error: &'a ValidationError<'_>) -> Vec<(Option<&'a str>, String)> {
    let value = |value: &dyn Display| short(value, MAX_VALUE_CHARS);
    let what = match error.kind() {
        Kind::Required { property } => {
            return vec![(property.as_str(), "is missing".to_owned())];
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let what = "is not a known parameter";
            let all = unexpected.iter();
            return all
                .map(|name| (Some(name.as_str()), what.to_owned()))
                .collect();
        }
        Kind::Type { kind } => {
            let found = JsonType::from(error.instance().as_ref());
            let types: Vec<_> = match kind {
                TypeKind::Single(one) => vec![one.to_string()],
                TypeKind::Multiple(many) => many.iter().map(|one| one.to_string()).collect(),
            };
            format!(
                "must be of type {} and is of type {found}",
                types.join(" or ")
            )
        }
        Kind::Constant { expected_value } => format!("must be {}", value(expected_value)),
        Kind::Enum { options } => format!("must be one of {}", value(options)),
        Kind::FalseSchema if error.schema_path().as_str().ends_with("/else") => FORMS.to_owned(),
        Kind::FalseSchema => "is not allowed".to_owned(),
        Kind::Not { .. } => "has a form that is not allowed".to_owned(),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("must be at least {limit} characters long"),
        Kind::MaxLength { limit } => format!("must be at most {limit} characters long"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::AdditionalItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::UniqueItems => "must not have an item twice".to_owned(),
        Kind::Contains => "must have another number of items of a certain form".to_owned(),
        Kind::Pattern { pattern } => format!("must match the pattern {}", value(pattern)),
        Kind::Format { format } if format == "regex" => {
            let most = MAX_PATTERN_BYTES / 1024;
            format!("must be a regular expression, and one of at most {most} KB")
        }
        Kind::Format { format } => format!("must be a valid {format}"),
        Kind::PropertyNames { error } => {
            let name = short(error.instance(), MAX_NAME_CHARS);
            format!("must not have a member named {name}")
        }
        Kind::Referencing(reason) => format!("refers to something that is not there: {reason}"),
        Kind::AnyOf { .. } => FORMS.to_owned(),
        other => format!("does not fit `{}`", other.keyword()),
    };
    vec![(None, what)]
}

const FORMS: &str = "must match one of the allowed forms";

fn short(value: &(impl Display + ?Sized), most: usize) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    text
}
