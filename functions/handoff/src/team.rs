//! The team: agents, tools and hand-offs that one deployment serves, read from a file.
//! Knows the text of that file only; never the disk, the environment or a model.
//!
//! # The file
//!
//! ```toml
//! name = "Shop"
//! entry = "Front"                  # the agent that takes new conversations
//! instructions = "Be brief."       # optional: put before those of each agent
//! first_questions = ["I would like a refund."]
//!
//! [limits]                         # optional, like each of its keys; see `Limits` for what they mean
//! patience_seconds = 10
//! keep_text_seconds = 1
//!
//! [[agent]]
//! name = "Front"
//! instructions = "Find out what the customer needs."
//! hand_offs = [{ tool = "to_back", to = "Back", description = "For refunds." }]
//!
//! [[agent]]
//! name = "Back"
//! instructions = "Refund what is broken."
//! tools = ["execute_refund"]
//!
//! [[tool]]
//! name = "execute_refund"
//! kind = "action"                  # or "lookup", which has no side effect
//! description = "Refunds an item."
//! identity = ["item_id"]           # what makes two calls of a turn the same action; all arguments if left out
//! timeout_seconds = 10
//! approval = { above_usd = 500 }   # or "always", "never", "customer"
//! verified = true                  # only for customers who have signed in
//! show = ["item_id"]               # what customers see of its calls: "name", these members, or "all"
//!
//! [tool.parameters.item_id]        # the JSON Schema of one parameter: required, unless it has
//! type = "string"                  # a `default` or `optional = true`
//! ```
//!
//! `[tool.schema]` takes the JSON Schema of all arguments instead of `[tool.parameters.NAME]`, and a section of a [`Provider`] gives
//! the tool to it. Every key is in `infra/docs/teams.md`, with a longer example that the tests read.
//!
//! A file is taken as a whole or refused with one sentence: every name in a [`Team`] leads somewhere, every agent can be
//! reached, every tool is used. Whether every schema compiles is asked for apart, by [`Team::compile_all`].

mod acme;
mod after;
mod arguments;
mod assemble;
mod budget;
mod canonical;
mod check;
pub(crate) mod client;
mod confirm;
mod declare;
mod file;
mod instructions;
mod mistake;
mod model;
mod money;
mod parameters;
mod picking;
mod provider;
mod schema;
mod show;
#[cfg(test)]
mod tests;
mod tool;
mod webhook;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use assemble::Parts;
use check::Source;
use file::{TOOL_KEYS, TeamFile};
use mistake::Mistake;
use provider::{take_sections, take_tables};

use crate::ports::{Millis, ToolDefinition};

pub use acme::{BACK_OFFICE, BackOfficeTools};
pub use after::{After, Earlier, Mark, Same};
pub use arguments::{Arguments, MAX_ARGUMENT_BYTES};
pub use budget::{Budgets, Price};
pub use canonical::canonical;
pub use confirm::Confirm;
pub(crate) use confirm::dollars;
pub use instructions::{Facts, Instructions};
pub use mistake::{Located, TeamError};
pub use model::{ModelApi, TeamModel};
pub use money::{MoneyLimit, Over};
pub use picking::Picking;
#[cfg(test)]
pub(crate) use provider::tests::Service;
pub use provider::{Declared, Draft, Provider, Retries, Runs, Tables};
pub(crate) use show::picked;
pub use show::{Field, Show};
pub use tool::{ActionOrder, Amount, Approval, Tool, ToolKind};
pub use webhook::{NoticeKind, TRACES, Webhook};

/// Reads a file that the team file names, by the name that stands there. Err is the reason, a phrase.
pub type Files<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Agents, tools and hand-offs, checked as a whole: every name in here leads somewhere.
#[derive(Debug)]
pub struct Team {
    /// The name of the service in customers' eyes.
    pub name: String,
    /// The agent that takes new conversations, and conversations whose agent is gone.
    pub entry: AgentName,
    /// The limits of a turn.
    pub limits: Limits,
    /// The budgets of tokens and money.
    pub budgets: Budgets,
    /// Suggestions for a customer's first message.
    pub first_questions: Vec<String>,
    entry_agent: Arc<Agent>,
    agents: BTreeMap<String, Arc<Agent>>,
    tools: BTreeMap<String, Arc<Tool>>,
    money_limits: money::MoneyLimits,
    prices: Vec<Price>,
    models: Vec<TeamModel>,
    webhooks: Vec<Webhook>,
    source: Source,
}

/// The name of an agent of some team: `[A-Za-z0-9_-]`, at most 64 of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AgentName(Arc<str>);

/// Instructions, and the tools and hand-offs to carry them out.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Unique in the team, shown to customers.
    pub name: String,
    /// The instructions for the model.
    pub instructions: Instructions,
    /// The agent's tools.
    pub tools: Vec<Arc<Tool>>,
    /// The agent's hand-offs.
    pub hand_offs: Vec<HandOff>,
    /// The definitions of tools and hand-offs for a model: tools first. One list for all requests of this agent.
    pub tool_definitions: Arc<[ToolDefinition]>,
    /// The names of its models, the preferred one first. Empty: the deployment's own model.
    pub models: Vec<String>,
}

/// A call by which an agent makes another one active. Its arguments are ignored: it has no parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOff {
    /// The name that the model calls. Two agents may use one name for different targets.
    pub tool: String,
    /// The agent that becomes active.
    pub to: String,
    /// For the model: when to use it.
    pub description: String,
}

/// What a file calls the deployment's own model, where it names a model.
pub const DEPLOYMENT_MODEL: &str = "default";

/// The limits of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Model responses in one turn.
    pub steps: u32,
    /// Hand-offs in one turn.
    pub hand_offs: u32,
    /// The size of the history sent to a model, in tokens.
    pub window_tokens: usize,
    /// The turns of history sent to a model.
    pub window_turns: usize,
    /// The model that summarises what leaves the window; [`DEPLOYMENT_MODEL`] is the deployment's own. None: it is forgotten.
    pub summary_model: Option<String>,
    /// How long a turn waits for the result of an action before the model gets the result "pending".
    pub patience: Duration,
    /// The longest time before the text of a streamed answer is stored for listeners of other processes.
    pub keep_text: Duration,
    /// Whose client may bring tools of its own.
    pub client_tools: ClientTools,
}

/// Whose client may bring tools of its own, which it executes itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientTools {
    /// That of verified customers and services.
    #[default]
    Verified,
    /// That of anyone.
    All,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 24,
            hand_offs: 6,
            window_tokens: 8000,
            window_turns: 20,
            summary_model: None,
            // Well under the 30 s read time-out of usual clients, so that "pending" still reaches them.
            patience: Duration::from_secs(10),
            keep_text: Duration::from_secs(1),
            client_tools: ClientTools::default(),
        }
    }
}

impl Team {
    /// Reads a team from the text of a file. `file` is the name of the file in errors. Each tool is declared by one of the
    /// providers.
    /// Schemas of tools are read and not compiled: see [`Team::compile_all`].
    ///
    /// # Errors
    /// The first mistake of the file, as one sentence with file and line.
    pub fn parse(file: &str, text: &str, providers: &[&dyn Provider]) -> Result<Self, TeamError> {
        Self::parse_with(file, text, providers, &|_| {
            Err("this team is no file that another could be beside".to_owned())
        })
    }

    /// The same, for a file that may name others.
    ///
    /// # Errors
    /// The first mistake of the file, as one sentence with file and line.
    pub fn parse_with(
        file: &str,
        text: &str,
        providers: &[&dyn Provider],
        files: Files<'_>,
    ) -> Result<Self, TeamError> {
        Self::read(file, text, providers, files).map_err(|mistake| mistake.in_file(file, text))
    }

    fn read(
        file: &str,
        text: &str,
        providers: &[&dyn Provider],
        files: Files<'_>,
    ) -> Result<Self, Located> {
        let mut table = DeTable::parse(text)?;
        let sections = take_sections(table.get_mut(), TOOL_KEYS, providers)?;
        let tables = take_tables(table.get_mut(), providers);
        let read = TeamFile::deserialize(Deserializer::from(table))?;
        let parts = Parts {
            sections: &sections,
            tables: &tables,
            providers,
        };
        let (file, text) = (file.to_owned(), text.to_owned());
        Self::assemble(read, &parts, files, Source { file, text })
    }

    /// The same team, where every agent has these models, the preferred one first.
    #[must_use]
    pub fn with_models(mut self, models: &[&str]) -> Self {
        let models: Vec<String> = models.iter().map(|&model| model.to_owned()).collect();
        for agent in self.agents.values_mut() {
            let models = models.clone();
            *agent = Arc::new(Agent {
                models,
                ..(**agent).clone()
            });
        }
        if let Some(entry) = self.agents.get(&self.entry_agent.name) {
            self.entry_agent = entry.clone();
        }
        self
    }

    /// The agent of this name.
    pub fn agent(&self, name: &str) -> Option<&Arc<Agent>> {
        self.agents.get(name)
    }

    /// The agent that takes new conversations.
    pub fn entry_agent(&self) -> &Arc<Agent> {
        &self.entry_agent
    }

    /// All agents, by name.
    pub fn agents(&self) -> impl Iterator<Item = &Arc<Agent>> {
        self.agents.values()
    }

    /// The tool of this name; hand-offs are no tools.
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.get(name)
    }

    /// The limit on the money that actions of this tool move.
    pub fn money_limit(&self, tool: &str) -> Option<&MoneyLimit> {
        self.money_limits.get(tool).map(|limit| &**limit)
    }

    /// Whether a limit has sums of a day.
    pub(crate) fn has_day_limits(&self) -> bool {
        self.money_limits.values().any(|limit| limit.has_days())
    }

    /// Whether the client of a caller who is not verified may bring tools of its own too.
    pub fn allows_client_tools_of_anyone(&self) -> bool {
        self.limits.client_tools == ClientTools::All
    }

    /// The price of a model at this moment, where the file has one.
    pub fn price(&self, model: &str, now: Millis) -> Option<&Price> {
        budget::price_at(&self.prices, model, now)
    }

    /// The endpoints of other systems that are told what happens.
    pub fn webhooks(&self) -> &[Webhook] {
        &self.webhooks
    }
    /// All tools, by name.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.tools.values()
    }
}

impl Agent {
    /// The hand-off that this agent calls by this name.
    pub fn hand_off(&self, tool: &str) -> Option<&HandOff> {
        self.hand_offs.iter().find(|hand_off| hand_off.tool == tool)
    }

    /// The tool that this agent may call by this name.
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

impl Deref for AgentName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for AgentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names that every service accepts: <https://platform.openai.com/docs/api-reference/chat/create>, `tools.function.name`.
fn check_name(what: &'static str, name: &Spanned<String>) -> Result<(), Located> {
    let text = name.get_ref();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if plain && (1..=64).contains(&text.len()) {
        return Ok(());
    }
    Err(Mistake::Name {
        what,
        name: text.clone(),
    }
    .at(name.span()))
}

fn not_empty(text: Spanned<String>, what: impl FnOnce() -> String) -> Result<String, Located> {
    if text.get_ref().trim().is_empty() {
        return Err(Mistake::Empty { what: what() }.at(text.span()));
    }
    Ok(text.into_inner())
}

/// A whole number of a team file within bounds; `None` if the file does not set it.
///
/// # Errors
/// The number is out of bounds; the error has its place.
pub fn in_range(
    key: &'static str,
    number: Option<Spanned<i64>>,
    (least, most): (i64, i64),
) -> Result<Option<u64>, Located> {
    let Some(number) = number else {
        return Ok(None);
    };
    let found = *number.get_ref();
    match u64::try_from(found) {
        Ok(fits) if (least..=most).contains(&found) => Ok(Some(fits)),
        Ok(_) | Err(_) => Err(Mistake::OutOfRange {
            key,
            found,
            least,
            most,
        }
        .at(number.span())),
    }
}
