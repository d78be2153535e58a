//! Why declared tools cannot be used. Knows the sentences only.

use std::net::IpAddr;

use crate::outgoing::headers::BadHeader;

/// Why a team's tools cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum HttpToolsError {
    /// The host is not valid.
    #[error("the URL of tool {tool:?} has no usable host: {reason}")]
    Host {
        /// The tool.
        tool: String,
        /// The mistake.
        reason: String,
    },
    /// The host is an address that the tool may not call.
    #[error(
        "the URL of tool {tool:?} has the address {address}, which it may not call; \
         `allow_private` in the team file allows private addresses, and nothing allows link-local and reserved ones"
    )]
    Address {
        /// The tool.
        tool: String,
        /// Its host.
        address: IpAddr,
    },
    /// A header cannot be sent.
    #[error(transparent)]
    Header(#[from] BadHeader),
    /// A service could not prove that it reports the end of its own action.
    #[error(
        "tool {tool:?} has result_within_minutes, so that its service gets a token to report with: set BATON_TOOL_TOKEN_SECRET, and          use https:// or name the host in BATON_PLAIN_HTTP"
    )]
    NoReportToken {
        /// The tool.
        tool: String,
    },
    /// This machine has no certificates to trust.
    #[error("the platform's certificates cannot be used for tools that call out")]
    Certificates(#[source] rustls::Error),
}
