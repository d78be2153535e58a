//! `baton import`: descriptions of other systems as blocks of a team file, on standard output. What a person decides stands in
//! comments; what cannot be said is a sentence on standard error. A document is never fetched; an MCP server is asked.

mod block;
mod body;
mod choice;
mod dialect;
mod document;
mod forms;
mod headers;
mod hints;
mod mcp;
mod names;
mod node;
mod parameters;
mod query;
mod schema;
#[cfg(test)]
mod tests;
mod toml;
mod tool;
mod yaml;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use self::choice::chosen;
use self::document::{Document, Operation, check_server};
use self::tool::Tool;

/// As clap ends where arguments are wrong.
const BAD_USAGE: u8 = 2;

/// An agent has at most so many tools.
const MAX_TOOLS: usize = 128;

#[derive(Subcommand)]
pub(crate) enum Source {
    /// Writes the operations of an OpenAPI document (3.0 or 3.1, JSON or YAML) as [[tool]] blocks
    ///
    /// Each block has comments on what to decide: lookup or action, customer, approval, idempotency, amount, what customers see.
    /// An operation that a team file cannot express is one sentence on standard error. Exits with 1 if nothing could be imported.
    Openapi {
        /// The document, 16 MB at most; nothing that it refers to outside of itself is loaded
        file: PathBuf,
        /// An operation's id or "METHOD /path"; may be repeated, or a list with commas [default: all operations]
        #[arg(long, value_name = "OPERATION")]
        only: Vec<String>,
        /// The address of the service, in place of the document's
        #[arg(long, value_name = "URL")]
        server: Option<String>,
    },
    /// Asks an MCP server for its tools, and writes them as an [[mcp]] and [[tool]] blocks
    ///
    /// Each block has the hash of the server's definition: a tool whose definition changes later is not offered to models any more.
    /// Each has comments on what to decide; what the server says of its effects is not believed. A tool that a team file cannot
    /// express is one sentence on standard error. Exits with 1 if nothing could be imported.
    Mcp(mcp::Asked),
}

pub(crate) fn run(source: &Source) -> anyhow::Result<ExitCode> {
    match source {
        Source::Openapi { file, only, server } => openapi(file, only, server.as_deref()),
        Source::Mcp(asked) => mcp::run(asked),
    }
}

fn openapi(file: &Path, only: &[String], server: Option<&str>) -> anyhow::Result<ExitCode> {
    if let Some(server) = server
        && let Err(what) = check_server(server)
    {
        eprintln!("error: the server {server:?} {what}");
        return Ok(ExitCode::from(BAD_USAGE));
    }
    let document = Document::open(file)?;
    let (operations, unread) = document.operations();
    let operations = match chosen(&operations, only) {
        Ok(operations) => operations,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            return Ok(ExitCode::from(BAD_USAGE));
        }
    };
    if only.is_empty() {
        for sentence in unread {
            eprintln!("refused: {sentence}");
        }
    }
    let mut names = Vec::new();
    let mut blocks = Vec::new();
    let mut refused = Vec::new();
    for operation in &operations {
        match import(&document, operation, server) {
            Ok(block) => {
                names.push(operation.name.clone());
                blocks.push(block);
            }
            Err(reason) => refused.push((operation.title(), reason)),
        }
    }
    say_refused(&refused, operations.len());
    if blocks.is_empty() {
        eprintln!(
            "error: none of {} operations can be imported",
            operations.len()
        );
        return Ok(ExitCode::FAILURE);
    }
    let mut out = std::io::stdout().lock();
    let title = document.title();
    let from = if title.is_empty() {
        file.display().to_string()
    } else {
        title.to_owned()
    };
    write!(out, "{}", block::preface(&from, &names))?;
    for block in &blocks {
        write!(out, "\n{block}")?;
    }
    out.flush()?;
    eprintln!(
        "ok: {} of {} operations imported",
        blocks.len(),
        operations.len()
    );
    if blocks.len() > MAX_TOOLS {
        eprintln!(
            "warning: an agent has at most {MAX_TOOLS} tools, and a model chooses better among few: use --only"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// A reason that all have, such as no server, is said once.
fn say_refused(refused: &[(String, String)], operations: usize) {
    if let [(_, first), _, ..] = refused
        && refused.len() == operations
        && refused.iter().all(|(_, reason)| reason == first)
    {
        eprintln!("refused: all {operations} operations: {first}");
        return;
    }
    for (title, reason) in refused {
        eprintln!("refused: {title}: {reason}");
    }
}

/// The block of one operation. Err completes the sentence "OPERATION: …".
fn import(
    document: &Document,
    operation: &Operation<'_>,
    server: Option<&str>,
) -> Result<String, String> {
    let tool = Tool::of(document, operation, server)?;
    let block = block::block(&tool, &operation.title())?;
    tool::is_taken(&tool.name, &block)?;
    for left in &tool.left_out {
        eprintln!("left out: {}: {left}", operation.title());
    }
    Ok(block)
}
