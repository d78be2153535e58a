//! The operations of a caller on one conversation.

mod accept;
pub(crate) mod client;
pub(crate) mod confirm;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod follow;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod message;
pub(crate) mod open;
pub(crate) mod push;
pub(crate) mod regenerate;
pub(crate) mod stop;
mod submit;
pub(crate) mod weigh;
