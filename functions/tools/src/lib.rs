//! A team's tools by kind: the declaration and the execution of each. The list of kinds is [`toolbox::KINDS`].
//! Knows the port and the HTTP client; never conversations or models.

pub mod http_tools;
pub mod mcp;
pub mod office;
pub mod outgoing;
pub mod outside;
pub mod tokens;
pub mod toolbox;
pub mod webhooks;
