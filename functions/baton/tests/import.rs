//! `baton import openapi` from outside: blocks that a team file takes, sentences for the rest, and how it ends.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

const SHOP: &str = r"
openapi: 3.0.3
info: { title: Shop, version: '1' }
servers:
  - url: https://shop.example.com/api
security:
  - bearerAuth: []
paths:
  /goods:
    get:
      operationId: searchGoods
      summary: Searches goods
      parameters:
        - { name: text, in: query, required: true, schema: { type: string, minLength: 1 } }
        - { name: color, in: query, schema: { type: array, items: { type: string, enum: [red, blue] } } }
        - { name: limit, in: query, schema: { type: integer, minimum: 0, exclusiveMinimum: true, default: 20 } }
  /orders/{orderId}/refunds:
    parameters:
      - { name: orderId, in: path, required: true, schema: { type: string, format: uuid } }
    post:
      operationId: refunds.create
      description: Refunds a part of an order.
      parameters:
        - { name: Idempotency-Key, in: header, schema: { type: string } }
      requestBody:
        required: true
        content:
          application/json:
            schema: { $ref: '#/components/schemas/Refund' }
      responses:
        '201':
          description: Done
          content:
            application/json:
              schema: { type: object, properties: { refundId: { type: string } } }
  /pictures:
    post:
      operationId: addPicture
      requestBody:
        content:
          multipart/form-data:
            schema: { type: object, properties: { file: { type: string, format: binary } } }
components:
  securitySchemes:
    bearerAuth: { type: http, scheme: bearer }
  schemas:
    Refund:
      type: object
      required: [amount, lines]
      properties:
        amount: { type: integer, minimum: 1, description: 'In whole dollars: no cents' }
        reason: { type: string, nullable: true, example: broken }
        lines: { type: array, items: { $ref: '#/components/schemas/Line' } }
        parent: { $ref: '#/components/schemas/Refund' }
    Line:
      type: object
      required: [good]
      properties:
        good: { type: string, pattern: '^G\d+$' }
";

const TICKETS: &str = r##"{
  "openapi": "3.1.0",
  "info": {"title": "Tickets \"and\" more", "version": "1"},
  "servers": [{"url": "https://{region}.example.com", "variables": {"region": {"default": "eu"}}}],
  "paths": {
    "/tickets/{ticket}": {
      "patch": {
        "operationId": "changeTicket",
        "parameters": [
          {"name": "ticket", "in": "path", "required": true, "schema": {"type": "integer"}}
        ],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Change"}}}}
      },
      "delete": {"responses": {"204": {"description": "Gone"}}}
    }
  },
  "components": {"schemas": {
    "Change": {
      "type": "object",
      "properties": {
        "owner": {"type": ["string", "null"], "description": "A \\ in \"quotes\"\nand lines\u007f"},
        "state": {"$ref": "#/components/schemas/State", "description": "The next state"},
        "weights": {"type": "array", "prefixItems": [{"type": "number", "minimum": 0.5}], "items": false}
      }
    },
    "State": {"enum": ["open", "closed", null]}
  }}
}"##;

/// A folder of its own, in which the program runs.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("baton-import-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn baton(&self, arguments: &[&str]) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_baton"))
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .output()
            .unwrap();
        Answer::from(output)
    }

    fn import(&self, arguments: &[&str]) -> Answer {
        self.baton(&[&["import", "openapi"], arguments].concat())
    }

    /// What `baton check` says of a team whose only agent has these tools.
    fn check(&self, blocks: &str) -> Answer {
        let tools = blocks
            .lines()
            .find_map(|line| line.strip_prefix("# For the agent: "))
            .unwrap();
        let team = format!(
            "name = \"Team\"\nentry = \"Agent\"\n\n[[agent]]\nname = \"Agent\"\ninstructions = \"Help.\"\n{tools}\n\n{blocks}"
        );
        self.write("team.toml", &team);
        self.baton(&["check", "--offline", "team.toml"])
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}

struct Answer {
    code: Option<i32>,
    out: String,
    said: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            said: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn a_document_of_3_0_in_yaml_becomes_tools_that_a_team_takes() {
    let folder = Folder::new();
    folder.write("shop.yaml", SHOP);
    let imported = folder.import(&["shop.yaml"]);
    assert_eq!(
        imported.said,
        "left out: POST /orders/{orderId}/refunds (refunds.create): `parent`: the schema \"Refund\" contains itself\n\
         refused: POST /pictures (addPicture): its body is multipart/form-data, and Baton sends JSON and forms\n\
         ok: 2 of 3 operations imported\n"
    );
    assert_eq!(imported.code, Some(0));
    let goods = imported.out.find("name = \"searchGoods\"").unwrap();
    let refunds = imported.out.find("name = \"refunds_create\"").unwrap();
    assert!(goods < refunds, "in the order of the document");
    let checked = folder.check(&imported.out);
    assert_eq!(
        (checked.said.as_str(), checked.code),
        ("ok: team Team with 1 agents, model rehearsal\n", Some(0)),
        "{}",
        imported.out
    );
}

#[test]
fn a_document_of_3_1_in_json_becomes_tools_that_a_team_takes() {
    let folder = Folder::new();
    folder.write("tickets.json", TICKETS);
    let imported = folder.import(&["tickets.json"]);
    assert_eq!(imported.said, "ok: 2 of 2 operations imported\n");
    let checked = folder.check(&imported.out);
    assert_eq!(
        (checked.said.as_str(), checked.code),
        ("ok: team Team with 1 agents, model rehearsal\n", Some(0)),
        "{}",
        imported.out
    );
    let parsed: toml::Table = imported.out.parse().unwrap();
    let tools = parsed["tool"].as_array().unwrap();
    let change = &tools[0]["schema"]["properties"];
    assert_eq!(
        change["owner"]["description"].as_str(),
        Some("A \\ in \"quotes\" and lines\u{7f}")
    );
    assert_eq!(
        change["state"]["description"].as_str(),
        Some("The next state")
    );
    assert_eq!(
        tools[0]["http"]["url"].as_str(),
        Some("https://eu.example.com/tickets/{ticket}")
    );
    assert_eq!(tools[1]["name"].as_str(), Some("delete_tickets_ticket"));
}

#[test]
fn chosen_operations_and_another_server() {
    let folder = Folder::new();
    folder.write("shop.yaml", SHOP);
    let imported = folder.import(&[
        "shop.yaml",
        "--only",
        "searchGoods",
        "--server",
        "http://127.0.0.1:9/",
    ]);
    assert_eq!(imported.said, "ok: 1 of 1 operations imported\n");
    assert!(imported.out.contains("url = \"http://127.0.0.1:9/goods\""));
}

#[test]
fn an_unknown_operation_or_server_is_bad_usage_and_nothing_is_printed() {
    let folder = Folder::new();
    folder.write("shop.yaml", SHOP);
    let unknown = folder.import(&["shop.yaml", "--only", "searchGods"]);
    assert_eq!(
        unknown.said,
        "error: no operation is \"searchGods\"; the nearest is \"searchGoods\"\n"
    );
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(2), ""));
    let server = folder.import(&["shop.yaml", "--server", "shop.example.com"]);
    assert_eq!(
        server.said,
        "error: the server \"shop.example.com\" does not begin with https:// or http://\n"
    );
    assert_eq!(server.code, Some(2));
}

#[test]
fn a_document_of_which_nothing_can_be_imported_is_a_failure() {
    let folder = Folder::new();
    folder.write("shop.yaml", SHOP);
    let nothing = folder.import(&["shop.yaml", "--only", "POST /pictures"]);
    assert!(
        nothing
            .said
            .ends_with("error: none of 1 operations can be imported\n")
    );
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(1), ""));
    folder.write(
        "nowhere.yaml",
        &SHOP.replace("https://shop.example.com", ""),
    );
    let nowhere = folder.import(&["nowhere.yaml", "--only", "searchGoods,refunds.create"]);
    assert_eq!(
        nowhere.said,
        "refused: all 2 operations: the server \"/api\" of the document does not begin with https:// or http://; name one with --server\n\
         error: none of 2 operations can be imported\n"
    );
    folder.write("old.json", "{\"swagger\": \"2.0\"}");
    let old = folder.import(&["old.json"]);
    assert_eq!(
        old.said,
        "baton: old.json is a Swagger 2.0 document; convert it to OpenAPI 3 first\n"
    );
    assert_eq!(old.code, Some(1));
    let missing = folder.import(&["nothing.yaml"]);
    assert!(
        missing
            .said
            .starts_with("baton: nothing.yaml cannot be read"),
        "{}",
        missing.said
    );
}

#[test]
fn a_file_over_the_bound_is_not_read() {
    let folder = Folder::new();
    folder.write("large.yaml", &"#".repeat(16 * 1024 * 1024 + 1));
    let large = folder.import(&["large.yaml"]);
    assert_eq!(large.said, "baton: large.yaml has more than 16 MB\n");
    assert_eq!(large.code, Some(1));
}
