//! The command line. Knows words and numbers only.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use baton_rehearsal::paced;

use crate::{by_hand, relay};

pub(crate) const HELP: &str = "\
baton-bench: Baton beside a plain relay, in one run

  baton-bench [start] [turns] [pace] [long] [streams] [actions] [resume]   what to measure, all of it unless told
  baton-bench function   the function beside a bare one; builds the AWS SDK, so only when it is told
    --quick          a short run that shows that everything works
    --local PATH     this binary of `local`, not the one that is built here

One role by hand, to profile a server under load:
  baton-bench serve-model --addr ADDRESS [--words 20] [--delay-ms 0] [--hold-ms 0] [--orders]
  baton-bench serve-relay --addr ADDRESS --model-url URL [--http2]
  baton-bench load --addr ADDRESS [--conversations 32] [--seconds 10] [--words 20] [--relay]";

pub(crate) enum Command {
    Bench(Plan),
    ServeModel(SocketAddr, paced::Settings),
    ServeRelay(relay::Settings),
    Load(by_hand::Settings),
    Help,
}

pub(crate) struct Plan {
    pub(crate) sections: Vec<Section>,
    pub(crate) quick: bool,
    pub(crate) local: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Turns,
    Pace,
    Long,
    Streams,
    Start,
    Actions,
    Resume,
    Function,
}

/// What is measured unless told. The function is not among it, for the AWS SDK takes minutes to build.
const UNLESS_TOLD: [Section; 7] = [
    Section::Start,
    Section::Turns,
    Section::Pace,
    Section::Long,
    Section::Streams,
    Section::Actions,
    Section::Resume,
];

pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Command> {
    let mut given = Given(arguments.collect());
    if given.flag("--help") {
        return Ok(Command::Help);
    }
    let command = match given.0.first().map(String::as_str) {
        Some("serve-model") => {
            let addr = given.required("--addr")?;
            let settings = paced::Settings {
                words: given.value("--words")?.unwrap_or(paced::WORDS),
                delay: Duration::from_millis(given.value("--delay-ms")?.unwrap_or(0)),
                hold: Duration::from_millis(given.value("--hold-ms")?.unwrap_or(0)),
                orders: given.flag("--orders"),
            };
            Command::ServeModel(addr, settings)
        }
        Some("serve-relay") => Command::ServeRelay(relay::Settings {
            addr: given.required("--addr")?,
            model_url: given.required("--model-url")?,
            http2: given.flag("--http2"),
        }),
        Some("load") => Command::Load(by_hand::Settings {
            addr: given.required("--addr")?,
            conversations: given.value("--conversations")?.unwrap_or(32),
            lasting: Duration::from_secs(given.value("--seconds")?.unwrap_or(10)),
            words: given.value("--words")?.unwrap_or(paced::WORDS),
            relay: given.flag("--relay"),
        }),
        Some(_) | None => return plan(given).map(Command::Bench),
    };
    given.0.remove(0);
    given.nothing_left()?;
    Ok(command)
}

fn plan(mut given: Given) -> Result<Plan> {
    let quick = given.flag("--quick");
    let local = given.value("--local")?;
    let mut sections: Vec<_> = UNLESS_TOLD
        .into_iter()
        .chain([Section::Function])
        .filter(|section| given.flag(name(*section)))
        .collect();
    given.nothing_left()?;
    if sections.is_empty() {
        sections = UNLESS_TOLD.to_vec();
    }
    Ok(Plan {
        sections,
        quick,
        local,
    })
}

fn name(section: Section) -> &'static str {
    match section {
        Section::Turns => "turns",
        Section::Pace => "pace",
        Section::Long => "long",
        Section::Streams => "streams",
        Section::Start => "start",
        Section::Actions => "actions",
        Section::Resume => "resume",
        Section::Function => "function",
    }
}

/// What was given and is not understood yet.
struct Given(Vec<String>);

impl Given {
    fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|argument| argument != name);
        self.0.len() < before
    }

    fn value<T>(&mut self, name: &str) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let Some(at) = self.0.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        self.0.remove(at);
        if at == self.0.len() {
            bail!("{name} wants a value");
        }
        let text = self.0.remove(at);
        let value = text
            .parse()
            .with_context(|| format!("{name} cannot be {text:?}"))?;
        Ok(Some(value))
    }

    fn required<T>(&mut self, name: &str) -> Result<T>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        self.value(name)?
            .with_context(|| format!("{name} is missing"))
    }

    fn nothing_left(&self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(argument) => bail!("{argument:?} is not understood; see --help"),
        }
    }
}
