//! `baton operator` and `baton key`: who may use the server beside customers.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use baton_handoff::{ApiKey, Day, Engine, KnownOperator, Operator, Role, Scope, Subject, Tenant};
use baton_setup::settings::Settings;
use baton_setup::{Services, use_default_chain};
use baton_tools::office::BackOffice;
use clap::Subcommand;

/// The operator with the deployment's own secret has this name.
const RESERVED: &str = "operator";

const DAY_MS: u64 = 86_400_000;

#[derive(Subcommand)]
pub(crate) enum OperatorCommand {
    /// Adds an operator, and prints the token, which is kept nowhere; a known one gets these roles and a new token
    Add {
        /// The name: in decisions, in the audit trail, at the desk
        name: String,
        /// The tenant whose conversations and actions the operator sees
        #[arg(long, default_value = "default")]
        tenant: String,
        /// see, approve, approve:USD (up to that amount), settle or administer; once for each role
        #[arg(long = "role", required = true, value_parser = Role::parse)]
        roles: Vec<Role>,
    },
    /// Lists the operators of a tenant
    List {
        /// The tenant
        #[arg(long, default_value = "default")]
        tenant: String,
    },
    /// Ends an operator's token; a running server may take it for a minute more
    Remove {
        /// The name
        name: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Makes an API key for a program of the company, and prints it; it is kept nowhere
    Create {
        /// The name: in records and logs
        name: String,
        /// The tenant whose customers the program serves
        #[arg(long, default_value = "default")]
        tenant: String,
        /// chat, customers (act for a customer whom the request names), sessions (make tokens for widgets) or results (report the end
        /// of actions); once for each
        #[arg(long = "scope", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// The days until it ends [default: it does not end]
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3650))]
        days: Option<u64>,
    },
    /// Lists the keys of a tenant
    List {
        /// The tenant
        #[arg(long, default_value = "default")]
        tenant: String,
    },
    /// Ends every key of this name; a running server may take one for a minute more
    Revoke {
        /// The name
        name: String,
        /// The tenant
        #[arg(long, default_value = "default")]
        tenant: String,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    let known = Scope::ALL.map(Scope::as_str).join(", ");
    Scope::parse(text).ok_or_else(|| format!("a scope is one of {known}"))
}

pub(crate) fn operator(settings: &Settings, command: OperatorCommand) -> anyhow::Result<ExitCode> {
    with_engine(settings, async move |engine| match command {
        OperatorCommand::Add {
            name,
            tenant,
            roles,
        } => {
            anyhow::ensure!(
                name != RESERVED,
                "{RESERVED} is the name of the operator with the deployment's own secret; choose another"
            );
            // A part of the token.
            Tenant::parse(&name)
                .ok()
                .context("a name must match [A-Za-z0-9_-]{1,64}")?;
            let operator = Operator {
                name: Subject::parse(&name)?,
                tenant: Tenant::parse(&tenant)?,
                roles,
            };
            let token = engine.add_operator(operator).await?;
            eprintln!("{name} is an operator of tenant {tenant}; this is shown once:");
            print(&token);
            Ok(ExitCode::SUCCESS)
        }
        OperatorCommand::List { tenant } => {
            let tenant = Tenant::parse(&tenant)?;
            let mut after = None;
            loop {
                let (operators, next) = engine.operators(&tenant, after).await?;
                for operator in &operators {
                    print(&operator_line(operator));
                }
                after = next;
                if after.is_none() {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        OperatorCommand::Remove { name } => {
            let removed = Tenant::parse(&name).is_ok() && engine.remove_operator(&name).await?;
            anyhow::ensure!(removed, "there is no operator {name}");
            eprintln!(
                "{name} is no operator any more; a running server may take the token for a minute"
            );
            Ok(ExitCode::SUCCESS)
        }
    })
}

pub(crate) fn key(settings: &Settings, command: KeyCommand) -> anyhow::Result<ExitCode> {
    with_engine(settings, async move |engine| match command {
        KeyCommand::Create {
            name,
            tenant,
            scopes,
            days,
        } => {
            let (subject, owner) = (Subject::parse(&name)?, Tenant::parse(&tenant)?);
            let expires_at = days.map(|days| engine.now() + days * DAY_MS);
            let key = engine
                .create_key(subject, owner, scopes, expires_at)
                .await?;
            eprintln!("the key {name} of tenant {tenant}; this is shown once:");
            print(&key);
            Ok(ExitCode::SUCCESS)
        }
        KeyCommand::List { tenant } => {
            let tenant = Tenant::parse(&tenant)?;
            let mut after = None;
            loop {
                let (keys, next) = engine.keys(&tenant, after).await?;
                for key in &keys {
                    print(&key_line(key, engine.now()));
                }
                after = next;
                if after.is_none() {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        KeyCommand::Revoke { name, tenant } => {
            let revoked = engine.revoke_key(&Tenant::parse(&tenant)?, &name).await?;
            anyhow::ensure!(
                revoked > 0,
                "there is no live key {name} of tenant {tenant}"
            );
            eprintln!(
                "{revoked} keys of the name {name} ended; a running server may take one for a minute"
            );
            Ok(ExitCode::SUCCESS)
        }
    })
}

fn operator_line(known: &KnownOperator) -> String {
    let operator = &known.operator;
    let roles: Vec<String> = operator.roles.iter().map(ToString::to_string).collect();
    let state = known.revoked_at.map_or_else(
        || format!("since {}", Day::of(known.created_at)),
        |at| format!("removed {}", Day::of(at)),
    );
    format!("{}\t{}\t{state}", operator.name, roles.join(","))
}

pub(crate) fn key_line(key: &ApiKey, now: u64) -> String {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", Day::of(at)),
        (None, Some(at)) if at <= now => format!("ended {}", Day::of(at)),
        (None, Some(at)) => format!("until {}", Day::of(at)),
        (None, None) => format!("since {}", Day::of(key.created_at)),
    };
    format!("{}\t{}\t{state}", key.name, scopes.join(","))
}

/// What a program may want to read.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}

/// Runs a command that needs the engine alone.
pub(crate) fn with_engine(
    settings: &Settings,
    command: impl AsyncFnOnce(Arc<Engine>) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    with_services(settings, async move |engine, _| command(engine).await)
}

/// Runs a command on the store of these settings, beside a running server or without one.
pub(crate) fn with_services(
    settings: &Settings,
    command: impl AsyncFnOnce(Arc<Engine>, Arc<BackOffice>) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        use_default_chain(settings).await?;
        let services = Services::open(settings).await?;
        let done = command(services.engine(), services.office.clone()).await;
        services.close().await;
        done
    })
}
