//! Records and messages on one machine: SQLite for programs, memory for tests; the clock and the processes of the machine.
//! Knows the ports; never the content of a record.

pub mod env;
pub mod memory;
#[cfg(feature = "sqlite")]
pub mod presence;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod waiting;
