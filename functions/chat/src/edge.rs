//! The edge of the HTTP interface: which requests are admitted, from which address they come, how they are traced and refused, and
//! shared headers; and the bounds of streams and addresses. Knows no route.

pub(crate) mod accept;
pub(crate) mod address;
pub(crate) mod announced;
pub(crate) mod authority;
pub(crate) mod bounds;
pub(crate) mod deadline;
pub(crate) mod error;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod trace;
