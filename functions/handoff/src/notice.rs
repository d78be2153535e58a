//! Notices: what endpoints of other systems are told, and that a turn's trace is to be sent. Each is written in the commit of what it
//! tells, and delivered by a worker, per endpoint and conversation in the order of the commits, at least once. Outside of the
//! conversation: nothing here holds up a turn or an action. Where nobody is told, nothing is written. A client may bring an endpoint for
//! one turn, in the settings' bounds.

mod compose;
mod deliver;
mod endpoints;
mod pushed;
mod receiver;

pub(crate) use compose::Told;
pub use deliver::NoticeLane;
pub use endpoints::EndpointNow;
