//! One server of a team: what it says of its tools now, compared with what the operator agreed to.
//! Knows definitions and their age; never the meaning of a call's answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_handoff::ports::{Env, Millis};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{Answer, Failed};
use super::definition::{Definition, Mirrored};
use super::message::Ask;
use super::session::Remote;

/// How long a list counts where the server does not say, and the bounds of what it may say.
const USUAL_LIFE: Millis = 5 * 60 * 1_000;
const SHORTEST_LIFE: Millis = 60 * 1_000;
const LONGEST_LIFE: Millis = 24 * 60 * 60 * 1_000;

/// A list that could not be read is not read in the background again before that long.
const PAUSE: Millis = 30 * 1_000;

/// The time limit of a list in the background.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most pages of a list, and the most tools.
const MAX_PAGES: usize = 32;
const MAX_TOOLS: usize = 2_000;

/// What carries messages to a server.
pub(super) enum Link {
    Http(Box<Remote>),
    #[cfg(all(unix, feature = "children"))]
    Child(Box<super::child::Program>),
}

/// A tool of the team, and the definition that its operator agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    /// The tool's name in the team.
    pub(super) tool: String,
    /// Its name at the server.
    pub(super) name: String,
    pub(super) hash: String,
}

/// What is known of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The definition is the one that was agreed to.
    Agreed,
    /// The server defines it otherwise now; the hash of that definition.
    Changed(String),
    /// The server has no such tool.
    Gone,
    /// It must not be used: a phrase that completes "it …".
    Invalid(String),
}

/// One server.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) link: Link,
    pub(super) pins: Vec<Pin>,
    env: Arc<dyn Env>,
    known: Mutex<Known>,
    /// Held while the list is read: calls that need it wait for the same one.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    list: Option<List>,
    /// When the background may read it again.
    pause_until: Millis,
    in_background: bool,
    /// The tools of the team that are not offered.
    withdrawn: BTreeSet<String>,
}

struct List {
    fresh_until: Millis,
    tools: BTreeMap<String, (Standing, Vec<Mirrored>)>,
}

impl Server {
    pub(super) fn new(name: String, link: Link, pins: Vec<Pin>, env: Arc<dyn Env>) -> Self {
        Self {
            name,
            link,
            pins,
            env,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the tool may be offered, as far as is known. Begins to read a list that is too old.
    pub(super) fn offers(self: &Arc<Self>, tool: &str) -> bool {
        let now = self.env.now();
        let mut known = self.lock();
        let is_fresh = (known.list.as_ref()).is_some_and(|list| now < list.fresh_until);
        if !is_fresh && !known.in_background && known.pause_until <= now {
            known.in_background = true;
            let (server, reading) = (self.clone(), Reading(self.clone()));
            self.env.spawn(Box::pin(async move {
                let _reading = reading;
                if let Err(failed) = server.refresh(Instant::now() + PATIENCE).await {
                    let reason = failed.reason();
                    tracing::warn!(
                        server = server.name,
                        reason,
                        "the tools of an MCP server could not be listed"
                    );
                }
            }));
        }
        !known.withdrawn.contains(tool)
    }

    pub(super) fn withdrawn(&self) -> Vec<String> {
        self.lock().withdrawn.iter().cloned().collect()
    }

    /// What is known of a tool by now, and the arguments that headers repeat. Reads the list if it is too old.
    pub(super) async fn standing(
        &self,
        tool: &str,
        deadline: Instant,
    ) -> Result<(Standing, Vec<Mirrored>), Failed> {
        if !self.is_fresh() {
            self.refresh(deadline).await?;
        }
        let known = self.lock();
        let standing = (known.list.as_ref()).and_then(|list| list.tools.get(tool).cloned());
        Ok(standing.unwrap_or((Standing::Gone, Vec::new())))
    }

    fn is_fresh(&self) -> bool {
        let now = self.env.now();
        let known = self.lock();
        (known.list.as_ref()).is_some_and(|list| now < list.fresh_until)
    }

    /// Counts the list as too old: an answer says that it is.
    pub(super) fn doubt(&self) {
        if let Some(list) = &mut self.lock().list {
            list.fresh_until = 0;
        }
    }

    /// Reads the list, unless somebody else just did.
    async fn refresh(&self, deadline: Instant) -> Result<(), Failed> {
        let waiting = tokio::time::timeout_at(deadline, self.reading.lock());
        let late = || Failed::NotSent("its tools could not be listed in time".to_owned());
        let _reading = waiting.await.map_err(|_| late())?;
        if self.is_fresh() {
            return Ok(());
        }
        let listed = self.list(deadline).await;
        let now = self.env.now();
        match listed {
            Ok((definitions, life)) => {
                self.learn(&definitions, now + life);
                Ok(())
            }
            Err(failed) => {
                self.lock().pause_until = now + PAUSE;
                Err(failed.before_call())
            }
        }
    }

    /// Compares the definitions with those that were agreed to, and says once what has changed.
    fn learn(&self, definitions: &[Definition], fresh_until: Millis) {
        let mut known = self.lock();
        let mut list = List {
            fresh_until,
            tools: BTreeMap::new(),
        };
        for pin in &self.pins {
            let (standing, mirrored) = standing(pin, definitions);
            if standing == Standing::Agreed {
                if known.withdrawn.remove(&pin.tool) {
                    tracing::info!(
                        tool = pin.tool,
                        server = self.name,
                        "the definition of a tool is the agreed one again"
                    );
                }
            } else if known.withdrawn.insert(pin.tool.clone()) {
                let what = standing.sentence();
                tracing::error!(
                    tool = pin.tool,
                    server = self.name,
                    what,
                    "a tool is not offered any more"
                );
            }
            list.tools.insert(pin.tool.clone(), (standing, mirrored));
        }
        known.list = Some(list);
    }

    /// What the server says of all its tools, and how long that counts.
    pub(super) async fn list(
        &self,
        deadline: Instant,
    ) -> Result<(Vec<Definition>, Millis), Failed> {
        let (mut definitions, mut life) = (Vec::new(), USUAL_LIFE);
        let mut cursor = Value::Null;
        for _ in 0..MAX_PAGES {
            let mut ask = Ask::new("tools/list", &json!({}));
            if !cursor.is_null() {
                ask.params.insert("cursor".to_owned(), cursor.clone());
            }
            let page = self.request(&ask, &HeaderMap::new(), deadline).await?;
            let page = page.result()?;
            let tools = page.get("tools").and_then(Value::as_array);
            let tools = tools
                .ok_or_else(|| Failed::Unusable("its list of tools has no tools".to_owned()))?;
            definitions.extend(tools.iter().filter_map(Definition::read));
            if let Some(said) = page.get("ttlMs").and_then(Value::as_u64) {
                life = said.clamp(SHORTEST_LIFE, LONGEST_LIFE);
            }
            let next = page.get("nextCursor").filter(|next| next.is_string());
            match next {
                Some(next) if *next != cursor && definitions.len() <= MAX_TOOLS => {
                    cursor = next.clone();
                }
                Some(_) => break,
                None => return Ok((definitions, life)),
            }
        }
        Err(Failed::Unusable("its list of tools has no end".to_owned()))
    }

    /// Asks the server.
    pub(super) async fn request(
        &self,
        ask: &Ask,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<Answer, Failed> {
        match &self.link {
            Link::Http(remote) => remote.request(ask, headers, deadline).await,
            #[cfg(all(unix, feature = "children"))]
            Link::Child(program) => program.request(ask, deadline).await,
        }
    }
}

/// Ends the reading in the background, also where it breaks off.
struct Reading(Arc<Server>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.lock().in_background = false;
    }
}

/// How a tool stands among the definitions of its server.
pub(super) fn standing(pin: &Pin, definitions: &[Definition]) -> (Standing, Vec<Mirrored>) {
    let mut named = definitions.iter().filter(|it| it.name == pin.name);
    let (Some(definition), None) = (named.next(), named.next()) else {
        // Two of one name are none: nobody could say which one a call reaches.
        return (Standing::Gone, Vec::new());
    };
    let hash = definition.pin();
    if hash != pin.hash {
        return (Standing::Changed(hash), Vec::new());
    }
    match definition.mirrored() {
        Ok(mirrored) => (Standing::Agreed, mirrored),
        Err(reason) => (Standing::Invalid(reason), Vec::new()),
    }
}

impl Standing {
    /// What is wrong, as a phrase about the tool.
    pub fn sentence(&self) -> String {
        match self {
            Self::Agreed => "its definition is the agreed one".to_owned(),
            Self::Changed(hash) => {
                format!("its server defines it otherwise than was agreed: now {hash}")
            }
            Self::Gone => "its server has no such tool".to_owned(),
            Self::Invalid(reason) => format!("its definition {reason}"),
        }
    }
}
