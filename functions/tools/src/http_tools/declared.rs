//! A declared tool, ready at the start: its address checked, its headers complete, its secrets known.
//! Nothing here reads the environment: the caller passes it in.

use std::net::IpAddr;

use baton_handoff::team::Tool;
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};

use super::call::HttpCall;
use super::error::HttpToolsError;
use crate::outgoing::headers::Headers;
use crate::outgoing::line::literal_address;
use crate::outside::Outside;

/// One declared tool.
pub(super) struct Declared {
    pub(super) call: HttpCall,
    /// Scheme, host and port.
    pub(super) origin: Url,
    pub(super) headers: Headers,
    /// Whether the service gets a token of ours: not in clear text to another machine.
    pub(super) takes_tokens: bool,
}

impl Declared {
    /// None for a tool without a service.
    pub(super) fn of(tool: &Tool, outside: &Outside<'_>) -> Result<Option<Self>, HttpToolsError> {
        let Some(call) = tool.runs.config::<HttpCall>() else {
            return Ok(None);
        };
        let origin = Url::parse(&call.url.origin).map_err(|error| HttpToolsError::Host {
            tool: tool.name.clone(),
            reason: error.to_string(),
        })?;
        let takes_tokens = baton_http::may_carry_secrets(origin.as_str(), &outside.plain_hosts);
        let of = format!("tool {:?}", tool.name);
        let mut headers = Headers::ready(&of, &call.headers, takes_tokens, outside)?;
        let usual = [
            (ACCEPT, Some("application/json, text/*;q=0.5")),
            (CONTENT_TYPE, call.body.media_type()),
        ];
        for (name, value) in usual {
            if let Some(value) = value {
                let value = HeaderValue::from_static(value);
                headers.fixed.entry(name).or_insert(value);
            }
        }
        Ok(Some(Self {
            call: call.clone(),
            origin,
            headers,
            takes_tokens,
        }))
    }

    /// The host's address, where the declaration has one instead of a name.
    pub(super) fn literal_address(&self) -> Option<IpAddr> {
        literal_address(&self.origin)
    }
}
