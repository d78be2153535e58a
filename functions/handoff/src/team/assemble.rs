//! Assembles the parts of a team file: every name must lead somewhere, and every part must be used.
//! Knows how the parts refer to each other; never the rules for a single tool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use toml::Spanned;

use super::after;
use super::budget;
use super::check::Source;
use super::file::{AgentFile, HandOffFile, LimitsFile, TeamFile, ToolFile};
use super::instructions::Instructions;
use super::mistake::{Located, Mistake};
use super::model::{self, TeamModel};
use super::provider::{Provider, Section, Tables, check_tables};
use super::tool::Tool;
use super::{
    Agent, AgentName, Budgets, Files, HandOff, Limits, Team, check_name, in_range, money,
    not_empty, webhook,
};
use crate::ports::ToolDefinition;

/// The most function definitions in one request to the OpenAI API.
const MAX_CALLS: usize = 128;

/// The parts of a file that belong to providers.
pub(super) struct Parts<'a> {
    /// Of each tool, in their order.
    pub(super) sections: &'a [Vec<Section<'a>>],
    /// What the tools of a provider share.
    pub(super) tables: &'a [Tables<'a>],
    pub(super) providers: &'a [&'a dyn Provider],
}

impl Team {
    pub(super) fn assemble(
        file: TeamFile,
        parts: &Parts<'_>,
        files: Files<'_>,
        source: Source,
    ) -> Result<Self, Located> {
        let name = not_empty(file.name, || "name".into())?;
        let summary_model = file.limits.summary_model.clone();
        let limits = Limits::declare(file.limits)?;
        let budgets = Budgets::declare(file.budget)?;
        let prices = budget::prices(file.prices)?;
        let shared = "that all agents share";
        let shared =
            Instructions::declare(shared, file.instructions, file.instructions_file, files)?;
        let mut first_questions = Vec::with_capacity(file.first_questions.len());
        for question in file.first_questions {
            first_questions.push(not_empty(question, || "a first question".into())?);
        }
        let places = agent_places(&file.agents)?;
        all_used(&file.tools, &file.agents)?;
        let after_places = after::places(&file.tools);
        let models = model::declare(file.models, &file.agents, summary_model.as_ref())?;
        let tools = declare_tools(file.tools, parts, files)?;
        if !parts.tables.is_empty() {
            let all: Vec<_> = tools.values().cloned().collect();
            check_tables(parts.tables, &all, parts.providers)?;
        }
        after::check_all(&tools, &after_places)?;
        let money_limits = money::declare(file.money_limits, &tools)?;
        let webhooks = webhook::declare(file.webhooks)?;
        let mut agents = BTreeMap::new();
        for agent in file.agents {
            let mut agent = Agent::assemble(agent, &tools, &places, &models, files)?;
            agent.instructions = agent.instructions.behind(shared.as_ref());
            agents.insert(agent.name.clone(), Arc::new(agent));
        }
        let entry_agent = entry_agent(&file.entry, &agents)?;
        all_reachable(&entry_agent.name, &agents, &places)?;
        Ok(Self {
            name,
            entry: AgentName(file.entry.into_inner().into()),
            limits,
            budgets,
            first_questions,
            entry_agent,
            agents,
            tools,
            money_limits,
            prices,
            models,
            webhooks,
            source,
        })
    }
}

impl Limits {
    fn declare(file: LimitsFile) -> Result<Self, Located> {
        let usual = Self::default();
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Self {
            steps: in_range("steps", file.steps, (1, 100))?.map_or(usual.steps, count),
            hand_offs: in_range("hand_offs", file.hand_offs, (0, 100))?
                .map_or(usual.hand_offs, count),
            window_tokens: in_range("window_tokens", file.window_tokens, (500, 2_000_000))?
                .map_or(usual.window_tokens, size),
            window_turns: in_range("window_turns", file.window_turns, (1, 1000))?
                .map_or(usual.window_turns, size),
            summary_model: file.summary_model.map(Spanned::into_inner),
            patience: in_range("patience_seconds", file.patience_seconds, (0, 60))?
                .map_or(usual.patience, Duration::from_secs),
            keep_text: in_range("keep_text_seconds", file.keep_text_seconds, (1, 60))?
                .map_or(usual.keep_text, Duration::from_secs),
            client_tools: file.client_tools,
        })
    }
}

impl Agent {
    fn assemble(
        file: AgentFile,
        tools: &BTreeMap<String, Arc<Tool>>,
        agents: &BTreeMap<String, Spanned<String>>,
        models: &[TeamModel],
        files: Files<'_>,
    ) -> Result<Self, Located> {
        let at = file.name.span();
        let name = file.name.into_inner();
        let of = format!("of agent {name:?}");
        let instructions =
            Instructions::declare(&of, file.instructions, file.instructions_file, files)?;
        let instructions = instructions.ok_or_else(|| {
            let sentence = format!("agent {name:?} needs instructions or instructions_file");
            Located::new(sentence, at.clone())
        })?;
        let models = model::of_agent(&name, file.model, models)?;
        let mut calls = BTreeSet::new();
        let mut once = |call: &Spanned<String>| {
            if calls.insert(call.get_ref().clone()) {
                return Ok(());
            }
            let call_twice = Mistake::CallTwice {
                agent: name.clone(),
                call: call.get_ref().clone(),
            };
            Err(call_twice.at(call.span()))
        };
        let mut own_tools = Vec::with_capacity(file.tools.len());
        for tool in file.tools {
            once(&tool)?;
            let found = tools.get(tool.get_ref()).ok_or_else(|| {
                let unknown = Mistake::UnknownTool {
                    agent: name.clone(),
                    tool: tool.get_ref().clone(),
                };
                unknown.at(tool.span())
            })?;
            own_tools.push(Arc::clone(found));
        }
        let mut hand_offs = Vec::with_capacity(file.hand_offs.len());
        for hand_off in file.hand_offs {
            once(&hand_off.tool)?;
            hand_offs.push(HandOff::assemble(&name, hand_off, tools, agents)?);
        }
        let found = own_tools.len() + hand_offs.len();
        if found > MAX_CALLS {
            return Err(Mistake::TooManyCalls { agent: name, found }.at(at));
        }
        let tool_definitions = tool_definitions(&own_tools, &hand_offs);
        Ok(Self {
            name,
            instructions,
            tools: own_tools,
            hand_offs,
            tool_definitions,
            models,
        })
    }
}

impl HandOff {
    fn assemble(
        agent: &str,
        file: HandOffFile,
        tools: &BTreeMap<String, Arc<Tool>>,
        agents: &BTreeMap<String, Spanned<String>>,
    ) -> Result<Self, Located> {
        check_name("hand-off", &file.tool)?;
        let agent = agent.to_owned();
        if tools.contains_key(file.tool.get_ref()) {
            let name = file.tool.get_ref().clone();
            return Err(Mistake::HandOffIsTool { agent, name }.at(file.tool.span()));
        }
        if *file.to.get_ref() == agent {
            return Err(Mistake::HandOffToItself { agent }.at(file.to.span()));
        }
        if !agents.contains_key(file.to.get_ref()) {
            let to = file.to.get_ref().clone();
            return Err(Mistake::HandOffToNobody { agent, to }.at(file.to.span()));
        }
        let description = not_empty(file.description, || {
            format!("the description of hand-off {:?}", file.tool.get_ref())
        })?;
        Ok(Self {
            tool: file.tool.into_inner(),
            to: file.to.into_inner(),
            description,
        })
    }
}

fn agent_places(files: &[AgentFile]) -> Result<BTreeMap<String, Spanned<String>>, Located> {
    let mut places = BTreeMap::new();
    for AgentFile { name, .. } in files {
        check_name("agent", name)?;
        if places
            .insert(name.get_ref().clone(), name.clone())
            .is_some()
        {
            return Err(Mistake::AgentTwice {
                name: name.get_ref().clone(),
            }
            .at(name.span()));
        }
    }
    Ok(places)
}

fn declare_tools(
    tools: Vec<ToolFile>,
    parts: &Parts<'_>,
    files: Files<'_>,
) -> Result<BTreeMap<String, Arc<Tool>>, Located> {
    let mut declared = BTreeMap::new();
    for (file, sections) in tools.into_iter().zip(parts.sections) {
        let at = file.name.span();
        let tool = Tool::declare(file, sections, parts, files)?;
        let name = tool.name.clone();
        if declared.insert(name.clone(), Arc::new(tool)).is_some() {
            return Err(Mistake::ToolTwice { name }.at(at));
        }
    }
    Ok(declared)
}

fn entry_agent(
    entry: &Spanned<String>,
    agents: &BTreeMap<String, Arc<Agent>>,
) -> Result<Arc<Agent>, Located> {
    agents.get(entry.get_ref()).map(Arc::clone).ok_or_else(|| {
        let name = entry.get_ref().clone();
        Mistake::UnknownEntry { name }.at(entry.span())
    })
}

fn all_used(tools: &[ToolFile], agents: &[AgentFile]) -> Result<(), Located> {
    let used = || agents.iter().flat_map(|agent| &agent.tools);
    let is_unused = |tool: &&ToolFile| !used().any(|used| used.get_ref() == tool.name.get_ref());
    match tools.iter().find(is_unused) {
        Some(ToolFile { name, .. }) => Err(Mistake::Unused {
            name: name.get_ref().clone(),
        }
        .at(name.span())),
        None => Ok(()),
    }
}

fn all_reachable(
    entry: &str,
    agents: &BTreeMap<String, Arc<Agent>>,
    places: &BTreeMap<String, Spanned<String>>,
) -> Result<(), Located> {
    let mut reached = BTreeSet::from([entry]);
    let mut open = vec![entry];
    while let Some(agent) = open.pop().and_then(|name| agents.get(name)) {
        let next = agent.hand_offs.iter().map(|hand_off| hand_off.to.as_str());
        open.extend(next.filter(|name| reached.insert(name)));
    }
    match places
        .iter()
        .find(|(name, _)| !reached.contains(name.as_str()))
    {
        Some((name, place)) => {
            let unreachable = Mistake::Unreachable {
                name: name.clone(),
                entry: entry.to_owned(),
            };
            Err(unreachable.at(place.span()))
        }
        None => Ok(()),
    }
}

/// The definitions of these tools and hand-offs for a model, built once for all requests.
fn tool_definitions(tools: &[Arc<Tool>], hand_offs: &[HandOff]) -> Arc<[ToolDefinition]> {
    let definition = |name: &str, description: &str, parameters: &Arc<RawValue>| ToolDefinition {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: Arc::clone(parameters),
    };
    let nothing = raw(&json!({"type": "object", "properties": {}}));
    let tools = tools.iter().map(|tool| {
        definition(
            &tool.name,
            &tool.description,
            &raw(&tool.schema.for_model()),
        )
    });
    let hand_offs = hand_offs
        .iter()
        .map(|hand_off| definition(&hand_off.tool, &hand_off.description, &nothing));
    tools.chain(hand_offs).collect()
}

#[expect(clippy::expect_used, reason = "a JSON value always has a text")]
fn raw(value: &Value) -> Arc<RawValue> {
    Arc::from(to_raw_value(value).expect("a JSON value can be written"))
}
