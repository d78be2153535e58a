//! Notices: what endpoints of other systems are told. Each is written in the commit of what it tells, and delivered by a worker, per
//! endpoint and conversation in the order of the commits, at least once. Outside of the conversation: nothing here holds up a turn or an
//! action. Without endpoints nothing is written.

mod compose;
mod deliver;
mod endpoints;

pub(crate) use compose::Told;
pub use deliver::NoticeLane;
pub use endpoints::EndpointNow;
