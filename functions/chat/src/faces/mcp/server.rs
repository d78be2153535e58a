//! The methods of MCP. What they do is in `call` and `resources`.

use std::sync::Arc;

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, ErrorData, Implementation,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use tokio::time::Instant;

use super::{call, resources};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::edge::bounds::Places;

/// How long a client may keep the list of tools, which changes with a new version only. In milliseconds.
const TOOLS_KEEP: u64 = 3_600_000;

/// The server of one request.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) app: App,
    pub(super) places: Places,
    pub(super) caller: Arc<Caller>,
    /// When there must be an answer.
    pub(super) until: Instant,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("baton", env!("CARGO_PKG_VERSION")))
            .with_instructions("The tool chat speaks with the company's support team for your user. Go on with the conversation_id that it gives you.")
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![call::tool()])
            .with_ttl_ms(TOOLS_KEEP)
            .with_cache_scope(CacheScope::Public))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        (name == call::NAME).then(call::tool)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name != call::NAME {
            let sentence = format!("there is no tool {}", request.name);
            return Err(ErrorData::invalid_params(sentence, None));
        }
        let Some(parts) = context.extensions.get::<Parts>().cloned() else {
            return Err(ErrorData::internal_error("the request has no head", None));
        };
        Ok(call::chat(self, parts, request, &context).await)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        resources::list(&self.app, &self.caller, cursor).await
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = resources::read(&self.app, &self.caller, &request.uri).await?;
        Ok(read.into())
    }
}
