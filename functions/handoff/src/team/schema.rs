//! JSON Schema: compiled once, and its errors put into words that a model can act on.
//! Nothing outside of this file knows which library checks schemas.

use std::error::Error;
use std::fmt;

use boon::ValidationError;
use boon::{CompileError, Compiler, ErrorKind, InstanceToken, SchemaIndex, Schemas, UrlLoader};
use serde_json::Value;

/// What a schema is called inside the compiler; nothing is ever loaded from it.
const HERE: &str = "baton://tool/schema";

/// As many as a model can put right in one go.
const MAX_COMPLAINTS: usize = 3;

/// Model-made names are repeated to the model, so they must not be long.
const MAX_NAME_CHARS: usize = 64;

/// A compiled schema.
pub(super) struct Validator {
    schemas: Schemas,
    root: SchemaIndex,
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Validator")
    }
}

impl Validator {
    /// Compiles the schema at `pointer` (empty for all) of `document`.
    ///
    /// Err is a phrase of one line: what is wrong, and where in the schema.
    pub(super) fn compile(document: &Value, pointer: &str) -> Result<Self, String> {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(LoadNothing));
        // Newer drafts take `format` for a remark; who writes one into a team file means it.
        compiler.enable_format_assertions();
        compiler
            .add_resource(HERE, document.clone())
            .map_err(|error| describe(&error))?;
        let root = compiler
            .compile(&format!("{HERE}#{pointer}"), &mut schemas)
            .map_err(|error| describe(&error))?;
        Ok(Self { schemas, root })
    }

    /// Err is a phrase: up to three complaints about the parts of a value that is called `whole`.
    pub(super) fn check(&self, value: &Value, whole: &str) -> Result<(), String> {
        self.schemas
            .validate(value, self.root)
            .map_err(|error| complaints(&error, whole))
    }
}

/// A schema has to be whole in the team file: neither the network nor the disk is asked for more.
struct LoadNothing;

impl UrlLoader for LoadNothing {
    fn load(&self, _url: &str) -> Result<Value, Box<dyn Error>> {
        Err("not in this file".into())
    }
}

fn describe(error: &CompileError) -> String {
    let here = |text: &str| text.replace(HERE, "");
    match error {
        CompileError::LoadUrlError { url, .. } | CompileError::UnsupportedUrlScheme { url } => {
            format!("it refers to {url}, and schemas outside of this file are not loaded")
        }
        CompileError::ValidationError { src, .. } => complaints(src, "it"),
        CompileError::InvalidRegex { regex, .. } => {
            format!("the pattern {regex:?} is not a regular expression")
        }
        CompileError::ParseUrlError { .. }
        | CompileError::InvalidMetaSchemaUrl { .. }
        | CompileError::UnsupportedDraft { .. }
        | CompileError::MetaSchemaCycle { .. }
        | CompileError::ParseIdError { .. }
        | CompileError::ParseAnchorError { .. }
        | CompileError::DuplicateId { .. }
        | CompileError::DuplicateAnchor { .. }
        | CompileError::InvalidJsonPointer(_)
        | CompileError::JsonPointerNotFound(_)
        | CompileError::AnchorNotFound { .. }
        | CompileError::UnsupportedVocabulary { .. }
        | CompileError::Bug(_) => here(&error.to_string()),
    }
}

fn complaints(error: &ValidationError<'_, '_>, whole: &str) -> String {
    let mut found = Vec::new();
    collect(error, whole, &mut found);
    let further = found.len().saturating_sub(MAX_COMPLAINTS);
    found.truncate(MAX_COMPLAINTS);
    if further > 0 {
        found.push(format!("and {further} more"));
    }
    found.join("; ")
}

fn collect(error: &ValidationError<'_, '_>, whole: &str, found: &mut Vec<String>) {
    let is_choice = matches!(error.kind, ErrorKind::AnyOf | ErrorKind::OneOf(_));
    if error.causes.is_empty() || is_choice {
        // A model needs to hear once that no alternative fits, not why each of them did not.
        found.extend(complain(error, whole));
        return;
    }
    for cause in &error.causes {
        collect(cause, whole, found);
    }
}

fn complain(error: &ValidationError<'_, '_>, whole: &str) -> Vec<String> {
    let path = path(&error.instance_location.tokens);
    let subject = if path.is_empty() {
        whole.to_owned()
    } else {
        format!("`{path}`")
    };
    let member = |name: &str| {
        let dot = if path.is_empty() { "" } else { "." };
        format!("`{path}{dot}{}`", shorten(name))
    };
    let one = |text: String| vec![format!("{subject} {text}")];
    match &error.kind {
        ErrorKind::Required { want } => want
            .iter()
            .map(|name| format!("{} is missing", member(name)))
            .collect(),
        ErrorKind::AdditionalProperties { got } => got
            .iter()
            .map(|name| format!("{} is not a known parameter", member(name)))
            .collect(),
        ErrorKind::Type { got, want } => {
            let want: Vec<_> = want.iter().map(|kind| kind.to_string()).collect();
            one(format!(
                "must be of type {} and is of type {got}",
                want.join(" or ")
            ))
        }
        ErrorKind::Minimum { want, .. } => one(format!("must be at least {want}")),
        ErrorKind::Maximum { want, .. } => one(format!("must be at most {want}")),
        ErrorKind::ExclusiveMinimum { want, .. } => one(format!("must be more than {want}")),
        ErrorKind::ExclusiveMaximum { want, .. } => one(format!("must be less than {want}")),
        ErrorKind::MultipleOf { want, .. } => one(format!("must be a multiple of {want}")),
        ErrorKind::MinLength { want, .. } => {
            one(format!("must be at least {want} characters long"))
        }
        ErrorKind::MaxLength { want, .. } => one(format!("must be at most {want} characters long")),
        ErrorKind::MinItems { want, .. } => one(format!("must have at least {want} items")),
        ErrorKind::MaxItems { want, .. } => one(format!("must have at most {want} items")),
        ErrorKind::Pattern { want, .. } => one(format!("must match the pattern {want}")),
        ErrorKind::Format { want, .. } => one(format!("must be a valid {want}")),
        ErrorKind::AnyOf | ErrorKind::OneOf(None) => one("fits none of the allowed forms".into()),
        ErrorKind::OneOf(Some(_)) => one("fits more than one of the allowed forms".into()),
        ErrorKind::FalseSchema => one("is not allowed".into()),
        ErrorKind::Not => one("has a form that is not allowed".into()),
        ErrorKind::PropertyName { prop } => {
            one(format!("must not have a member named `{}`", shorten(prop)))
        }
        ErrorKind::Const { want } => one(format!("must be {want}")),
        ErrorKind::Enum { want } => one(format!("must be one of {}", Value::from((*want).clone()))),
        kind @ (ErrorKind::Group
        | ErrorKind::Schema { .. }
        | ErrorKind::ContentSchema
        | ErrorKind::Reference { .. }
        | ErrorKind::RefCycle { .. }
        | ErrorKind::MinProperties { .. }
        | ErrorKind::MaxProperties { .. }
        | ErrorKind::Dependency { .. }
        | ErrorKind::DependentRequired { .. }
        | ErrorKind::Contains
        | ErrorKind::MinContains { .. }
        | ErrorKind::MaxContains { .. }
        | ErrorKind::UniqueItems { .. }
        | ErrorKind::AdditionalItems { .. }
        | ErrorKind::ContentEncoding { .. }
        | ErrorKind::ContentMediaType { .. }
        | ErrorKind::AllOf) => vec![format!("{subject}: {kind}")],
    }
}

/// `items[2].name`, the way that programs write it.
fn path(tokens: &[InstanceToken<'_>]) -> String {
    let mut path: String = tokens
        .iter()
        .map(|token| match token {
            InstanceToken::Item(index) => format!("[{index}]"),
            InstanceToken::Prop(name) => format!(".{}", shorten(name)),
        })
        .collect();
    if path.starts_with('.') {
        path.remove(0);
    }
    path
}

fn shorten(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}
