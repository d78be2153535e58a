//! The protocol's own conformance suite for clients. It starts this very program as the client, once for each scenario, with the address
//! of a server; so one test here is the client, and another one runs the suite.
//!
//! `BATON_NODE` is Node.js, `BATON_CONFORMANCE` the suite's `index.js`. The stage `faces` sets both.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use baton_handoff::Owner;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{CallContext, ToolRequest, Tools};
use baton_handoff::team::Team;
use baton_kit::conformance::TestClock;
use baton_stores::memory::MemoryStore;
use baton_tools::mcp::{Candidate, Definition, look_at};
use baton_tools::outside::{Names, Outside};
use baton_tools::toolbox::{KINDS, Toolbox, providers};
use serde_json::{Map, Value, json};

/// What is claimed: everything but signing in by OAuth, which a team file does not do, and asking a person for input, which Baton
/// declines.
const SCENARIOS: &[(&str, &[&str])] = &[
    (
        "2025-11-25",
        &[
            "initialize",
            "tools_call",
            "sse-retry",
            "json-schema-2020-12-preservation",
        ],
    ),
    (
        "2026-07-28",
        &[
            "tools_call",
            "request-metadata",
            "http-standard-headers",
            "http-custom-headers",
            "http-invalid-tool-headers",
            "json-schema-ref-no-deref",
            "json-schema-2020-12-preservation",
        ],
    ),
];

struct Localhost;

#[async_trait]
impl Names for Localhost {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()])
    }
}

#[test]
#[ignore = "needs Node.js and the suite"]
fn the_suite_finds_no_fault() {
    let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (node, suite) = (setting("BATON_NODE"), setting("BATON_CONFORMANCE"));
    let program = std::env::current_exe().unwrap();
    let client = format!(
        "{} --ignored --exact conformance::the_client_of_a_scenario",
        program.display()
    );
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mcp-conformance");
    for (revision, scenarios) in SCENARIOS {
        for scenario in *scenarios {
            let output = Command::new(&node)
                .args([&suite, "client", "--command", &client])
                .args(["--scenario", scenario, "--spec-version", revision])
                .arg("--output-dir")
                .arg(&folder)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{scenario} of {revision}:\n{said}\n{errors}"
            );
            println!("{revision} {scenario}: ok");
        }
    }
}

#[tokio::test]
#[ignore = "the suite starts it"]
async fn the_client_of_a_scenario() {
    // The suite adds the address to the command.
    let url = std::env::args().next_back().unwrap();
    let clock = Arc::new(TestClock::new());
    let outside = Outside {
        store: Arc::new(MemoryStore::new(clock.clone())),
        env: clock.clone(),
        tokens: None,
        variables: &|_| None,
        networks: Vec::new(),
        plain_hosts: Vec::new(),
        extra_roots: Vec::new(),
        names: Arc::new(Localhost),
        runs_programs: false,
    };
    let candidate = Candidate::Url(url.clone(), Vec::new());
    let definitions = look_at(&candidate, &outside, &[]).await.unwrap();
    for definition in &definitions {
        println!("{} {:?}", definition.name, definition.mistake());
    }
    let usable: Vec<_> = definitions
        .iter()
        .filter(|definition| definition.mistake().is_none())
        .collect();
    let text = team(&url, &usable);
    let files = |name: &str| {
        let mut all = usable.iter();
        let found = all.find(|definition| definition.name == name);
        found
            .map(|definition| definition.schema.to_string())
            .ok_or_else(|| "no such tool".to_owned())
    };
    let team = Team::parse_with("team.toml", &text, &providers(KINDS), &files);
    let team = Arc::new(team.unwrap());
    let tools = Toolbox::open(KINDS, &team, &outside).unwrap();
    for definition in &usable {
        for arguments in arguments_for(definition, &usable) {
            let tool = team.tool(&definition.name).unwrap().clone();
            let checked = tool.check(&arguments.to_string());
            // A schema that allows no null has the argument left out.
            let checked = checked.or_else(|_| tool.check(&without_nulls(arguments).to_string()));
            let Ok(checked) = checked else {
                println!("{} was not called: {checked:?}", definition.name);
                continue;
            };
            let request = ToolRequest {
                tool,
                arguments: Arc::new(checked),
                context: CallContext::new(Owner::none(), ConversationId::parse("c").unwrap(), 1),
            };
            println!("{:?}", tools.lookup(&request).await);
        }
    }
}

/// A team with these tools of the server, as lookups; their schemas are files beside it, as JSON has words that TOML has not.
fn team(url: &str, definitions: &[&Definition]) -> String {
    let names: Vec<_> = definitions.iter().map(|it| it.name.clone()).collect();
    let mut blocks = vec![format!(
        "name = \"Shop\"\nentry = \"Front\"\n[[agent]]\nname = \"Front\"\ninstructions = \"Help.\"\ntools = {names:?}\n"
    )];
    if !definitions.is_empty() {
        blocks.push(format!(
            "[[mcp]]\nname = \"server\"\nurl = {url:?}\nallow_private = true\n"
        ));
    }
    blocks.extend(definitions.iter().map(|definition| {
        let (name, pin) = (&definition.name, definition.pin());
        format!(
            "[[tool]]\nname = {name:?}\nkind = \"lookup\"\ndescription = \"Of the suite.\"\nschema_file = {name:?}\n\
             [tool.mcp]\nserver = \"server\"\npinned = {pin:?}\n"
        )
    }));
    blocks.concat()
}

fn without_nulls(mut arguments: Value) -> Value {
    let members = arguments.as_object_mut().unwrap();
    members.retain(|_, value| !value.is_null());
    arguments
}

/// The arguments that the suite's scenario asks for, or such as fit the schema.
fn arguments_for(definition: &Definition, all: &[&Definition]) -> Vec<Value> {
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
    let context: Value = serde_json::from_str(&context).unwrap_or_default();
    let calls = context["toolCalls"].as_array().cloned().unwrap_or_default();
    let asked: Vec<_> = calls
        .iter()
        .filter(|call| call["name"] == definition.name.as_str())
        .map(|call| call["arguments"].clone())
        .collect();
    if !asked.is_empty() {
        return asked;
    }
    if definition.name == "json_schema_echo" {
        let other = all.iter().find(|other| other.name != definition.name);
        return vec![json!({"schema": other.unwrap().schema})];
    }
    let mut arguments = Map::new();
    let properties = definition.schema["properties"].as_object();
    for (name, schema) in properties.into_iter().flatten() {
        let value = match schema["type"].as_str() {
            Some("number" | "integer") => json!(5),
            Some("boolean") => json!(true),
            Some("string") => json!("text"),
            _ => continue,
        };
        arguments.insert(name.clone(), value);
    }
    vec![Value::Object(arguments)]
}
