//! The places of each tool: a service that does not answer holds its own, and leaves the others to the other tools.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counts::Counts;
use super::{Bound, Bounds};

/// The actions that this process tries, by tool.
#[derive(Debug, Default)]
pub(crate) struct ToolPlaces(Mutex<Counts<String>>);

/// The place of one action that is tried.
pub(crate) struct ToolPlace {
    places: Arc<ToolPlaces>,
    tool: String,
}

impl ToolPlaces {
    fn lock(&self) -> MutexGuard<'_, Counts<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more action of this tool, if there is one.
    pub(crate) fn enter(self: &Arc<Self>, bounds: &Bounds, tool: &str) -> Option<ToolPlace> {
        let mut counts = self.lock();
        let tool = tool.to_owned();
        if counts.of(&tool) >= bounds.of(Bound::PlacesTool) {
            return None;
        }
        counts.add(tool.clone());
        Some(ToolPlace {
            places: self.clone(),
            tool,
        })
    }
}

impl Drop for ToolPlace {
    fn drop(&mut self) {
        self.places.lock().remove(&self.tool);
    }
}
