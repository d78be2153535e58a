//! What the routes share: the engine, the way in, and the sizes that requests may have.

use std::path::Path;
use std::sync::Arc;

use baton_handoff::Engine;
use baton_http::Secret;
use baton_setup::ModelInfo;
use baton_tools::office::BackOffice;

/// Bodies of requests, in bytes: a message of 32 KB fits, however it is escaped. `\u0001` takes six bytes for one of text.
pub(crate) const MAX_BODY: usize = 256 * 1024;

/// From where this server can be reached, and which callers it trusts.
#[derive(Debug, Clone)]
pub struct Exposure {
    /// It listens on loopback only.
    pub loopback: bool,
    /// Origins besides its own that browsers may call from; their hosts are its names too.
    pub origins: Vec<String>,
    /// The bearer token of operator routes.
    pub operator_token: Option<Secret>,
}

/// What the routes need.
#[derive(Clone)]
pub struct App {
    /// Where conversations go on.
    pub engine: Arc<Engine>,
    /// From where this server can be reached.
    pub exposure: Arc<Exposure>,
    /// The description of the model for people.
    pub model: Arc<ModelInfo>,
    /// The embedded back office, where orders and refunds are read.
    pub office: Arc<BackOffice>,
    /// Whether the page's files may be sent compressed. A proxy in front of a function strips the header that says so.
    pub compress: bool,
    /// A folder to serve the page from instead of the embedded one, for working on it.
    pub static_dir: Option<Arc<Path>>,
}
