//! A team's tools, kind by kind: how each is declared, and what it does. The list of kinds is [`toolbox::KINDS`].
//! Knows the port and the HTTP client; never conversations or models.

pub mod http_tools;
pub mod office;
pub mod outside;
pub mod toolbox;
