//! Why declared servers cannot be used. Knows the sentences only.

use std::net::IpAddr;

use crate::outgoing::BadHeader;

/// Why a team's MCP servers cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum McpError {
    /// The host is an address that the server may not have.
    #[error(
        "the URL of MCP server {server:?} has the address {address}, which may not be called; \
         `allow_private` in the team file allows private addresses, and nothing allows link-local and reserved ones"
    )]
    Address {
        /// The server.
        server: String,
        /// Its host.
        address: IpAddr,
    },
    /// A header cannot be sent.
    #[error(transparent)]
    Header(#[from] BadHeader),
    /// A program cannot be started here.
    #[error(
        "MCP server {server:?} is a command, which a local server or a pool runs beside itself and a function does not; \
         give it a url"
    )]
    Command {
        /// The server.
        server: String,
    },
    /// A variable for a program is not set.
    #[error("MCP server {server:?} needs the environment variable {variable}, which is not set")]
    Variable {
        /// The server.
        server: String,
        /// The variable.
        variable: String,
    },
    /// This machine has no certificates to trust.
    #[error("the platform's certificates cannot be used for MCP servers")]
    Certificates(#[source] rustls::Error),
}
