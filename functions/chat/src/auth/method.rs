//! A way to authenticate.

use async_trait::async_trait;
use http::HeaderMap;

use super::denied::Denied;
use super::identity::Identity;
use crate::app::App;

/// A way to authenticate.
#[async_trait]
pub(super) trait Method: Send + Sync {
    /// The identity behind a credential; `None` if the credential is of another kind.
    async fn check(&self, app: &App, asked: &Asked<'_>) -> Option<Result<Identity, Denied>>;
}

/// A credential with the headers of its request.
pub(super) struct Asked<'a> {
    pub(super) credential: &'a str,
    pub(super) headers: &'a HeaderMap,
}
