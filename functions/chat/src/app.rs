//! The shared state of the routes: the engine, the server's addresses, and the size limits of requests.

use std::path::Path;
use std::sync::Arc;

use crate::auth::checks::Auth;
use baton_handoff::Engine;
use baton_setup::ModelInfo;
use baton_setup::settings::Proxies;
use baton_tools::office::BackOffice;
use baton_tools::tokens::ToolTokens;

/// Request bodies, in bytes: a message of 32 KB fits in any escaping. `\u0001` takes six bytes for one of text.
pub(crate) const MAX_BODY: usize = 256 * 1024;

/// The server's own names.
#[derive(Debug, Clone)]
pub struct Exposure {
    /// Further origins that browsers may call from; their hosts are names of this server too.
    pub origins: Vec<String>,
}

/// The shared state of the routes.
#[derive(Clone)]
pub struct App {
    /// The engine of all conversations.
    pub engine: Arc<Engine>,
    /// The server's own names.
    pub exposure: Arc<Exposure>,
    /// Checks credentials.
    pub auth: Arc<Auth>,
    /// The proxies that report clients' addresses.
    pub proxies: Arc<Proxies>,
    /// The description of the model for people.
    pub model: Arc<ModelInfo>,
    /// The embedded back office, for the lists of orders and refunds.
    pub office: Arc<BackOffice>,
    /// Signs the tokens that tools' services get, where there is a key for them.
    pub tool_tokens: Option<Arc<ToolTokens>>,
    /// Whether the page's files may be sent compressed. A proxy in front of a function strips the header for that.
    pub compress: bool,
    /// A folder with the page instead of the embedded one, for working on it.
    pub static_dir: Option<Arc<Path>>,
}
