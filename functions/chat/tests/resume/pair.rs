//! Two servers on one store, with one clock and one back office.

use std::sync::Arc;

use baton_rehearsal::scripted::ScriptedModel;

use crate::backend::Backend;
use crate::suite::support::{Clock, Server, Setup, ToolFaults};

/// Two running servers. A turn is run by the one that took its message, unless that one is gone.
pub(crate) async fn pair(model: &ScriptedModel) -> (Server, Server) {
    let backend = Backend::fresh();
    let clock = Arc::new(Clock::default());
    let desk = ToolFaults::new();
    let setup = || Setup {
        backend: backend.clone(),
        clock: clock.clone(),
        desk: desk.clone(),
        ..Setup::new(model)
    };
    (setup().open().await, setup().open().await)
}
