//! All tools of a team behind one port: each goes where its declaration says.
//! Knows the two places; never what a tool does there.

use std::sync::Arc;

use async_trait::async_trait;
use baton_handoff::ports::{Outcome, Price, ToolError, ToolRequest, Tools};
use baton_handoff::team::Runs;

use crate::http_tools::HttpTools;

/// The embedded back office, and the services that tools call.
pub struct Toolbox {
    office: Arc<dyn Tools>,
    http: HttpTools,
}

impl Toolbox {
    /// Tools without a service of their own run in this office.
    pub fn new(office: Arc<dyn Tools>, http: HttpTools) -> Self {
        Self { office, http }
    }

    fn place_of(&self, request: &ToolRequest) -> &dyn Tools {
        match &request.tool.runs {
            Runs::BackOffice => &*self.office,
            Runs::Http(_) => &self.http,
        }
    }
}

#[async_trait]
impl Tools for Toolbox {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        self.place_of(request).lookup(request).await
    }

    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        self.place_of(request).act(request, idempotency_key).await
    }

    async fn price(&self, request: &ToolRequest) -> Price {
        self.place_of(request).price(request).await
    }
}
