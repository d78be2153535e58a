//! Baton's commands for people at a terminal. Each is a file beside this one; none serves customers.

mod backup;
mod check;
mod conversation_tests;
mod customer;
mod import;
mod migrate;
mod people;
mod restore;
mod trace;
mod webhook;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use baton_setup::settings::{Settings, Values};
use clap::{Parser, Subcommand};

/// Checks, backups and other work on a Baton installation.
///
/// Settings are read from the environment and from `.env` in this folder, as `local` does.
#[derive(Parser)]
#[command(name = "baton", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads the team and all settings as the programs do, and says what is wrong or suspicious; asks the models what they can do,
    /// and the MCP servers whether their tools are as agreed
    ///
    /// Each model of a service is asked three times at most, with some 8,000 tokens. Exits with 1 if a program would not start or a turn
    /// would fail. Warnings alone exit with 0.
    Check {
        /// A team file [default: BATON_TEAM, or the built-in ACME team]
        team: Option<PathBuf>,
        /// Do not ask the models and the MCP servers
        #[arg(long)]
        offline: bool,
    },
    /// Holds conversations with a team as files say, and compares what it did with what the files expect
    ///
    /// Runs have records of their own in memory. No request goes to the service of a tool, unless a flag says so. Exits with 1 if a case
    /// is below the threshold, and with 2 if the input is bad.
    Test(conversation_tests::Options),
    /// Copies all that is committed into a new file, also while the server works, and verifies the copy
    Backup {
        /// The file to make; it must not exist
        copy: PathBuf,
        /// The SQLite file [default: BATON_DATA, or .baton/baton.db]
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Puts a copy in the place of the data, after the server was stopped; the old file is kept beside it
    ///
    /// Actions that were open in the copy may have been carried out since. They are tried again only while their service is sure to remember
    /// the key of the first try; all others wait for a person.
    Restore {
        /// A file that `baton backup` made
        copy: PathBuf,
        /// The SQLite file [default: BATON_DATA, or .baton/baton.db]
        #[arg(long)]
        data: Option<PathBuf>,
        /// Restore although the data has turns, actions or orders that the copy lacks
        #[arg(long)]
        undo: bool,
    },
    /// Moves the records that an earlier release wrote into the lists of this one, after an update
    ///
    /// For a table, after all functions and servers were updated. May run beside them, be interrupted and be repeated. A file needs no such
    /// command: each program that opens it brings it up to date.
    Migrate {
        /// The most records a second that it reads
        #[arg(long, default_value = "200")]
        rate: NonZeroU32,
        /// A position that an interrupted migration has printed
        #[arg(long)]
        from: Option<String>,
        /// The SQLite file [default: BATON_DATA, or .baton/baton.db]
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Writes all that one customer has as JSON, one object a line: conversations, orders, refunds, visitors
    Export {
        #[command(flatten)]
        who: customer::Who,
        /// A file to make [default: standard output]
        #[arg(long)]
        to: Option<PathBuf>,
        /// The SQLite file [default: BATON_DATA, or .baton/baton.db]
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Erases all that one customer has; of orders and refunds the amounts stay, under a pseudonym
    ///
    /// May run beside servers and be repeated. Actions that have not ended keep their records until then.
    Erase {
        #[command(flatten)]
        who: customer::Who,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// The SQLite file [default: BATON_DATA, or .baton/baton.db]
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Writes what another system says of itself as blocks of a team file, with comments on what to decide
    Import {
        #[command(subcommand)]
        source: import::Source,
    },
    /// Adds, lists and removes operators: colleagues at the desk
    Operator {
        #[command(subcommand)]
        command: people::OperatorCommand,
        /// The SQLite file [default: BATON_DATA, or .baton/baton.db]
        #[arg(long, global = true)]
        data: Option<PathBuf>,
    },
    /// Creates, lists and revokes API keys: programs of the company
    Key {
        #[command(subcommand)]
        command: people::KeyCommand,
        /// The SQLite file [default: BATON_DATA, or .baton/baton.db]
        #[arg(long, global = true)]
        data: Option<PathBuf>,
    },
    /// Draws what a turn did: its agents, model calls, tools, approvals, how long each took and what it cost
    ///
    /// Read from the records, also long afterwards. Without prompts, answers and arguments.
    Trace {
        #[command(flatten)]
        which: trace::Which,
        /// The SQLite file [default: BATON_DATA, or .baton/baton.db]
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Lists the endpoints of the team file's webhooks, and resumes paused ones
    Webhook {
        #[command(subcommand)]
        command: webhook::WebhookCommand,
        /// The SQLite file [default: BATON_DATA, or .baton/baton.db]
        #[arg(long, global = true)]
        data: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { team, offline } => check::run(team, offline),
        Command::Test(options) => conversation_tests::run(&options),
        Command::Backup { copy, data } => {
            file_settings(data).and_then(|settings| backup::run(&settings.keeping.data, &copy))
        }
        Command::Restore { copy, data, undo } => file_settings(data)
            .and_then(|settings| restore::run(&copy, &settings.keeping.data, undo)),
        Command::Migrate { rate, from, data } => {
            settings(data).and_then(|settings| migrate::run(&settings, rate, from.as_deref()))
        }
        Command::Export { who, to, data } => {
            settings(data).and_then(|settings| customer::export(&settings, &who, to.as_deref()))
        }
        Command::Erase { who, yes, data } => {
            settings(data).and_then(|settings| customer::erase(&settings, &who, yes))
        }
        Command::Import { source } => import::run(&source),
        Command::Operator { command, data } => {
            settings(data).and_then(|settings| people::operator(&settings, command))
        }
        Command::Key { command, data } => {
            settings(data).and_then(|settings| people::key(&settings, command))
        }
        Command::Trace { which, data } => {
            settings(data).and_then(|settings| trace::run(&settings, which))
        }
        Command::Webhook { command, data } => {
            settings(data).and_then(|settings| webhook::run(&settings, command))
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("baton: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn values() -> anyhow::Result<Values> {
    Ok(Values::from_environment(Some(Path::new(".env")))?)
}

/// The settings of a command that works on any store.
fn settings(data: Option<PathBuf>) -> anyhow::Result<Settings> {
    let mut values = values()?;
    if let Some(data) = data {
        values.set("BATON_DATA", data.display().to_string());
    }
    Ok(Settings::read(&values)?)
}

/// The settings of a command that works on the SQLite file.
fn file_settings(data: Option<PathBuf>) -> anyhow::Result<Settings> {
    let settings = settings(data)?;
    if let Some(cloud) = &settings.keeping.cloud {
        anyhow::bail!(
            "the records are in the DynamoDB table {}, not in a file: use the table's point-in-time recovery",
            cloud.table
        );
    }
    Ok(settings)
}
