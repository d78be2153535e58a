//! A team with a tool of an MCP server, ready to be called.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use baton_handoff::Owner;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{CallContext, Outcome, ToolRequest, Tools};
use baton_handoff::team::Team;
use baton_kit::conformance::TestClock;
use baton_stores::memory::MemoryStore;
use baton_tools::mcp::{Definition, McpTools};
use baton_tools::outside::{Names, Outside};
use baton_tools::tokens::ToolTokens;
use baton_tools::toolbox::{KINDS, Toolbox, providers};
use serde_json::{Value, json};

use crate::server::{McpServer, find_order};

pub(crate) const KEY: &str = "key-of-the-action";

/// Leads every name to one address.
struct Loopback;

#[async_trait]
impl Names for Loopback {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

/// The hash of a definition.
pub(crate) fn pin(tool: &Value) -> String {
    let text = |name: &str| tool[name].as_str().unwrap_or_default().to_owned();
    let definition = Definition {
        name: text("name"),
        description: text("description"),
        schema: tool["inputSchema"].clone(),
    };
    definition.pin()
}

/// A tool `find` of the server `shop`.
pub(crate) struct Setup {
    pub(crate) kind: &'static str,
    pub(crate) timeout_seconds: u32,
    /// The lines of `[[mcp]]` behind its name.
    pub(crate) server: String,
    /// Further lines of `[tool.mcp]`.
    pub(crate) call: String,
    pub(crate) pinned: String,
    pub(crate) networks: Vec<&'static str>,
    pub(crate) tokens: Option<Arc<ToolTokens>>,
    pub(crate) variables: Vec<(&'static str, &'static str)>,
    pub(crate) runs_programs: bool,
}

impl Setup {
    pub(crate) fn at(url: &str) -> Self {
        Self {
            kind: "lookup",
            timeout_seconds: 15,
            server: format!("url = \"{url}\""),
            call: String::new(),
            pinned: pin(&find_order()),
            networks: vec!["127.0.0.1"],
            tokens: None,
            variables: Vec::new(),
            runs_programs: true,
        }
    }

    pub(crate) fn of(server: &McpServer) -> Self {
        Self::at(&format!("http://{}/mcp", server.address))
    }

    /// An action of it, with these lines in `[tool.mcp]`.
    pub(crate) fn action(server: &McpServer, call: &str) -> Self {
        Self {
            kind: "action",
            call: call.to_owned(),
            ..Self::of(server)
        }
    }

    pub(crate) fn text(&self) -> String {
        format!(
            r#"name = "Shop"
entry = "Front"

[[agent]]
name = "Front"
instructions = "Help."
tools = ["find"]

[[mcp]]
name = "shop"
{}

[[tool]]
name = "find"
kind = "{}"
description = "Finds an order."
timeout_seconds = {}

[tool.schema]
type = "object"
required = ["number"]

[tool.schema.properties]
number = {{ type = "string" }}
region = {{ type = "string" }}

[tool.mcp]
server = "shop"
tool = "find-order"
pinned = "{}"
{}
"#,
            self.server, self.kind, self.timeout_seconds, self.pinned, self.call
        )
    }

    fn with_outside<T>(&self, open: impl FnOnce(&Team, &Outside<'_>) -> T) -> (T, Found) {
        let team = Team::parse("team.toml", &self.text(), &providers(KINDS));
        let team = Arc::new(team.unwrap());
        let variables = |name: &str| {
            let found = self.variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let networks = self.networks.iter().map(|text| text.parse().unwrap());
        let clock = Arc::new(TestClock::new());
        let outside = Outside {
            store: Arc::new(MemoryStore::new(clock.clone())),
            env: clock.clone(),
            tokens: self.tokens.clone(),
            variables: &variables,
            networks: networks.collect(),
            plain_hosts: Vec::new(),
            extra_roots: Vec::new(),
            names: Arc::new(Loopback),
            runs_programs: self.runs_programs,
        };
        let opened = open(&team, &outside);
        let context = CallContext::new(Owner::none(), ConversationId::parse("c").unwrap(), 1);
        let found = Found {
            team,
            clock,
            context,
        };
        (opened, found)
    }

    pub(crate) fn build(&self) -> Shop {
        let (tools, found) = self.with_outside(|team, outside| Toolbox::open(KINDS, team, outside));
        Shop {
            tools: tools.unwrap(),
            found,
        }
    }

    /// The tools of MCP servers alone, for those who check them.
    pub(crate) fn servers(&self) -> McpTools {
        self.with_outside(McpTools::new).0.unwrap()
    }

    /// Why it cannot be built.
    pub(crate) fn mistake(&self) -> String {
        match self.with_outside(McpTools::new).0 {
            Ok(_) => unreachable!("the tools were built"),
            Err(error) => error.to_string(),
        }
    }
}

pub(crate) struct Found {
    pub(crate) team: Arc<Team>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) context: CallContext,
}

/// The tool, ready to be called.
pub(crate) struct Shop {
    pub(crate) tools: Toolbox,
    pub(crate) found: Found,
}

impl Shop {
    fn request(&self, arguments: &Value) -> ToolRequest {
        let tool = self.found.team.tool("find").unwrap().clone();
        let arguments = tool.check(&arguments.to_string()).unwrap();
        ToolRequest {
            tool,
            arguments: Arc::new(arguments),
            context: self.found.context.clone(),
        }
    }

    pub(crate) async fn look_up_with(&self, arguments: Value) -> Result<String, String> {
        let looked_up = self.tools.lookup(&self.request(&arguments)).await;
        looked_up.map_err(|error| error.to_string())
    }

    pub(crate) async fn look_up(&self) -> Result<String, String> {
        self.look_up_with(json!({"number": "7"})).await
    }

    pub(crate) async fn act(&self) -> Outcome {
        let request = self.request(&json!({"number": "7"}));
        self.tools.act(&request, KEY).await
    }

    /// Whether models are told of it.
    pub(crate) fn is_offered(&self) -> bool {
        self.tools.offers(self.found.team.tool("find").unwrap())
    }
}
