//! `baton check`: the team and the settings, read as the programs read them.

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) fn run(team: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let mut values = crate::values()?;
    if let Some(team) = team {
        values.set("BATON_TEAM", team.display().to_string());
    }
    let report = baton_setup::check(&values);
    for mistake in &report.mistakes {
        eprintln!("error: {mistake}");
    }
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    if report.mistakes.is_empty() {
        eprintln!("ok: {}", report.summary);
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
