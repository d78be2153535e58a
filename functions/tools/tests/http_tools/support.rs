//! A team with one tool, the tools made of it, and names that lead where a test wants them to.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use baton_handoff::Owner;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{CallContext, Outcome, ToolError, ToolRequest, Tools};
use baton_handoff::team::Team;
use baton_kit::conformance::TestClock;
use baton_stores::memory::MemoryStore;
use baton_tools::http_tools::{HttpTools, HttpToolsError};
use baton_tools::outside::{Names, Network, Outside};
use baton_tools::tokens::ToolTokens;
use baton_tools::toolbox::{KINDS, providers};
use serde_json::{Value, json};

pub(crate) const KEY: &str = "key-of-the-action";

/// Leads to what a test wrote down, one answer a question; the last one stays.
pub(crate) struct Script {
    answers: Mutex<VecDeque<Option<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    /// An empty answer is a name that cannot be resolved.
    pub(crate) fn of(answers: &[&[&str]]) -> Arc<Self> {
        let read = |answer: &&[&str]| {
            let addresses: Vec<IpAddr> = answer.iter().map(|ip| ip.parse().unwrap()).collect();
            (!addresses.is_empty()).then_some(addresses)
        };
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(read).collect()),
            asked: Mutex::default(),
        })
    }

    /// The names that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Names for Script {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.len() {
            1 => answers.front().cloned().flatten(),
            _ => answers.pop_front().flatten(),
        };
        answer.ok_or_else(|| io::Error::other("no such name"))
    }
}

const CLOSED: &str = r#"[tool.parameters]
table = { type = "string", default = "T1" }
guests = { type = "integer", optional = true }
note = { type = ["string", "null"], optional = true }
more = { optional = true }"#;

const OPEN: &str = r#"[tool.schema]
type = "object"
properties = { table = { type = "string" } }"#;

/// A tool `book` with the text parameter `table` and the optional ones `guests`, `note` and `more`.
pub(crate) struct Setup {
    pub(crate) kind: &'static str,
    pub(crate) timeout_seconds: u32,
    /// The lines of `[tool.http]`.
    pub(crate) http: String,
    /// Whether arguments are taken that the schema does not name.
    pub(crate) open_schema: bool,
    pub(crate) tokens: Option<Arc<ToolTokens>>,
    pub(crate) variables: Vec<(&'static str, &'static str)>,
    pub(crate) networks: Vec<&'static str>,
    /// Hosts that secrets are sent to without TLS.
    pub(crate) plain: Vec<String>,
    pub(crate) names: Arc<Script>,
    pub(crate) extra_roots: Vec<Vec<u8>>,
}

impl Setup {
    pub(crate) fn lookup(http: impl Into<String>) -> Self {
        Self {
            kind: "lookup",
            // Long enough for a busy machine to make a connection in a third of it.
            timeout_seconds: 15,
            http: http.into(),
            open_schema: false,
            tokens: None,
            variables: Vec::new(),
            networks: vec!["127.0.0.1"],
            plain: vec!["plain.example".to_owned()],
            names: Script::of(&[&["127.0.0.1"]]),
            extra_roots: Vec::new(),
        }
    }

    pub(crate) fn action(http: impl Into<String>) -> Self {
        Self {
            kind: "action",
            ..Self::lookup(http)
        }
    }

    pub(crate) fn team(&self) -> Team {
        let text = format!(
            r#"name = "Shop"
entry = "Front"

[[agent]]
name = "Front"
instructions = "Help."
tools = ["book"]

[[tool]]
name = "book"
kind = "{}"
description = "Books a table."
timeout_seconds = {}

{}

[tool.http]
{}
"#,
            self.kind,
            self.timeout_seconds,
            if self.open_schema { OPEN } else { CLOSED },
            self.http
        );
        Team::parse("team.toml", &text, &providers(KINDS)).unwrap()
    }

    pub(crate) fn try_build(&self) -> Result<Booking, HttpToolsError> {
        let team = Arc::new(self.team());
        let variables = |name: &str| {
            let found = self.variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let networks = self
            .networks
            .iter()
            .map(|text| text.parse::<Network>().unwrap());
        let clock = Arc::new(TestClock::new());
        let outside = Outside {
            store: Arc::new(MemoryStore::new(clock.clone())),
            env: clock.clone(),
            tokens: self.tokens.clone(),
            variables: &variables,
            networks: networks.collect(),
            plain_hosts: self.plain.clone(),
            extra_roots: self.extra_roots.clone(),
            names: self.names.clone(),
            runs_programs: false,
        };
        let tools = HttpTools::new(&team, &outside)?;
        Ok(Booking {
            team,
            tools: Arc::new(tools),
            clock,
            context: CallContext::new(Owner::none(), ConversationId::parse("c").unwrap(), 1),
        })
    }

    pub(crate) fn build(&self) -> Booking {
        self.try_build().unwrap()
    }

    /// Why it cannot be built.
    pub(crate) fn mistake(&self) -> String {
        let Err(error) = self.try_build() else {
            unreachable!("the tools were built")
        };
        error.to_string()
    }
}

/// The tool, ready to be called.
pub(crate) struct Booking {
    pub(crate) team: Arc<Team>,
    pub(crate) tools: Arc<HttpTools>,
    pub(crate) clock: Arc<TestClock>,
    /// What the tool may know of the calls.
    pub(crate) context: CallContext,
}

impl Booking {
    fn request(&self, arguments: &Value) -> ToolRequest {
        let tool = self.team.tool("book").unwrap().clone();
        let arguments = tool.check(&arguments.to_string()).unwrap();
        ToolRequest {
            tool,
            arguments: Arc::new(arguments),
            context: self.context.clone(),
        }
    }

    pub(crate) async fn look_up(&self, arguments: Value) -> Result<String, String> {
        let looked_up = self.tools.lookup(&self.request(&arguments)).await;
        looked_up.map_err(|error: ToolError| error.to_string())
    }

    pub(crate) async fn act(&self, arguments: Value) -> Outcome {
        self.tools.act(&self.request(&arguments), KEY).await
    }

    pub(crate) async fn act_plainly(&self) -> Outcome {
        self.act(json!({})).await
    }
}
