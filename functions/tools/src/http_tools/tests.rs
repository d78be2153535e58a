//! Declarations of tools that call a service, and every mistake in them.

mod whole;

use std::time::Duration;

use baton_handoff::team::{ActionOrder, Amount, Approval, Retries, Team};

use super::call::{HttpBody, HttpCall, HttpMethod, HttpQuery, UrlPart};
use crate::outgoing::headers::HeaderValueSource;
use crate::toolbox::{KINDS, providers};

/// A small team without a mistake.
const SHOP: &str = include_str!("../../../handoff/src/team/tests/shop.toml");

fn parse(text: &str) -> Result<Team, baton_handoff::team::TeamError> {
    Team::parse("team.toml", text, &providers(KINDS))
}

fn error_of(text: &str) -> String {
    parse(text)
        .and_then(|team| team.compile_all())
        .expect_err("the file has a mistake")
        .to_string()
}

/// A shop with an action `book` and the given lines in its sections `[[tool]]` and `[tool.http]`.
fn booking(tool: &str, http: &str) -> String {
    let shop = SHOP.replace("[\"execute_refund\",", "[\"book\", \"execute_refund\",");
    format!(
        r#"{shop}
[[tool]]
name = "book"
kind = "action"
description = "Books a table."
{tool}

[tool.parameters]
table = {{ type = "string" }}
usd = {{ type = "integer" }}
note = {{ type = "string", optional = true }}

[tool.http]
{http}
"#
    )
}

#[track_caller]
fn assert_http_mistake(http: &str, sentence: &str) {
    assert_eq!(error_of(&booking("", http)), sentence);
}

#[track_caller]
fn assert_url_mistake(url: &str, reason: &str) {
    assert_http_mistake(
        &format!("method = \"POST\"\nurl = \"{url}\""),
        &format!("team.toml:51: the URL of tool \"book\" {reason}."),
    );
}

/// The request that is sent, and the retry rules.
fn runs(http: &str) -> (HttpCall, Retries) {
    let team = parse(&booking("", http)).unwrap();
    let runs = &team.tool("book").unwrap().runs;
    assert_eq!(runs.provider, "http");
    (runs.config::<HttpCall>().unwrap().clone(), runs.retries)
}

#[test]
fn a_call_is_read_with_its_url_headers_and_keys() {
    let (call, retries) = runs(
        r#"method = "PUT"
url = "https://api.example.com:8443/tables/{table}?usd={usd}"
headers = { Authorization = { env = "TABLES_TOKEN", prefix = "Bearer " }, Accept = "application/json" }
key_life_minutes = 30
body = "none""#,
    );
    assert_eq!(call.method, HttpMethod::Put);
    assert_eq!(call.url.origin, "https://api.example.com:8443");
    assert_eq!(
        call.url.parts,
        [
            UrlPart::Text("/tables/".into()),
            UrlPart::Parameter("table".into()),
            UrlPart::Text("?usd=".into()),
            UrlPart::Parameter("usd".into()),
        ]
    );
    let token = HeaderValueSource::Environment {
        variable: "TABLES_TOKEN".into(),
        prefix: "Bearer ".into(),
    };
    let json = HeaderValueSource::Literal("application/json".into());
    assert_eq!(
        call.headers,
        [("Accept".into(), json), ("Authorization".into(), token)]
    );
    assert_eq!(
        (retries.key_life, call.body),
        (Some(Duration::from_mins(30)), HttpBody::None)
    );
}

#[test]
fn a_call_without_settings_has_keys_for_20_hours_and_stays_off_private_addresses() {
    let (call, retries) = runs("method = \"POST\"\nurl = \"https://example.com\"");
    assert_eq!((retries.has_keys, call.allow_private), (true, false));
    assert_eq!(
        (retries.key_life, call.body, call.query),
        (
            Some(Duration::from_hours(20)),
            HttpBody::Arguments,
            HttpQuery::None
        )
    );
}

#[test]
fn arguments_can_be_sent_as_the_query() {
    let (call, _) = runs("method = \"GET\"\nurl = \"https://example.com\"\nquery = \"arguments\"");
    assert_eq!(
        (call.body, call.query),
        (HttpBody::None, HttpQuery::Arguments)
    );
}

#[test]
fn a_url_must_be_http_with_a_literal_host() {
    assert_url_mistake("ftp://example.com/", "must begin with https:// or http://");
    for host in ["{table}.example.com", "{table}", "example.com:{usd}"] {
        assert_url_mistake(
            &format!("https://{host}/"),
            "must name its host literally, without a parameter",
        );
    }
    assert_url_mistake("https:///tables", "must have a host");
    assert_url_mistake("https://[::1", "must have a port from 1 to 65535, or none");
    assert_url_mistake(
        "https://example.com:0/",
        "must have a port from 1 to 65535, or none",
    );
    assert_url_mistake(
        "https://me:secret@example.com/",
        "must not hold a user or password; use a header from the environment",
    );
    assert_url_mistake(
        "https://example.com/#top",
        "must not have a fragment (`#`), which is never sent",
    );
    for dots in ["..", ".", "%2e%2E", "tables/.%2e/secrets"] {
        assert_url_mistake(
            &format!("https://example.com/{dots}"),
            "must not have `.` or `..` in its path",
        );
    }
    assert_url_mistake(
        "https://example.com/a b",
        "may hold printable ASCII without spaces and backslashes only",
    );
    assert_url_mistake(
        "https://example.com/{table",
        "must have every { closed by a }",
    );
    assert_url_mistake(
        "https://example.com/table}",
        "must have every { closed by a }",
    );
}

#[test]
fn a_url_needs_parameters_that_are_always_there() {
    assert_url_mistake(
        "https://example.com/{chair}",
        "needs {chair}, which is not a parameter of it, nor one of {customer.id}, {customer.claims.NAME}, {conversation.id} and {turn}",
    );
    assert_url_mistake(
        "https://example.com/{note}",
        "needs {note}, which a call may leave out",
    );
}

#[test]
fn headers_that_cannot_be_sent_are_reported() {
    let header = |header: &str| {
        error_of(&booking(
            "",
            &format!("method = \"POST\"\nurl = \"https://example.com\"\nheaders = {{ {header} }}"),
        ))
    };
    assert_eq!(
        header(r#""A B" = "x""#),
        "team.toml:52: header \"A B\" of tool \"book\" has a name that HTTP does not allow."
    );
    assert_eq!(
        header(r#"Idempotency-Key = "x""#),
        "team.toml:52: header \"Idempotency-Key\" of tool \"book\" is set by Baton itself."
    );
    assert_eq!(
        header(r#"X = "a\nb""#),
        "team.toml:52: header \"X\" of tool \"book\" has a value that is not printable ASCII."
    );
    assert_eq!(
        header(r#"X = { env = "MY TOKEN" }"#),
        "team.toml:52: header \"X\" of tool \"book\" names an environment variable that is not made of letters, digits \
         and _."
    );
    assert_eq!(
        header("X = 7"),
        "team.toml:52: invalid type: integer `7`, expected a text or { env = \"NAME\" }."
    );
}

#[test]
fn a_key_life_without_keys_is_reported() {
    assert_http_mistake(
        "method = \"POST\"\nurl = \"https://example.com\"\nidempotency_keys = false\nkey_life_minutes = 5",
        "team.toml:53: tool \"book\" has key_life_minutes without idempotency keys.",
    );
}

#[test]
fn remembered_outcomes_need_a_service_with_keys() {
    let http = "method = \"POST\"\nurl = \"https://example.com\"";
    let remembers = |extra: &str| {
        let text = booking("", &format!("{http}\n{extra}"));
        parse(&text)
            .unwrap()
            .tool("book")
            .unwrap()
            .runs
            .retries
            .remembers_refusals
    };
    assert!(!remembers(""));
    assert!(!remembers("key_remembers = \"effects\""));
    assert!(remembers("key_remembers = \"refusals\""));
    assert_http_mistake(
        &format!("{http}\nidempotency_keys = false\nkey_remembers = \"refusals\""),
        "team.toml:53: tool \"book\" has key_remembers without idempotency keys.",
    );
}

#[test]
fn actions_are_tried_for_an_hour_or_what_the_file_says_and_never_past_the_life_of_a_key() {
    let http = "method = \"POST\"\nurl = \"https://example.com\"";
    let minutes = |tool: &str, key: &str| {
        let text = booking(tool, &format!("{http}\n{key}"));
        let team = parse(&text).unwrap();
        team.tool("book").unwrap().retry.as_secs() / 60
    };
    assert_eq!(minutes("", ""), 60);
    assert_eq!(minutes("", "key_life_minutes = 5"), 5);
    assert_eq!(minutes("retry_minutes = 90", ""), 90);
    assert_eq!(
        error_of(&booking(
            "retry_minutes = 90",
            &format!("{http}\nkey_life_minutes = 60")
        )),
        "team.toml:42: retry_minutes is 90 and must be from 1 to 60."
    );
}

#[test]
fn actions_keep_their_order_unless_the_file_says_that_they_are_free() {
    let http = "method = \"POST\"\nurl = \"https://example.com\"";
    let order = |extra: &str| {
        let team = parse(&booking(extra, http)).unwrap();
        team.tool("book").unwrap().order
    };
    assert_eq!(order(""), ActionOrder::Kept);
    assert_eq!(order("order = \"free\""), ActionOrder::Free);
    let lookup = booking("order = \"free\"", http).replace(
        "name = \"book\"\nkind = \"action\"",
        "name = \"book\"\nkind = \"lookup\"",
    );
    assert_eq!(
        error_of(&lookup),
        "team.toml:42: tool \"book\" is a lookup, and order is for actions only."
    );
}

#[test]
fn a_lookup_has_no_idempotency_keys() {
    let text = booking(
        "",
        "method = \"GET\"\nurl = \"https://example.com\"\nidempotency_keys = false",
    )
    .replace(
        "name = \"book\"\nkind = \"action\"",
        "name = \"book\"\nkind = \"lookup\"",
    );
    assert_eq!(
        error_of(&text),
        "team.toml:52: tool \"book\" is a lookup, and idempotency_keys is for actions only."
    );
}

#[test]
fn a_limit_on_a_service_names_the_parameter_that_holds_the_amount() {
    let http = "method = \"POST\"\nurl = \"https://example.com\"";
    let team = parse(&booking(
        "approval = { above_usd = 20, amount = \"usd\" }",
        http,
    ))
    .unwrap();
    let amount = Amount::Parameter("usd".into());
    assert_eq!(
        team.tool("book").unwrap().approval,
        Approval::Above {
            limit_cents: 2000,
            amount
        }
    );
    assert_eq!(
        error_of(&booking("approval = { above_usd = 20 }", http)),
        "team.toml:42: approval of tool \"book\" needs amount = \"PARAMETER\", since the service is not asked what a \
         call is worth."
    );
    assert_eq!(
        error_of(&booking(
            "approval = { above_usd = 20, amount = \"table\" }",
            http
        )),
        "team.toml:42: approval of tool \"book\" names the amount \"table\", which is not a required parameter of type \
         integer."
    );
}

/// A tool with one parameter of this schema, and these lines in `[tool.http]`.
fn with_parameter(schema: &str, http: &str) -> String {
    booking("", http).replace(
        "note = { type = \"string\", optional = true }",
        &format!("note = {schema}"),
    )
}

const QUERY: &str =
    "method = \"GET\"\nurl = \"https://example.com/{table}\"\nquery = \"arguments\"";

#[test]
fn a_parameter_that_a_query_cannot_send_is_reported_at_its_line() {
    for (schema, what) in [
        (
            "{ type = \"array\", items = { type = \"string\" } }",
            "an array",
        ),
        ("{ type = \"object\", optional = true }", "an object"),
        ("{ type = [\"string\", \"array\"] }", "an array"),
        (
            "{ anyOf = [{ type = \"string\" }, { type = \"object\" }] }",
            "an object",
        ),
        (
            "{ oneOf = [{ anyOf = [{ type = \"array\" }] }] }",
            "an array",
        ),
    ] {
        assert_eq!(
            error_of(&with_parameter(schema, QUERY)),
            format!(
                "team.toml:52: query = \"arguments\" of tool \"book\" cannot send \"note\", which may be {what}; a query takes \
                 texts, numbers and truth values, and lists of them with query_lists = \"repeat\" or \"comma\"."
            )
        );
    }
    for schema in [
        "{ type = [\"string\", \"null\"] }",
        "{ enum = [\"a\", \"b\"] }",
        "{ type = [\"string\", \"array\"], enum = [\"a\", \"b\"] }",
        "{ anyOf = [{ type = \"integer\" }, { type = \"null\" }] }",
        "{}",
    ] {
        let text = with_parameter(schema, QUERY);
        assert!(parse(&text).is_ok(), "{schema}");
    }
    let in_body = "method = \"POST\"\nurl = \"https://example.com/{table}\"";
    let text = with_parameter("{ type = \"array\" }", in_body);
    assert!(parse(&text).is_ok());
}

#[test]
fn lists_stand_in_a_query_where_the_file_says_how() {
    let lists = |lists: &str| format!("{QUERY}\nquery_lists = \"{lists}\"");
    for (schema, what) in [
        ("{ type = \"object\" }", "be an object"),
        (
            "{ type = \"array\", items = { type = \"object\" } }",
            "have an item that is an object",
        ),
        (
            "{ anyOf = [{ type = \"null\" }, { type = \"array\", items = { type = [\"string\", \"null\"] } }] }",
            "have an item that is null",
        ),
    ] {
        assert_eq!(
            error_of(&with_parameter(schema, &lists("comma"))),
            format!(
                "team.toml:52: query = \"arguments\" of tool \"book\" cannot send \"note\", which may {what}; a query takes \
                 texts, numbers and truth values, and lists of them with query_lists = \"repeat\" or \"comma\"."
            )
        );
    }
    for schema in [
        "{ type = \"array\", items = { type = \"string\" } }",
        "{ type = [\"array\", \"null\"], items = { enum = [1, 2] } }",
    ] {
        assert!(parse(&with_parameter(schema, &lists("repeat"))).is_ok());
    }
    assert_http_mistake(
        "method = \"GET\"\nurl = \"https://example.com\"\nquery_lists = \"comma\"",
        "team.toml:52: tool \"book\" has query_lists without query = \"arguments\".",
    );
    assert_http_mistake(
        "method = \"GET\"\nurl = \"https://example.com\"\nquery_lists = \"pipes\"",
        "team.toml:52: unknown value `pipes`, expected `repeat` or `comma`.",
    );
}

#[test]
fn a_reference_in_a_schema_is_followed() {
    let schema = r##"[tool.schema]
type = "object"
required = ["table"]
properties = { table = { "$ref" = "#/$defs/tables" }, next = { "$ref" = "#/$defs/next" } }

[tool.schema."$defs"]
tables = { type = "array" }
next = { anyOf = [{ "$ref" = "#/$defs/day" }, { type = "null" }] }
day = { type = "string" }
"##;
    let text = booking(
        "",
        "method = \"GET\"\nurl = \"https://example.com/\"\nquery = \"arguments\"",
    );
    let (before, rest) = text.split_once("[tool.parameters]\n").unwrap();
    // Belongs to the last tool; the others keep theirs.
    let (before, rest) = match rest.rsplit_once("[tool.parameters]\n") {
        Some((more, rest)) => (format!("{before}[tool.parameters]\n{more}"), rest),
        None => (before.to_owned(), rest),
    };
    let (_, http) = rest.split_once("[tool.http]").unwrap();
    let sentence = error_of(&format!("{before}{schema}\n[tool.http]{http}"));
    assert!(
        sentence.contains("cannot send \"table\", which may be an array;"),
        "{sentence}"
    );
}

#[test]
fn a_url_takes_no_lists_objects_and_nulls() {
    let http = "method = \"GET\"\nurl = \"https://example.com/{note}\"";
    for (schema, what) in [
        ("{ type = \"array\" }", "an array"),
        ("{ type = \"object\" }", "an object"),
        ("{ type = [\"string\", \"null\"] }", "null"),
    ] {
        assert_eq!(
            error_of(&with_parameter(schema, http)),
            format!(
                "team.toml:51: the URL of tool \"book\" needs {{note}}, which may be {what}; an address takes texts, numbers and \
                 truth values."
            )
        );
    }
    for schema in [
        "{ type = [\"string\", \"integer\"] }",
        "{ type = \"boolean\" }",
    ] {
        let text = with_parameter(schema, http);
        assert!(parse(&text).is_ok(), "{schema}");
    }
}

#[test]
fn a_url_that_no_server_accepts_is_reported() {
    let long = "x".repeat(9_000);
    assert_url_mistake(
        &format!("https://example.com/{long}"),
        "has 9020 bytes before any argument is in it, and servers take 8192 at most",
    );
}

#[test]
fn a_get_has_no_body() {
    assert_http_mistake(
        "method = \"GET\"\nurl = \"https://example.com\"\nbody = \"arguments\"",
        "team.toml:52: tool \"book\" sends a body with GET, which services ignore or refuse; use query = \"arguments\".",
    );
    runs("method = \"GET\"\nurl = \"https://example.com\"\nbody = \"none\"");
    runs("method = \"DELETE\"\nurl = \"https://example.com\"\nbody = \"arguments\"");
}

#[test]
fn a_header_is_there_once_and_has_no_parameters() {
    let header = |headers: &str| {
        format!("method = \"POST\"\nurl = \"https://example.com\"\nheaders = {{ {headers} }}")
    };
    assert_http_mistake(
        &header("X-Key = \"a\", x-key = \"b\""),
        "team.toml:52: header \"x-key\" of tool \"book\" is there twice; the case of its letters means nothing.",
    );
    assert_http_mistake(
        &header("X-Table = \"no {table}\""),
        "team.toml:52: header \"X-Table\" of tool \"book\" has {table}, which is not one of {customer.id}, {customer.claims.NAME}, \
         {conversation.id} and {turn}; a parameter stands in the URL or in the body.",
    );
    runs(&header("X-Json = '{\"a\": {}}'"));
}

#[test]
fn keys_that_are_forgotten_within_one_attempt_are_reported() {
    let http = "method = \"POST\"\nurl = \"https://example.com\"\nkey_life_minutes = 2";
    assert_eq!(
        error_of(&booking("timeout_seconds = 120", http)),
        "team.toml:52: key_life_minutes of tool \"book\" is over before one try of timeout_seconds; nothing would ever be \
         tried again."
    );
    assert!(parse(&booking("timeout_seconds = 60", http)).is_ok());
}

#[test]
fn a_misspelt_name_of_what_baton_knows_is_reported() {
    let known = "one of {customer.id}, {customer.claims.NAME}, {conversation.id} and {turn}";
    for name in [
        "customer",
        "customer.ids",
        "customer.claims.",
        "conversation",
        "turn.id",
    ] {
        let url = format!("https://example.com/{{{name}}}");
        assert_url_mistake(
            &url,
            &format!("needs {{{name}}}, which is not a parameter of it, nor {known}"),
        );
        let not_ours = format!(
            "has {{{name}}}, which is not {known}; a parameter stands in the URL or in the body"
        );
        let post = "method = \"POST\"\nurl = \"https://example.com\"";
        assert_http_mistake(
            &format!("{post}\nheaders = {{ X-A = \"x {{{name}}}\" }}"),
            &format!("team.toml:52: header \"X-A\" of tool \"book\" {not_ours}."),
        );
        assert_http_mistake(
            &format!("{post}\n[tool.http.body_fields]\na = \"{{{name}}}\""),
            &format!("team.toml:53: the body field \"a\" of tool \"book\" {not_ours}."),
        );
    }
}

#[test]
fn no_parameter_stands_for_what_baton_knows() {
    let turn = booking(
        "",
        "method = \"POST\"\nurl = \"https://example.com/{turn}\"",
    );
    let turn = turn.replace("usd = {", "turn = {");
    assert_eq!(
        error_of(&turn),
        "team.toml:51: the URL of tool \"book\" needs {turn}, which Baton fills in itself, and a parameter of the tool has that name."
    );
    assert_http_mistake(
        "method = \"POST\"\nurl = \"https://example.com\"\n[tool.http.body_fields]\nnote = \"{customer.id}\"",
        "team.toml:53: the body field \"note\" of tool \"book\" has the name of a parameter, which the model fills.",
    );
    assert_http_mistake(
        "method = \"POST\"\nurl = \"https://example.com?%6Eote={customer.id}\"\nquery = \"arguments\"\nbody = \"none\"",
        "team.toml:52: query = \"arguments\" of tool \"book\" would send \"note\" beside the one that Baton fills in.",
    );
    assert_http_mistake(
        "method = \"GET\"\nurl = \"https://example.com\"\n[tool.http.body_fields]\na = \"{turn}\"",
        "team.toml:53: the body field \"a\" of tool \"book\" has no body to stand in; use body = \"arguments\".",
    );
    for name in ["Baton-Token", "Traceparent"] {
        assert_http_mistake(
            &format!(
                "method = \"GET\"\nurl = \"https://example.com\"\nheaders = {{ {name} = \"x\" }}"
            ),
            &format!("team.toml:52: header {name:?} of tool \"book\" is set by Baton itself."),
        );
    }
    assert_url_mistake(
        "https://{customer.id}.example.com/",
        "must name its host literally, without a parameter",
    );
}
