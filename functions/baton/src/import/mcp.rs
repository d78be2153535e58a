//! `baton import mcp`: the tools of an MCP server as blocks of a team file. Asks the server for its list, and calls none of them.
//! Knows definitions and words; believes nothing that a server says of the effects of a tool.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use baton_handoff::ports::Env;
use baton_setup::settings::Values;
use baton_stores::env::SystemEnv;
use baton_stores::memory::MemoryStore;
use baton_tools::mcp::{Candidate, Definition, look_at};
use baton_tools::outside::{Outside, SystemNames};
use clap::Args;
use serde::Deserialize as _;

use super::names::{Names, is_argument, plain, short};
use super::node::{Map, Node};
use super::toml::{comment, key, text};
use super::{BAD_USAGE, MAX_TOOLS, block, tool};

/// Names under which servers take a key for idempotency, without their `_` and `-`.
const KEY_NAMES: &[&str] = &["idempotencykey", "requestid", "clienttoken", "operationid"];

/// What to connect to, and what to write.
#[derive(Args)]
pub(crate) struct Asked {
    /// The server's address
    url: Option<String>,
    /// A tool's name at the server; may be repeated, or a list with commas [default: all tools]
    #[arg(long, value_name = "TOOL")]
    only: Vec<String>,
    /// A tool that certainly changes nothing; may be repeated, or a list with commas [default: none, whatever the server says]
    #[arg(long, value_name = "TOOL")]
    lookup: Vec<String>,
    /// The server's name in the team file [default: from its address or program]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// The environment variable with a token for `Authorization: Bearer`
    #[arg(long, value_name = "VARIABLE")]
    bearer: Option<String>,
    /// A header and the environment variable with its value; may be repeated
    #[arg(long, value_name = "HEADER=VARIABLE")]
    header: Vec<String>,
    /// An environment variable that the program gets; may be repeated
    #[arg(long, value_name = "VARIABLE")]
    env: Vec<String>,
    /// A program that is the server, and its arguments, behind `--`
    #[arg(last = true)]
    command: Vec<String>,
}

pub(super) fn run(asked: &Asked) -> anyhow::Result<ExitCode> {
    let (candidate, server) = match server(asked) {
        Ok(server) => server,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            return Ok(ExitCode::from(BAD_USAGE));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let values = crate::values()?;
    let definitions = match runtime.block_on(ask(&candidate, asked, &values)) {
        Ok(definitions) => definitions,
        Err(why) => {
            eprintln!("error: the server cannot be asked for its tools: {why}");
            return Ok(ExitCode::FAILURE);
        }
    };
    // A program is ended before anything is written.
    drop(runtime);
    let lookups = listed(&asked.lookup);
    let chosen = match chosen(&definitions, &listed(&asked.only), &lookups) {
        Ok(chosen) => chosen,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            return Ok(ExitCode::from(BAD_USAGE));
        }
    };
    let (mut names, mut imported, mut blocks) = (Names::default(), Vec::new(), Vec::new());
    for definition in &chosen {
        let name = names.take(&definition.name);
        let is_lookup = lookups.contains(&definition.name.as_str());
        match tool_block(definition, &name, is_lookup, &server) {
            Ok(block) => {
                imported.push(text(&name));
                blocks.push(block);
            }
            Err(why) => eprintln!("refused: {}: {why}", comment(&definition.name)),
        }
    }
    if blocks.is_empty() {
        eprintln!("error: none of {} tools can be imported", chosen.len());
        return Ok(ExitCode::FAILURE);
    }
    let mut out = std::io::stdout().lock();
    write!(
        out,
        "# Imported from the MCP server {}. Its descriptions are what your models will read: read them first. Then decide, for\n\
         # each block, what is a lookup, who approves, what makes two calls the same, what a customer sees. The comments say where.\n\
         # For the agent: tools = [{}]\n\n{}",
        server.name,
        imported.join(", "),
        server.block
    )?;
    for block in &blocks {
        write!(out, "\n{block}")?;
    }
    out.flush()?;
    eprintln!("ok: {} of {} tools imported", blocks.len(), chosen.len());
    if blocks.len() > MAX_TOOLS {
        eprintln!(
            "warning: an agent has at most {MAX_TOOLS} tools, and a model chooses better among few: use --only"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The server as a team file has it.
struct Server {
    name: String,
    block: String,
}

/// Err is a sentence about the command.
fn server(asked: &Asked) -> Result<(Candidate, Server), String> {
    let mut lines = Vec::new();
    let (candidate, usual_name) = match (&asked.url, asked.command.first()) {
        (Some(url), None) => {
            let mut headers = Vec::new();
            if let Some(variable) = &asked.bearer {
                let (name, prefix) = ("Authorization".to_owned(), "Bearer ".to_owned());
                headers.push((name, variable.clone(), prefix));
            }
            for header in &asked.header {
                let (name, variable) = header
                    .split_once('=')
                    .ok_or_else(|| format!("--header {header} is not HEADER=VARIABLE"))?;
                headers.push((name.to_owned(), variable.to_owned(), String::new()));
            }
            lines.push(format!("url = {}", text(url)));
            if !headers.is_empty() {
                let pairs: Vec<_> = headers.iter().map(header).collect();
                lines.push(format!("headers = {{ {} }}", pairs.join(", ")));
            }
            let host = url.split("//").nth(1).unwrap_or_default();
            let host = host.split(['/', ':', '?']).next().unwrap_or_default();
            if matches!(host, "localhost" | "127.0.0.1" | "[") {
                lines.push("allow_private = true  # this machine".to_owned());
            }
            (Candidate::Url(url.clone(), headers), plain(host))
        }
        (None, Some(program)) => {
            let words: Vec<_> = asked.command.iter().map(|word| text(word)).collect();
            lines.push(format!("command = [{}]", words.join(", ")));
            if !asked.env.is_empty() {
                let names: Vec<_> = asked.env.iter().map(|name| text(name)).collect();
                lines.push(format!("env = [{}]", names.join(", ")));
            }
            let file = program.rsplit('/').next().unwrap_or(program);
            (Candidate::Command(asked.command.clone()), plain(file))
        }
        (Some(_), Some(_)) => return Err("name an address or a program, not both".to_owned()),
        (None, None) => {
            return Err("name the server's address, or its program behind --".to_owned());
        }
    };
    let name = match &asked.server_name {
        Some(name) if !name.is_empty() && plain(name) == *name => name.clone(),
        Some(name) => {
            return Err(format!(
                "the name {name:?} of the server is not 1 to 64 letters, digits, `_` and `-`"
            ));
        }
        None if usual_name.is_empty() => "server".to_owned(),
        None => usual_name,
    };
    let block = format!("[[mcp]]\nname = {}\n{}\n", text(&name), lines.join("\n"));
    Ok((candidate, Server { name, block }))
}

fn header((name, variable, prefix): &(String, String, String)) -> String {
    let prefix = match prefix.as_str() {
        "" => String::new(),
        prefix => format!(", prefix = {}", text(prefix)),
    };
    format!("{} = {{ env = {}{prefix} }}", key(name), text(variable))
}

async fn ask(
    candidate: &Candidate,
    asked: &Asked,
    values: &Values,
) -> Result<Vec<Definition>, String> {
    let env: Arc<dyn Env> = Arc::new(SystemEnv);
    let outside = Outside {
        store: Arc::new(MemoryStore::new(env.clone())),
        env,
        tokens: None,
        variables: &|name| values.get(name).map(str::to_owned),
        networks: Vec::new(),
        plain_hosts: values.plain_hosts(),
        extra_roots: Vec::new(),
        names: Arc::new(SystemNames),
        runs_programs: true,
    };
    look_at(candidate, &outside, &asked.env).await
}

/// The names in options that may be lists with commas.
fn listed(options: &[String]) -> Vec<&str> {
    let names = options.iter().flat_map(|option| option.split(','));
    names
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// Those of the tools that a person chose, in the server's order; all where nothing was chosen.
fn chosen<'a>(
    definitions: &'a [Definition],
    only: &[&str],
    lookups: &[&str],
) -> Result<Vec<&'a Definition>, String> {
    for name in only.iter().chain(lookups) {
        if definitions.iter().all(|it| it.name != *name) {
            let known = definitions.iter().map(|it| it.name.as_str());
            return Err(
                match known.min_by_key(|known| strsim::levenshtein(name, known)) {
                    Some(near) => format!("no tool is {name:?}; the nearest is {near:?}"),
                    None => format!("no tool is {name:?}, for the server has none"),
                },
            );
        }
    }
    let is_chosen = |it: &&Definition| only.is_empty() || only.contains(&it.name.as_str());
    Ok(definitions.iter().filter(is_chosen).collect())
}

/// The block of one tool. Err completes the sentence "TOOL: …".
fn tool_block(
    definition: &Definition,
    name: &str,
    is_lookup: bool,
    server: &Server,
) -> Result<String, String> {
    if let Some(mistake) = definition.mistake() {
        return Err(format!("it {mistake}"));
    }
    let schema = Node::deserialize(&definition.schema).map_err(|error| error.to_string())?;
    let Node::Map(map) = without_null_defaults(schema) else {
        return Err("its schema is no object".to_owned());
    };
    let properties = map.map("properties").into_iter().flat_map(Map::iter);
    let arguments: Vec<_> = properties.map(|(name, _)| name.to_owned()).collect();
    if let Some(strange) = arguments.iter().find(|name| !is_argument(name)) {
        return Err(format!(
            "model services do not take {strange:?} as the name of an argument"
        ));
    }
    let title = short(&definition.name, 100);
    let mut lines = vec![format!("# {}", comment(&title)), "[[tool]]".to_owned()];
    lines.push(format!("name = {}", text(name)));
    lines.push(if is_lookup {
        "kind = \"lookup\"  # as you said; it may run again at any time".to_owned()
    } else {
        "kind = \"action\"  # whatever the server says of itself; \"lookup\" if it certainly changes nothing"
            .to_owned()
    });
    let description = match definition.description.trim() {
        "" => name,
        description => description,
    };
    lines.push(format!("description = {}", text(description)));
    if !is_lookup {
        lines.push(
            "approval = \"always\"  # until you decide: \"never\", \"customer\", \"always\", or above an amount"
                .to_owned(),
        );
        let required = required(&map);
        if !required.is_empty() {
            lines.push(format!(
                "# identity = {}  # the arguments that make two calls of a turn the same action",
                list(&required)
            ));
        }
    }
    if !arguments.is_empty() {
        lines.push(format!(
            "# show = {}  # what customers see of its calls; only the name without it",
            list(&arguments)
        ));
    }
    lines.extend(block::schema(&map)?);
    lines.extend([String::new(), "[tool.mcp]".to_owned()]);
    lines.push(format!("server = {}", text(&server.name)));
    if name != definition.name {
        lines.push(format!("tool = {}", text(&definition.name)));
    }
    lines.push(format!("pinned = {}", text(&definition.pin())));
    if !is_lookup {
        lines.push(match arguments.iter().find(|name| is_key(name)) {
            Some(argument) => format!(
                "# key = {{ argument = {} }}  # if that is a key for idempotency: then take it out of the schema; without a key, \
                 called at most once",
                text(argument)
            ),
            None => "# key = { argument = \"NAME\" }  # or { meta = \"NAME\" }: where the server takes a key for idempotency; without \
                     one, called at most once"
                .to_owned(),
        });
        lines.push(
            "# errors = \"refusals\"  # if an error that the tool reports means that nothing was done"
                .to_owned(),
        );
    }
    lines.push(String::new());
    let block = lines.join("\n");
    tool::is_taken(name, &format!("{}{block}", server.block))?;
    Ok(block)
}

/// TOML has no null. As a default it means the same as none.
fn without_null_defaults(node: Node) -> Node {
    match node {
        Node::Map(map) => {
            let kept = map.into_iter();
            let kept = kept.filter(|(name, value)| name != "default" || *value != Node::Null);
            Node::Map(
                kept.map(|(name, value)| (name, without_null_defaults(value)))
                    .collect(),
            )
        }
        Node::List(items) => Node::List(items.into_iter().map(without_null_defaults).collect()),
        other
        @ (Node::Null | Node::Bool(_) | Node::Integer(_) | Node::Float(_) | Node::Text(_)) => other,
    }
}

fn required(schema: &Map) -> Vec<String> {
    let required = schema.get("required").map(Node::items).unwrap_or_default();
    let names = required.iter().filter_map(Node::as_text);
    names.map(str::to_owned).collect()
}

fn list(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| text(name)).collect();
    format!("[{}]", names.join(", "))
}

fn is_key(name: &str) -> bool {
    let plain = name.to_ascii_lowercase().replace(['_', '-'], "");
    KEY_NAMES.contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn block_of(schema: Value, is_lookup: bool) -> Result<String, String> {
        let definition = Definition {
            name: "find.order".to_owned(),
            description: "Finds an \"order\".\nQuickly.".to_owned(),
            schema,
        };
        let server = Server {
            name: "shop".to_owned(),
            block: "[[mcp]]\nname = \"shop\"\nurl = \"https://shop.example.com/mcp\"\n".to_owned(),
        };
        tool_block(&definition, "find_order", is_lookup, &server)
    }

    #[test]
    fn a_tool_is_an_action_with_its_pin_until_a_person_says_otherwise() {
        let schema = json!({
            "type": "object",
            "properties": {
                "number": {"type": "string"},
                "request_id": {"type": ["string", "null"], "default": null},
            },
            "required": ["number"],
        });
        let block = block_of(schema.clone(), false).unwrap();
        for line in [
            "# find.order",
            "name = \"find_order\"",
            "description = \"Finds an \\\"order\\\".\\nQuickly.\"",
            "# identity = [\"number\"]  # the arguments that make two calls of a turn the same action",
            "request_id = { type = [\"string\", \"null\"] }",
            "tool = \"find.order\"",
            "server = \"shop\"",
        ] {
            assert!(block.lines().any(|found| found == line), "{line}:\n{block}");
        }
        assert!(block.contains("\nkind = \"action\"  # "));
        assert!(block.contains("\n# key = { argument = \"request_id\" }  # "));
        assert!(block.contains("\npinned = \"sha256:"));
        let lookup = block_of(schema, true).unwrap();
        assert!(lookup.contains("\nkind = \"lookup\"  # "));
        assert!(!lookup.contains("approval"));
    }

    #[test]
    fn what_a_team_file_cannot_have_is_a_sentence() {
        let of = |properties: Value| {
            block_of(json!({"type": "object", "properties": properties}), false).unwrap_err()
        };
        for (properties, sentence) in [
            (
                json!({"a": {"$ref": "https://example.com/schema.json"}}),
                "a team file cannot have it",
            ),
            (
                json!({"a": {"type": "string", "pattern": "("}}),
                "a team file cannot have it",
            ),
            (
                json!({"a": {"enum": ["x", null]}}),
                "it holds null where TOML has none",
            ),
            (
                json!({"a": {"type": "number", "x-mcp-header": "A"}}),
                "it has x-mcp-header for a, which is no text",
            ),
            (json!({"größe": {}}), "model services do not take"),
        ] {
            let found = of(properties.clone());
            assert!(found.starts_with(sentence), "{properties}: {found}");
        }
    }
}
