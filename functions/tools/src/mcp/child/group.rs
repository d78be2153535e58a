//! A process with all that it has started, ended together. Knows processes only.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// Ends the group when it is dropped, so also when the runtime ends.
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group that this process leads.
    pub(super) fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It fails where all of them have ended.
            let _ended = kill_process_group(leader, Signal::KILL);
        }
    }
}
