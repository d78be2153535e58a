//! Why a value does not fit, at a cost that is bounded. Knows how schemas are written; never the words of a complaint.
//!
//! The crate says of alternatives why each of them does not fit, and of alternatives inside of them again: twice as much with every
//! level of a value. A model needs to hear once that none fits. So the errors come from a second form of the schema, in which alternatives
//! stand behind a double `not`, of which nothing inside is told. Verdicts never come from this form.

use std::sync::OnceLock;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};

use super::options;

/// Where the alternatives are kept in the second form.
const FORMS: &str = "x-baton-forms";

/// Gives reasons. Made when the first value does not fit.
pub(super) struct Explainer {
    document: Value,
    places: Vec<String>,
    compiled: OnceLock<Option<jsonschema::Validator>>,
}

/// What is said of alternatives, which have a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forms {
    /// None fits.
    None(usize),
    /// Not exactly one fits. Said of those of which none fits too, after that.
    NotOne(usize),
}

impl Explainer {
    pub(super) fn new(document: Value, places: Vec<String>) -> Self {
        Self {
            document,
            places,
            compiled: OnceLock::new(),
        }
    }

    /// Every error, one after the other; none where no reason can be given.
    pub(super) fn each_error(
        &self,
        value: &Value,
        mut told: impl FnMut(&ValidationError<'_>, Option<Forms>),
    ) {
        let compiled = self.compiled.get_or_init(|| {
            let shallow = shallow(self.document.clone(), &self.places);
            options().build(&shallow).ok()
        });
        let Some(compiled) = compiled else { return };
        for error in compiled.iter_errors(value) {
            told(&error, forms_of(&error));
        }
    }
}

/// The schema with its alternatives put away. What a rule leaves unevaluated depends on which alternative fits, so that is not told.
fn shallow(mut document: Value, places: &[String]) -> Value {
    let mut forms = Map::new();
    let mut places: Vec<_> = places.iter().collect();
    // From the inside out, for what is put away has no place any more.
    places.sort_by_key(|place| std::cmp::Reverse(place.len()));
    for (number, place) in places.into_iter().enumerate() {
        if let Some(Value::Object(schema)) = document.pointer_mut(place) {
            put_away(schema, number, &mut forms);
        }
    }
    if let Value::Object(members) = &mut document {
        members.insert(FORMS.to_owned(), Value::Object(forms));
    }
    document
}

fn put_away(schema: &mut Map<String, Value>, number: usize, forms: &mut Map<String, Value>) {
    schema.remove("unevaluatedItems");
    schema.remove("unevaluatedProperties");
    let mut keep = |name: String, form: Value| {
        let kept = json!({"not": {"$ref": format!("#/{FORMS}/{name}")}});
        forms.insert(name, json!({"not": form}));
        kept
    };
    let mut away = Vec::new();
    if let Some(any) = schema.remove("anyOf") {
        away.push(keep(format!("any-{}", 2 * number), json!({"anyOf": any})));
    }
    if let Some(one) = schema.remove("oneOf") {
        let number = 2 * number + 1;
        let count = one.as_array().map_or(0, Vec::len);
        away.push(keep(format!("any-{number}"), json!({"anyOf": one})));
        let same: Vec<_> = (0..count)
            .map(|index| json!({"$ref": format!("#/{FORMS}/any-{number}/not/anyOf/{index}")}))
            .collect();
        away.push(keep(format!("one-{number}"), json!({"oneOf": same})));
    }
    if away.is_empty() {
        return;
    }
    if let Value::Array(all) = schema.entry("allOf").or_insert_with(|| json!([])) {
        all.extend(away);
    }
}

fn forms_of(error: &ValidationError<'_>) -> Option<Forms> {
    let ValidationErrorKind::Not { schema } = error.kind() else {
        return None;
    };
    let name = schema.get("$ref")?.as_str()?.strip_prefix("#/")?;
    let (kind, number) = name.strip_prefix(FORMS)?.split_once('-')?;
    let number = number.parse().ok()?;
    match kind {
        "/any" => Some(Forms::None(number)),
        "/one" => Some(Forms::NotOne(number)),
        _ => None,
    }
}
