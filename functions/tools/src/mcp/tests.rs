//! Declarations of servers and of their tools, and every mistake in them.

use std::time::Duration;

use baton_handoff::team::{Retries, Team};

use super::declare::{KeyPlace, McpCall, Place};
use super::verdict::Errors;
use crate::toolbox::{KINDS, providers};

const PIN: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

const SERVER: &str = "url = \"https://shop.example.com/mcp\"";

/// A team with a server and an action of it. `call`: lines of `[tool.mcp]` behind its pin.
fn team(kind: &str, server: &str, call: &str) -> String {
    format!(
        r#"name = "Shop"
entry = "Front"
[[agent]]
name = "Front"
instructions = "Help."
tools = ["book"]
[[mcp]]
name = "shop"
{server}
[[tool]]
name = "book"
kind = "{kind}"
description = "Books."
[tool.parameters]
table = {{ type = "string" }}
[tool.mcp]
server = "shop"
pinned = "{PIN}"
{call}
"#
    )
}

fn parse(text: &str) -> Result<Team, baton_handoff::team::TeamError> {
    Team::parse("team.toml", text, &providers(KINDS))
}

fn declared(server: &str, call: &str) -> (McpCall, Retries) {
    let team = parse(&team("action", server, call)).unwrap();
    let runs = &team.tool("book").unwrap().runs;
    let call = runs.config::<McpCall>().unwrap();
    (call.clone(), runs.retries)
}

#[test]
fn a_tool_of_a_server_is_read() {
    let (call, retries) = declared(SERVER, "");
    assert_eq!(call.name, "book");
    assert_eq!(call.pinned, PIN);
    assert_eq!((call.key, call.errors), (None, Errors::Unclear));
    assert!(!retries.has_keys && !retries.remembers_refusals);
    let Place::Url { url, .. } = &call.server.place else {
        panic!("no address")
    };
    assert_eq!(url.as_str(), "https://shop.example.com/mcp");

    let lines = "tool = \"book-table\"\nkey = { meta = \"com.example/key\" }\nkey_life_minutes = 30\n\
                 key_remembers = \"refusals\"\nerrors = \"refusals\"";
    let (call, retries) = declared(SERVER, lines);
    assert_eq!(call.name, "book-table");
    assert_eq!(call.key, Some(KeyPlace::Meta("com.example/key".to_owned())));
    assert_eq!(call.errors, Errors::Refusals);
    assert_eq!(
        retries,
        Retries {
            has_keys: true,
            key_life: Some(Duration::from_mins(30)),
            remembers_refusals: true,
        }
    );

    let program = "command = [\"npx\", \"shop\"]\nenv = [\"TOKEN\"]\nmemory_mb = 256";
    let (call, _) = declared(program, "");
    assert_eq!(
        call.server.place,
        Place::Command {
            command: vec!["npx".to_owned(), "shop".to_owned()],
            variables: vec!["TOKEN".to_owned()],
            memory_mb: 256,
        }
    );
}

#[test]
fn every_mistake_is_a_sentence_with_its_line() {
    let server = |lines: &str| team("action", lines, "");
    let call = |lines: &str| team("action", SERVER, lines);
    let lookup = |lines: &str| team("lookup", SERVER, lines);
    for (text, sentence) in [
        (
            server(""),
            "8: MCP server \"shop\" needs url, or command on a local server.",
        ),
        (
            server(&format!("{SERVER}\ncommand = [\"a\"]")),
            "10: MCP server \"shop\" has url and command; it is at one place.",
        ),
        (
            server("command = []"),
            "9: the command of MCP server \"shop\" names no program.",
        ),
        (
            server("command = [\"a\"]\nallow_private = true"),
            "10: MCP server \"shop\" has allow_private, which goes with url only.",
        ),
        (
            server("command = [\"a\"]\nheaders = { A = \"b\" }"),
            "10: MCP server \"shop\" has headers, which goes with url only.",
        ),
        (
            server(&format!("{SERVER}\nenv = [\"A\"]")),
            "10: MCP server \"shop\" has env, which goes with command only.",
        ),
        (
            server("command = [\"a\"]\nenv = [\"A B\"]"),
            "10: env of MCP server \"shop\" names a variable that is not made of letters, digits and _.",
        ),
        (
            server("url = \"ftp://a\""),
            "9: the URL of MCP server \"shop\" must begin with https:// or http://, and have a host.",
        ),
        (
            server("url = \"https://a/{b}\""),
            "9: the URL of MCP server \"shop\" is one address for all calls, without a place to fill in.",
        ),
        (
            server("url = \"https://me:word@a/\""),
            "9: the URL of MCP server \"shop\" must not hold a user or password; use a header from the environment.",
        ),
        (
            server("url = \"https://a/#b\""),
            "9: the URL of MCP server \"shop\" must not have a fragment (`#`), which is never sent.",
        ),
        (
            server(&format!("{SERVER}\nheaders = {{ Mcp-Session-Id = \"a\" }}")),
            "10: header \"Mcp-Session-Id\" of MCP server \"shop\" is set by Baton itself.",
        ),
        (
            server(&format!(
                "{SERVER}\nheaders = {{ X = \"{{customer.id}}\" }}"
            )),
            "10: header \"X\" of MCP server \"shop\" is the same in all calls, so it says nothing of a customer; the server \
             finds that in Baton-Token.",
        ),
        (
            server(&format!("{SERVER}\nport = 1")),
            "10: unknown key `port`, expected one of `name`, `url`, `command`, `headers`, `allow_private`, `env`, \
             `memory_mb`.",
        ),
        (
            server(&format!(
                "{SERVER}\n[[mcp]]\nname = \"shop\"\nurl = \"https://b/\""
            )),
            "11: MCP server \"shop\" is there twice.",
        ),
        (
            server(&format!(
                "{SERVER}\n[[mcp]]\nname = \"other\"\nurl = \"https://b/\""
            )),
            "11: no tool is of the MCP server \"other\".",
        ),
        (
            server(SERVER).replace("server = \"shop\"", "server = \"ship\""),
            "17: tool \"book\" is of the MCP server \"ship\", and no [[mcp]] has that name.",
        ),
        (
            server(SERVER).replace(PIN, "sha256:00"),
            "18: pinned of tool \"book\" is not sha256: and 64 digits, as `baton import mcp` writes it.",
        ),
        (
            call("key = { argument = \"table\" }"),
            "19: key of tool \"book\" is the argument \"table\", which is also a parameter, and so the model's; take it out of \
             the parameters.",
        ),
        (
            call("key = {}"),
            "19: key of tool \"book\" is { argument = \"NAME\" } or { meta = \"NAME\" }.",
        ),
        (
            call("key = { meta = \"traceparent\" }"),
            "19: key of tool \"book\" is \"traceparent\", which the protocol itself uses.",
        ),
        (
            call("key_life_minutes = 5"),
            "19: tool \"book\" has key_life_minutes without a key.",
        ),
        (
            lookup("key = { meta = \"a\" }"),
            "19: tool \"book\" is a lookup, and key is for actions only.",
        ),
        (
            lookup("errors = \"refusals\""),
            "19: tool \"book\" is a lookup, and errors is for actions only.",
        ),
    ] {
        let mistake = parse(&text).unwrap_err().to_string();
        assert_eq!(mistake, format!("team.toml:{sentence}"), "{text}");
    }
}

#[test]
fn a_server_without_any_tool_is_a_mistake() {
    let text = r#"name = "Shop"
entry = "Front"
[[agent]]
name = "Front"
instructions = "Help."
[[mcp]]
name = "shop"
url = "https://shop.example.com/mcp"
"#;
    assert_eq!(
        parse(text).unwrap_err().to_string(),
        "team.toml:7: no tool is of the MCP server \"shop\"."
    );
}
