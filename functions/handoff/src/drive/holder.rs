//! Names of owners: whoever takes a lease signs it with one. It says of which process the owner is a part, where the machine
//! has names for processes: then nobody waits for the lease of a process that has certainly ended.

use crate::engine::Engine;

impl Engine {
    /// A name that no owner ever had.
    pub(crate) fn new_holder(&self) -> String {
        match self.env.process() {
            Some(process) => format!("{}@{process}", self.random_id()),
            None => self.random_id(),
        }
    }

    /// Whether this owner has certainly ended with its process. What it wrote was written before, so that a commit over the
    /// version that is read now is as safe as one after the end of its lease.
    pub(crate) fn has_ended(&self, holder: &str) -> bool {
        if sabotage!(LivingTakenForDead) {
            return true;
        }
        holder
            .split_once('@')
            .is_some_and(|(_, process)| self.env.has_ended(process))
    }
}
