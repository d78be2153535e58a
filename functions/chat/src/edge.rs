//! The edge of the HTTP interface: which requests are let in, how they are traced and refused, and the headers that several rooms
//! read. Knows no route and no stream.

pub(crate) mod accept;
pub(crate) mod deadline;
pub(crate) mod error;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod trace;
