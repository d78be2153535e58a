//! A tool as text: the block of a team file, with comments on what a person decides.
//! Knows words only; what is live in a block was decided before, and comments change nothing.

use super::hints;
use super::names::short;
use super::node::{Map, Node};
use super::toml::{comment, key, pairs, text};
use super::tool::{Body, Tool};

/// Members that a comment names.
const MAX_NAMED: usize = 8;

/// What stands before all blocks.
pub(super) fn preface(from: &str, names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| text(name)).collect();
    format!(
        "# Imported from {}. Read each block and decide before an agent has it:\n\
         # who the customer is, what is a lookup, who approves, what a customer sees. The comments say where.\n\
         # For the agent: tools = [{}]\n",
        comment(&short(from, 100)),
        names.join(", ")
    )
}

pub(super) fn block(tool: &Tool, title: &str) -> Result<String, String> {
    let mut lines = vec![format!("# {}", comment(title))];
    if tool.is_deprecated {
        lines.push("# The document calls it deprecated.".to_owned());
    }
    lines.extend(left_out(tool));
    lines.push("[[tool]]".to_owned());
    lines.push(format!("name = {}", text(&tool.name)));
    if tool.is_action() {
        let only = format!("# {}; \"lookup\" if it changes nothing", tool.method);
        lines.push(format!("kind = \"action\"  {only}"));
    } else {
        lines.push("kind = \"lookup\"  # GET; \"action\" if it changes something".to_owned());
    }
    lines.push(format!("description = {}", text(&tool.description)));
    if tool.is_action() {
        lines.push(
            "approval = \"always\"  # until you decide: \"never\", \"customer\", \"always\", or above an amount"
                .to_owned(),
        );
        lines.push(hints::identity(tool));
        lines.extend(hints::amount(tool));
    }
    lines.push(hints::show(tool));
    lines.extend(schema(&tool.schema)?);
    lines.extend(http(tool));
    lines.push(String::new());
    Ok(lines.join("\n"))
}

fn left_out(tool: &Tool) -> Option<String> {
    let more = tool.left_out.len().saturating_sub(MAX_NAMED);
    let mut named: Vec<_> = tool.left_out.iter().take(MAX_NAMED).cloned().collect();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    (!named.is_empty()).then(|| format!("# Left out: {}.", comment(&named.join("; "))))
}

/// The lines of a schema.
pub(super) fn schema(schema: &Map) -> Result<Vec<String>, String> {
    let no_members = Map::default();
    let members = schema.map("properties").unwrap_or(&no_members);
    let is_closed = schema.get("additionalProperties") == Some(&Node::Bool(false));
    if members.is_empty() && is_closed {
        return Ok(Vec::new());
    }
    let whole: Map = schema
        .iter()
        .filter(|(keyword, _)| *keyword != "properties")
        .map(|(keyword, value)| (keyword.to_owned(), value.clone()))
        .collect();
    let mut lines = vec![String::new(), "[tool.schema]".to_owned()];
    lines.extend(pairs(&whole)?);
    if !members.is_empty() {
        lines.extend([String::new(), "[tool.schema.properties]".to_owned()]);
        lines.extend(pairs(members)?);
    }
    Ok(lines)
}

fn http(tool: &Tool) -> Vec<String> {
    let mut lines = vec![String::new(), "[tool.http]".to_owned()];
    lines.push(format!("method = {}", text(&tool.method)));
    lines.push(format!("url = {}", text(&tool.url)));
    let usual = match tool.method.as_str() {
        "GET" | "DELETE" => Body::None,
        _ => Body::Arguments,
    };
    if tool.body != usual {
        lines.push(format!("body = {}", text(tool.body.as_str())));
    }
    if tool.parameters.is_query {
        lines.push("query = \"arguments\"".to_owned());
    }
    if let Some(lists) = tool.parameters.lists {
        lines.push(format!("query_lists = {}", text(lists.as_str())));
    }
    if tool.is_action() {
        lines.push(keys(tool));
    }
    lines.extend(hints::customer(tool));
    lines.extend(hints::secret(tool));
    lines.extend(headers(tool));
    lines
}

fn keys(tool: &Tool) -> String {
    if tool.parameters.has_key {
        return "idempotency_keys = true  # as the document says; how long are keys remembered (key_life_minutes, key_remembers)?"
            .to_owned();
    }
    let why = match &tool.parameters.other_key {
        Some(other) => format!(
            "the document has {}, and Baton sends Idempotency-Key",
            comment(other)
        ),
        None => "the document names no Idempotency-Key".to_owned(),
    };
    format!("idempotency_keys = false  # {why}: called at most once, and unknown when cut")
}

/// Headers with known values are live. The others wait for a person, in a comment.
fn headers(tool: &Tool) -> Vec<String> {
    let headers = &tool.parameters.headers;
    let pair = |name: &str, value: &str| format!("{} = {value}", key(name));
    let live: Vec<_> = headers
        .iter()
        .filter(|header| header.is_required)
        .filter_map(|header| Some(pair(&header.name, &text(header.value.as_ref()?))))
        .collect();
    let missing = headers
        .iter()
        .filter(|header| header.is_required && header.value.is_none());
    let missing = missing.map(|header| pair(&header.name, "\"{customer.id}, or a text\""));
    let secrets = tool.secrets.iter().map(|secret| {
        let prefix = match secret.prefix {
            "" => String::new(),
            prefix => format!(", prefix = {}", text(prefix)),
        };
        pair(
            &secret.header,
            &format!("{{ env = {}{prefix} }}", text(&secret.variable)),
        )
    });
    let waiting: Vec<_> = secrets.chain(missing).collect();
    let mut lines = Vec::new();
    if !live.is_empty() {
        lines.push(format!("headers = {{ {} }}", live.join(", ")));
    }
    if !waiting.is_empty() {
        let all: Vec<_> = waiting.into_iter().chain(live).collect();
        lines.push(format!("# headers = {{ {} }}", comment(&all.join(", "))));
    }
    let optional = headers.iter().filter(|header| !header.is_required);
    let optional: Vec<_> = optional.map(|header| header.name.as_str()).collect();
    if !optional.is_empty() {
        lines.push(format!(
            "# headers that may be sent: {}",
            comment(&optional.join(", "))
        ));
    }
    lines
}
