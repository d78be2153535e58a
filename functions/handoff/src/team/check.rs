//! Checks of a team that compile its schemas: mistakes, and warnings about keywords with less effect than expected. Knows where a
//! schema is in the file; never its rules.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use super::mistake::Mistake;
use super::schema::Problem;
use super::{Team, TeamError, Tool};

/// The file that a team was read from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: String,
    pub(super) text: String,
}

impl Team {
    /// Compiles the schemas of all tools. Without this call the first call of a tool compiles its schema, which is right where
    /// the start must be fast and the team was checked before.
    ///
    /// # Errors
    /// The first mistake in a schema, as one sentence with file and line.
    pub fn compile_all(&self) -> Result<(), TeamError> {
        let compile = |tool: &Arc<Tool>| {
            tool.compile()
                .map_err(|problem| self.mistake(tool, problem))
        };
        self.tools().try_for_each(compile)
    }

    /// Warnings about tools: a keyword of a schema or a name in `show` that is likely misspelt, a pattern or a format that is not
    /// checked. They have the form of mistakes.
    pub fn warnings(&self) -> Vec<TeamError> {
        let of_tool = |tool: &Arc<Tool>| {
            let remarks = tool.schema.remarks().into_iter();
            let remarks = remarks.map(|remark| self.mistake(tool, &remark));
            let misspelt = tool.misspelt_shows().into_iter();
            let misspelt = misspelt.map(|(field, meant)| self.misspelt_show(tool, field, meant));
            remarks.chain(misspelt).collect::<Vec<_>>()
        };
        self.tools().flat_map(of_tool).collect()
    }

    fn misspelt_show(&self, tool: &Tool, field: &str, meant: &str) -> TeamError {
        let Source { file, text } = &self.source;
        let parsed = DeTable::parse(text).ok();
        let show = parsed
            .as_ref()
            .and_then(|parsed| table_of(tool, parsed.get_ref())?.get("show"));
        let mistake = Mistake::ShowMisspelt {
            tool: tool.name.clone(),
            field: field.to_owned(),
            meant: meant.to_owned(),
        };
        mistake
            .at(show.map(Spanned::span).unwrap_or_default())
            .in_file(file, text)
    }

    fn mistake(&self, tool: &Tool, problem: &Problem) -> TeamError {
        let Source { file, text } = &self.source;
        let parsed = DeTable::parse(text).ok();
        let at = parsed.and_then(|parsed| place_of(tool, &problem.place(), parsed.get_ref()));
        let mistake = Mistake::Schema {
            tool: tool.name.clone(),
            reason: problem.to_string(),
        };
        mistake.at(at.unwrap_or_default()).in_file(file, text)
    }

    /// A tool whose schema did not compile: its calls fail until the team file is corrected.
    pub fn broken_schema(&self) -> Option<&str> {
        let mut broken = self.tools().filter(|tool| tool.schema.is_broken());
        broken.next().map(|tool| tool.name.as_str())
    }
}

/// The bytes of the key or item at a place of the schema of a tool, or the nearest that the file has.
fn place_of(tool: &Tool, place: &[String], file: &DeTable<'_>) -> Option<Range<usize>> {
    let table = table_of(tool, file)?;
    if let Some(file) = table.get("schema_file") {
        return Some(file.span());
    }
    let (mut value, place) = match table.get("schema") {
        Some(schema) => (schema, place),
        // The short form has no `properties`.
        None => (table.get("parameters")?, place.get(1..)?),
    };
    let mut at = value.span();
    for token in place {
        let inside = match value.get_ref().as_table() {
            Some(table) => table
                .get_key_value(token.as_str())
                .map(|(key, value)| (key.span(), value)),
            None => token
                .parse::<usize>()
                .ok()
                .and_then(|index| value.get_ref().get(index))
                .map(|item| (item.span(), item)),
        };
        let Some((key, next)) = inside else { break };
        (at, value) = (key, next);
    }
    Some(at)
}

/// The table of a tool in the file.
fn table_of<'a>(tool: &Tool, file: &'a DeTable<'a>) -> Option<&'a DeTable<'a>> {
    let mut tools = file.get("tool")?.get_ref().as_array()?.iter();
    let named = tools.find(|table| {
        let name = table.get_ref().get("name");
        name.and_then(|name| name.get_ref().as_str()) == Some(&tool.name)
    })?;
    named.get_ref().as_table()
}
