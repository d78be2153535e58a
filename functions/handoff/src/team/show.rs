//! How much of a tool's calls customers see, as the team file says it.
//! Knows names and JSON; never the outcome of a call or its reader.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use toml::Spanned;

use super::canonical::canonical;
use super::file::ShowFile;
use super::mistake::{Located, Mistake};
use super::not_empty;
use super::tool::{Tool, ToolKind};

/// In how many letters a misspelt name differs from the parameter at most.
const MISSPELT: usize = 2;

/// How much of a tool's calls customers see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Show {
    /// That it was called, the outcome and the duration.
    #[default]
    Name,
    /// Also these members of the arguments, and of the result of a call that succeeded.
    Fields(Vec<Field>),
    /// Also the arguments as the model wrote them and the result as the model received it.
    All,
}

/// A member of the arguments or of a result: the name of a top-level member, or a JSON Pointer (RFC 6901), which begins with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(String);

impl Show {
    pub(super) fn declare(tool: &str, file: ShowFile) -> Result<Self, Located> {
        let names = match file {
            ShowFile::Name => return Ok(Self::Name),
            ShowFile::All => return Ok(Self::All),
            ShowFile::Fields(names) => names,
        };
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            let field = Field::parse(tool, name)?;
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        Ok(Self::Fields(fields))
    }
}

impl Field {
    pub(super) fn parse(tool: &str, name: Spanned<String>) -> Result<Self, Located> {
        let at = name.span();
        let field = not_empty(name, || format!("a name in show of tool {tool:?}"))?;
        // RFC 6901, section 3: `~` begins an escape, and there are two of them.
        let is_escape = |rest: &str| rest.starts_with(['0', '1']);
        if field.starts_with('/') && !field.split('~').skip(1).all(is_escape) {
            let tool = tool.to_owned();
            return Err(Mistake::ShowPointer { tool, field }.at(at));
        }
        Ok(Self(field))
    }

    /// The name of a top-level member; none if it is a pointer.
    pub(super) fn name(&self) -> Option<&str> {
        (!self.0.starts_with('/')).then_some(&self.0)
    }

    fn find<'a>(&self, whole: &'a Value) -> Option<&'a Value> {
        match self.name() {
            Some(name) => whole.get(name),
            None => whole.pointer(&self.0),
        }
    }
}

impl Tool {
    /// The names that customers see of an action and that are likely misspelt: none of its parameters, but nearly one. The
    /// second of each pair is that parameter. A lookup is shown for its result, whose members are not known here.
    pub(super) fn misspelt_shows(&self) -> Vec<(&str, &str)> {
        let Show::Fields(fields) = &self.show else {
            return Vec::new();
        };
        if self.kind == ToolKind::Lookup {
            return Vec::new();
        }
        let parameters = self.parameters().get("properties");
        let parameters: Vec<&str> = parameters
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .collect();
        let unknown = fields
            .iter()
            .filter_map(Field::name)
            .filter(|name| !parameters.contains(name));
        let misspelt = unknown.filter_map(|name| {
            let near = parameters
                .iter()
                .map(|known| (strsim::levenshtein(name, known), *known));
            let (distance, meant) = near.min()?;
            // Two letters are most of a short name.
            (distance <= MISSPELT && name.chars().count() > 2 * distance).then_some((name, meant))
        });
        misspelt.collect()
    }
}

/// The members that the text has, as a JSON object: each under its name in the team file. None if the text has none of them.
///
/// The text may go on after the JSON with a note for the model, which is ignored.
pub(crate) fn picked(fields: &[Field], text: &str) -> Option<String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let whole = values.next()?.ok()?;
    let mut object = String::new();
    for field in fields {
        let Some(found) = field.find(&whole) else {
            continue;
        };
        object.push(if object.is_empty() { '{' } else { ',' });
        // The same bytes in every process, whatever order its build keeps members in.
        let found = canonical(found.clone());
        // Writing to a string cannot fail.
        let _ = write!(object, "{}:{found}", Value::from(field.0.as_str()));
    }
    (!object.is_empty()).then(|| object + "}")
}
