//! A declared tool, ready at the start: its address checked, its headers complete, its secrets known.
//! Nothing here reads the environment: the caller passes it in.

use std::net::IpAddr;

use baton_handoff::team::Tool;
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::call::{HeaderValueSource, HttpBody, HttpCall};
use super::error::HttpToolsError;
use super::known::Template;
use super::secrets::Secrets;
use crate::outside::Outside;

/// A shorter secret could not be taken out of answers: it would match in those that do not contain it.
const SHORTEST_SECRET: usize = 8;

/// One declared tool.
pub(super) struct Declared {
    pub(super) call: HttpCall,
    /// Scheme, host and port.
    pub(super) origin: Url,
    pub(super) headers: HeaderMap,
    /// Headers whose values are filled at each call.
    pub(super) filled: Vec<(HeaderName, Template)>,
    /// Whether the service gets a token of ours: not in clear text to another machine.
    pub(super) takes_tokens: bool,
    /// Values that a service may echo and that no model must see.
    secrets: Secrets,
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
        let mut declared = Self {
            call: call.clone(),
            origin,
            headers: HeaderMap::new(),
            filled: Vec::new(),
            takes_tokens,
            secrets: Secrets::default(),
        };
        declared.headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/*;q=0.5"),
        );
        if call.body != HttpBody::None {
            declared
                .headers
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, source) in &call.headers {
            declared.add_header(&tool.name, name, source, outside)?;
        }
        Ok(Some(declared))
    }

    fn add_header(
        &mut self,
        tool: &str,
        name: &str,
        source: &HeaderValueSource,
        outside: &Outside<'_>,
    ) -> Result<(), HttpToolsError> {
        let bad = |reason| HttpToolsError::Header {
            tool: tool.to_owned(),
            header: name.to_owned(),
            reason,
        };
        let known_name = || {
            HeaderName::try_from(name)
                .map_err(|_| bad("has a name that HTTP does not allow".to_owned()))
        };
        let value = match source {
            HeaderValueSource::Template(template) => {
                self.filled.push((known_name()?, template.clone()));
                return Ok(());
            }
            HeaderValueSource::Literal(text) => HeaderValue::try_from(text.as_str())
                .map_err(|_| bad("has a value that HTTP does not allow".to_owned()))?,
            HeaderValueSource::Environment { variable, prefix } => {
                let secret = (outside.variables)(variable).ok_or_else(|| {
                    bad(format!(
                        "needs the environment variable {variable}, which is not set"
                    ))
                })?;
                let mut value = HeaderValue::try_from(format!("{prefix}{secret}")).map_err(|_| {
                    bad(format!(
                        "needs the environment variable {variable}, which holds what a header cannot"
                    ))
                })?;
                value.set_sensitive(true);
                if secret.len() < SHORTEST_SECRET {
                    return Err(bad(format!(
                        "needs the environment variable {variable}, which has fewer than {SHORTEST_SECRET} characters: it could \
                         not be taken out of what the service answers; a value that is no secret belongs in the team file"
                    )));
                }
                if !self.takes_tokens {
                    return Err(bad(format!(
                        "would send the environment variable {variable} without TLS; use https://, or name the host in \
                         BATON_PLAIN_HTTP"
                    )));
                }
                self.secrets.add(&secret);
                value
            }
        };
        self.headers.insert(known_name()?, value);
        Ok(())
    }

    /// The host's address, where the declaration has one instead of a name.
    pub(super) fn literal_address(&self) -> Option<IpAddr> {
        literal_address(&self.origin)
    }

    /// The text without the values that came from the environment, and without the tokens that were sent.
    pub(super) fn without_secrets<'a>(
        &self,
        text: &str,
        tokens: impl Iterator<Item = &'a HeaderValue>,
    ) -> String {
        let tokens = tokens.filter_map(|token| token.to_str().ok());
        // No encoding of JSON or URLs changes their characters.
        tokens.fold(self.secrets.hide(text), |text, token| {
            text.replace(token, "…")
        })
    }
}

/// The host of a URL as an address, in any spelling that URLs have for one.
pub(crate) fn literal_address(url: &Url) -> Option<IpAddr> {
    // The parser has written every spelling as the usual one.
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}
