//! What is found in a team only when its schemas are compiled or read again: mistakes, and what is allowed and means less than it
//! seems to. Knows where a schema is in the file; never what is wrong with it.

use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::mistake::{Located, Mistake, line_of};
use super::schema::{Problem, What};
use super::{Team, TeamError, Tool};

/// Something in a team file that is allowed and means less than it seems to; displays as one sentence that starts with
/// `FILE:LINE: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamWarning {
    file: String,
    line: usize,
    tool: String,
    what: String,
}

impl fmt::Display for TeamWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            tool,
            what,
        } = self;
        write!(f, "{file}:{line}: in the schema of tool {tool:?} {what}.")
    }
}

/// The file that a team was read from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: String,
    pub(super) text: String,
}

impl Team {
    /// Compiles the schemas of all tools. Without it each is compiled by the first call of its tool, which is right where a start must
    /// be fast and the team was checked before.
    ///
    /// # Errors
    /// The first mistake in a schema, as one sentence with file and line.
    pub fn compile_all(&self) -> Result<(), TeamError> {
        let Source { file, text } = &self.source;
        for tool in self.tools() {
            if let Err(problem) = tool.compile() {
                return Err(located(tool, problem, text).in_file(file, text));
            }
        }
        Ok(())
    }

    /// What is allowed in the schemas of tools and means less than it seems to: a keyword that is likely misspelt, a pattern or a
    /// format that is not checked.
    pub fn warnings(&self) -> Vec<TeamWarning> {
        let Source { file, text } = &self.source;
        let places = Places::read(text);
        let mut warnings = Vec::new();
        for tool in self.tools() {
            let schema = places.schema_of(tool);
            for remark in tool.schema.remarks() {
                let at = schema.at(&remark.place);
                warnings.push(TeamWarning {
                    file: file.clone(),
                    line: line_of(at.start, text),
                    tool: tool.name.clone(),
                    what: remark.what,
                });
            }
        }
        warnings
    }

    /// A tool whose schema was to be compiled and could not be: its calls fail until the team is put right.
    pub fn broken_schema(&self) -> Option<&str> {
        let mut broken = self.tools().filter(|tool| tool.schema.is_broken());
        broken.next().map(|tool| tool.name.as_str())
    }
}

fn located(tool: &Tool, problem: &Problem, text: &str) -> Located {
    let places = Places::read(text);
    let schema = places.schema_of(tool);
    let at = schema.around(&problem.place);
    let name = tool.name.clone();
    let parameter = match problem.place.as_slice() {
        [properties, parameter, ..] if properties == "properties" => Some(parameter),
        _ => None,
    };
    let mistake = match (&problem.what, parameter) {
        (What::Default(reason), Some(parameter)) => Mistake::Default {
            tool: name,
            parameter: parameter.clone(),
            reason: reason.clone(),
        },
        (_, Some(parameter)) if schema.is_short() => Mistake::Schema {
            tool: name,
            reason: format!("parameter {parameter:?}: {}", problem.phrase(2)),
        },
        _ => Mistake::Schema {
            tool: name,
            reason: problem.to_string(),
        },
    };
    mistake.at(at)
}

/// A file whose values know where they stand.
struct Places<'a>(Option<DeTable<'a>>);

/// Where the schema of a tool is in the file.
struct SchemaPlace<'a, 'b>(Option<&'b DeTable<'a>>);

impl<'a> Places<'a> {
    fn read(text: &'a str) -> Self {
        Self(DeTable::parse(text).ok().map(toml::Spanned::into_inner))
    }

    fn schema_of(&self, tool: &Tool) -> SchemaPlace<'a, '_> {
        let tools = self.0.as_ref().and_then(|file| file.get("tool"));
        let mut tools = tools
            .and_then(|tools| tools.get_ref().as_array())
            .into_iter()
            .flat_map(|tools| tools.iter())
            .filter_map(|table| table.get_ref().as_table());
        SchemaPlace(tools.find(|table| {
            let name = table.get("name").and_then(|name| name.get_ref().as_str());
            name == Some(&tool.name)
        }))
    }
}

impl SchemaPlace<'_, '_> {
    /// Whether there are tables of parameters in place of a whole schema.
    fn is_short(&self) -> bool {
        self.0.is_some_and(|tool| !tool.contains_key("schema"))
    }

    /// The bytes of the whole schema or of the parameter that holds this place of it.
    fn around(&self, place: &[String]) -> Range<usize> {
        let find = || {
            let tool = self.0?;
            let Some(parameters) = tool.get("parameters") else {
                return tool.get("schema").map(toml::Spanned::span);
            };
            let parameter = parameters
                .get_ref()
                .as_table()?
                .get(place.get(1)?.as_str())?;
            Some(parameter.span())
        };
        find().unwrap_or_default()
    }

    /// The bytes of the key or item at this place of the schema.
    fn at(&self, place: &[String]) -> Range<usize> {
        let mut at = self.around(place);
        let parameters = self.0.and_then(|tool| tool.get("parameters"));
        let (mut value, rest) = match parameters {
            // The short form has no `properties`.
            Some(parameters) => (Some(parameters), place.get(1..)),
            None => (self.0.and_then(|tool| tool.get("schema")), Some(place)),
        };
        for token in rest.unwrap_or_default() {
            let Some(inside) = value else { break };
            let found = match inside.get_ref() {
                DeValue::Table(table) => table
                    .get_key_value(token.as_str())
                    .map(|(key, value)| (key.span(), value)),
                DeValue::Array(items) => token
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .map(|item| (item.span(), item)),
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => None,
            };
            let Some((key, next)) = found else { break };
            (at, value) = (key, Some(next));
        }
        at
    }
}
