//! Store and queue in this process's memory, for tests and simulations: their content ends with them.
//! Knows nothing of files and other processes.

mod queue;
mod store;

pub use queue::MemoryQueue;
pub use store::MemoryStore;
