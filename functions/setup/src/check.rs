//! The findings of `baton check`: the team and all settings, read as the programs read them. Opens no store and uses no network,
//! until the models and the MCP servers that it found are asked.

use std::sync::Arc;

use baton_handoff::ports::{Env, Model, Store};
use baton_handoff::team::{Agent, Team};
use baton_http::Secret;
use baton_stores::env::SystemEnv;
use baton_stores::memory::MemoryStore;
use baton_tools::mcp::McpTools;
use baton_tools::tokens::ToolTokens;

use crate::log;
use crate::models::{self, Named};
use crate::services::{ModelInfo, mcp_servers, model_client, read_team, toolbox, webhooks};
use crate::settings::{Settings, ToolTokenSettings, Values, unknown};

/// The name of the rehearsal model, which is not asked: it answers from a script.
const REHEARSAL: &str = "rehearsal";

/// The findings.
#[derive(Default)]
pub struct Report {
    /// A program would not start, or a turn would fail.
    pub mistakes: Vec<String>,
    /// Programs start, but a setting probably has an unintended effect.
    pub warnings: Vec<String>,
    /// A summary of the checked parts, if there is no mistake.
    pub summary: String,
    /// The models of services that agents ask.
    pub models: Vec<CheckedModel>,
    /// The MCP servers of the team, if it has any.
    pub servers: Option<McpTools>,
}

/// A model that can be asked.
pub struct CheckedModel {
    /// Its name for people.
    pub name: String,
    /// Its client.
    pub model: Arc<dyn Model>,
    /// Whether an agent with tools or hand-offs has it.
    pub needs_tools: bool,
}

/// A signer of tools' tokens where a start has one. Beside a file a start makes a secret, and here nothing is written.
fn signer(settings: &Settings) -> anyhow::Result<Option<Arc<ToolTokens>>> {
    let ToolTokenSettings { issuer, secrets } = &settings.tools.tokens;
    let made = Secret::new("0".repeat(64));
    let secrets = match (secrets, &settings.keeping.cloud) {
        (Some(secrets), _) => secrets,
        (None, None) => &made,
        (None, Some(_)) => return Ok(None),
    };
    Ok(Some(Arc::new(ToolTokens::new(issuer, secrets.expose())?)))
}

/// Checks the team and all settings.
pub fn check(values: &Values) -> Report {
    let mut report = Report {
        warnings: unknown(values)
            .map(|name| format!("{name} is set, and Baton has no such setting"))
            .collect(),
        ..Report::default()
    };
    let settings = match Settings::read(values) {
        Ok(settings) => settings,
        Err(bad) => {
            report.mistakes = bad.to_string().lines().map(str::to_owned).collect();
            return report;
        }
    };
    let env: Arc<dyn Env> = Arc::new(SystemEnv);
    let mut mistakes = Vec::new();
    let mut note = |error: anyhow::Error| mistakes.push(format!("{error:#}"));
    if let Err(error) = log::check(&settings.log) {
        note(error);
    }
    let own = model_client(&settings.model, &env).map_err(&mut note);
    if let Ok(team) = read_team(settings.team.as_deref()).map_err(&mut note) {
        // Tools are prepared and not called, so any store will do.
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(env.clone()));
        let tools =
            signer(&settings).and_then(|signer| toolbox(&team, &settings, &env, &store, signer));
        if let Err(error) = webhooks(&team, &settings, &env, &store) {
            note(error);
        }
        if let Err(error) = tools {
            note(error);
        } else {
            let servers = mcp_servers(&team, &settings, &env, &store).map_err(&mut note);
            report.servers = servers.ok().filter(|servers| !servers.is_empty());
        }
        if let Err(error) = team.compile_all() {
            note(error.into());
        }
        let others = models::named(&team, &settings.values, &env).map_err(&mut note);
        if let (Ok(own), Ok(others)) = (own, others) {
            let own = own.map(|(own, ModelInfo { name, .. })| (name, own));
            let needs_own = team.needs_own_model().is_some();
            let mut names: Vec<String> = others.keys().cloned().collect();
            if needs_own {
                let own = own.as_ref().map_or(REHEARSAL, |(name, _)| name.as_str());
                names.insert(0, own.to_owned());
            }
            report.models = asked(&team, own.filter(|_| needs_own), others);
            let asked = report.models.iter().map(|checked| checked.model.name());
            let rehearsal = names.first().filter(|name| *name == REHEARSAL && needs_own);
            let asked = asked.chain(rehearsal.map(String::as_str));
            if let Err(error) = models::check_prices(&team, asked, env.now()) {
                note(error);
            }
            let plural = if names.len() == 1 { "" } else { "s" };
            report.summary = format!(
                "team {} with {} agents, model{plural} {}",
                team.name,
                team.agents().count(),
                names.join(", ")
            );
        }
        let warnings = team.warnings();
        report
            .warnings
            .extend(warnings.iter().map(ToString::to_string));
        report.warnings.extend(unknown_claims(&team, &settings));
    }
    report.mistakes = mistakes;
    report
}

/// The models that agents ask. `own`: the deployment's own, with its name, where an agent needs it.
fn asked(team: &Team, own: Option<(String, Arc<dyn Model>)>, named: Named) -> Vec<CheckedModel> {
    let needs_tools = |has: &dyn Fn(&Agent) -> bool| {
        let mut agents = team.agents().filter(|agent| has(agent));
        agents.any(|agent| !agent.tool_definitions.is_empty())
    };
    let own = own.map(|(name, model)| CheckedModel {
        name,
        model,
        needs_tools: needs_tools(&|agent| agent.models.is_empty()),
    });
    let named = named.into_iter().map(|(name, model)| CheckedModel {
        needs_tools: needs_tools(&|agent| agent.models.contains(&name)),
        name,
        model,
    });
    own.into_iter().chain(named).collect()
}

/// Claims of customers that instructions say, and that no turn records.
fn unknown_claims(team: &Team, settings: &Settings) -> Vec<String> {
    let Some(customers) = &settings.access.issuers.customers else {
        return Vec::new();
    };
    let is_recorded = |claim: &str| {
        let mut recorded = customers.tool_claims.iter();
        recorded.any(|known| {
            let rest = claim.strip_prefix(known.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let claims = team.agents().flat_map(|agent| {
        let claims = agent.instructions.claims();
        let unknown = claims.filter(|claim| !is_recorded(claim));
        unknown.map(|claim| {
            format!(
                "agent {:?} is told the customer's claim {claim:?}, and BATON_JWT_TOOL_CLAIMS does not name it",
                agent.name
            )
        })
    });
    claims.collect()
}
