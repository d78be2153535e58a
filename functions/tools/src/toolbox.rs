//! All tools of a team behind one port: a call goes to the provider that declared its tool.
//! Knows the list of providers; never a tool's effect.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use baton_handoff::ports::{Forgotten, Outcome, Price, Provider, ToolError, ToolRequest, Tools};
use baton_handoff::team::{BackOfficeTools, Team, Tool};

use crate::http_tools::{HttpProvider, HttpTools};
use crate::mcp::{McpProvider, McpTools};
use crate::office::BackOffice;
use crate::outside::Outside;

/// The kinds of tools in Baton. A further kind is a file of its own, and one line here.
pub const KINDS: &[Kind] = &[
    Kind::new(&BackOfficeTools, |_, outside| {
        Ok(Arc::new(BackOffice::of(outside)))
    }),
    Kind::new(&HttpProvider, |team, outside| {
        Ok(Arc::new(HttpTools::new(team, outside)?))
    }),
    Kind::new(&McpProvider, |team, outside| {
        Ok(Arc::new(McpTools::new(team, outside)?))
    }),
];

/// Prepares the tools of a team that one provider declared.
type Open = fn(&Team, &Outside<'_>) -> Result<Arc<dyn Tools>, NotReady>;

/// Why a team's tools cannot be used, in one sentence.
pub type NotReady = Box<dyn Error + Send + Sync>;

/// A kind of tool: its declaration in team files, and its execution.
#[derive(Clone, Copy)]
pub struct Kind {
    provider: &'static dyn Provider,
    open: Open,
}

/// The tools of a team, ready for calls.
pub struct Toolbox {
    places: Vec<(&'static str, Arc<dyn Tools>)>,
}

impl Kind {
    /// A kind of tool.
    pub const fn new(provider: &'static dyn Provider, open: Open) -> Self {
        Self { provider, open }
    }
}

/// The declarers of tools of these kinds.
pub fn providers(kinds: &[Kind]) -> Vec<&'static dyn Provider> {
    kinds.iter().map(|kind| kind.provider).collect()
}

impl Toolbox {
    /// Prepares the tools of a team that was read with the [`providers`] of the same kinds.
    ///
    /// # Errors
    /// The first unusable tool, as one sentence for the operator that starts Baton.
    pub fn open(kinds: &[Kind], team: &Team, outside: &Outside<'_>) -> Result<Self, NotReady> {
        let open = |kind: &Kind| Ok((kind.provider.name(), (kind.open)(team, outside)?));
        let places = kinds.iter().map(open).collect::<Result<_, NotReady>>()?;
        Ok(Self { places })
    }

    /// Err is a sentence for the model.
    fn place_of(&self, request: &ToolRequest) -> Result<&dyn Tools, String> {
        self.of(&request.tool)
            .ok_or_else(|| format!("{} cannot be used: it runs nowhere.", request.tool.name))
    }

    fn of(&self, tool: &Tool) -> Option<&dyn Tools> {
        let mut places = self.places.iter();
        let found = places.find(|(name, _)| *name == tool.runs.provider);
        found.map(|(_, tools)| &**tools)
    }
}

#[async_trait]
impl Tools for Toolbox {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        let place = self.place_of(request).map_err(ToolError::Refused)?;
        place.lookup(request).await
    }

    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        match self.place_of(request) {
            Ok(place) => place.act(request, idempotency_key).await,
            Err(sentence) => Outcome::Rejected(sentence),
        }
    }

    async fn price(&self, request: &ToolRequest) -> Price {
        match self.place_of(request) {
            Ok(place) => place.price(request).await,
            Err(sentence) => Price::CannotTell(sentence),
        }
    }

    fn offers(&self, tool: &Tool) -> bool {
        self.of(tool).is_none_or(|tools| tools.offers(tool))
    }

    fn withdrawn(&self) -> Vec<String> {
        let all = self.places.iter();
        all.flat_map(|(_, tools)| tools.withdrawn()).collect()
    }

    /// A team of today may lack a tool that an earlier one had, so all providers are asked.
    async fn forget(&self, forgotten: &Forgotten) -> Result<(), ToolError> {
        for (_, tools) in &self.places {
            tools.forget(forgotten).await?;
        }
        Ok(())
    }
}
