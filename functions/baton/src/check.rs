//! `baton check`: the team and the settings, read as the programs read them; and what the models and MCP
//! servers say, found by asking them.

use std::path::PathBuf;
use std::process::ExitCode;

use baton_setup::CheckedModel;
use baton_setup::probe::{Found, probe};
use baton_tools::mcp::{Checked, McpTools, Standing};

pub(crate) fn run(team: Option<PathBuf>, offline: bool) -> anyhow::Result<ExitCode> {
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
    if !report.mistakes.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    eprintln!("ok: {}", report.summary);
    if offline {
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let are_agreed = match &report.servers {
        Some(servers) => runtime.block_on(ask_servers(servers)),
        None => true,
    };
    let code = runtime.block_on(ask(&report.models));
    Ok(if are_agreed { code } else { ExitCode::FAILURE })
}

/// Asks each MCP server whether its tools are what was agreed to. Nothing is called.
async fn ask_servers(servers: &McpTools) -> bool {
    let mut are_agreed = true;
    let mut last = String::new();
    for Checked {
        tool,
        server,
        standing,
    } in servers.check().await
    {
        if server != last {
            eprintln!("MCP server {server}, asked now:");
            last.clone_from(&server);
        }
        match standing {
            Ok(Standing::Agreed) => eprintln!("  ok: {tool}: {}", Standing::Agreed.sentence()),
            Ok(other) => {
                eprintln!("  error: {tool}: {}", other.sentence());
                are_agreed = false;
            }
            Err(why) => {
                eprintln!("  error: {tool}: the server cannot be asked: {why}");
                are_agreed = false;
            }
        }
    }
    are_agreed
}

/// Asks one model after the other: side by side they would share what a service allows in a minute.
async fn ask(models: &[CheckedModel]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for CheckedModel {
        name,
        model,
        needs_tools,
    } in models
    {
        eprintln!("model {name}, asked now:");
        for found in probe(model).await.findings(*needs_tools) {
            match found {
                Found::Works(what) => eprintln!("  ok: {what}"),
                Found::Lacks(what) => eprintln!("  warning: {what}"),
                Found::Fails(what) => {
                    eprintln!("  error: {what}");
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    code
}
