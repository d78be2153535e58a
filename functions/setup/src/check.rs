//! The findings of `baton check`: the team and all settings, read as the programs read them. Opens no store and uses no network.

use std::sync::Arc;

use baton_handoff::ports::{Env, Store};
use baton_stores::env::SystemEnv;
use baton_stores::memory::MemoryStore;

use crate::log;
use crate::services::{ModelInfo, check_price, model_client, read_team, toolbox};
use crate::settings::{Settings, Values, unknown};

/// A finding.
#[derive(Debug, Default)]
pub struct Report {
    /// A program would not start, or a turn would fail.
    pub mistakes: Vec<String>,
    /// Programs start, but a setting probably has an unintended effect.
    pub warnings: Vec<String>,
    /// A summary of the checked parts, if there is no mistake.
    pub summary: String,
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
    let model = model_client(&settings.model, &env).map_err(&mut note);
    if let Ok(team) = read_team(settings.team.as_deref()).map_err(&mut note) {
        // Tools are prepared and not called, so any store will do.
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(env.clone()));
        if let Err(error) = toolbox(&team, &settings, &env, &store, None) {
            note(error);
        }
        if let Err(error) = team.compile_all() {
            note(error.into());
        }
        if let Ok(client) = &model {
            let name = client
                .as_ref()
                .map_or("rehearsal", |(client, _)| client.name());
            if let Err(error) = check_price(&team, name, env.now()) {
                note(error);
            }
        }
        let warnings = team.warnings();
        report
            .warnings
            .extend(warnings.iter().map(ToString::to_string));
        let model = model.map_or_else(
            |()| "none".to_owned(),
            |client| client.map_or("rehearsal".to_owned(), |(_, ModelInfo { name, .. })| name),
        );
        report.summary = format!(
            "team {} with {} agents, model {model}",
            team.name,
            team.agents().count()
        );
    }
    report.mistakes = mistakes;
    report
}
