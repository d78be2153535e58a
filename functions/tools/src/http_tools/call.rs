//! The HTTP call of a tool, parsed and checked. Executed elsewhere.
//! Knows templates and names only; never a socket, an address or the value of an environment variable.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use crate::outgoing::headers::HeaderValueSource;
use crate::outgoing::known::{Known, Template};

/// One HTTP call, as declared in the team file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpCall {
    /// The request method.
    pub(super) method: HttpMethod,
    /// The address; only its path and query may hold parameters.
    pub(super) url: UrlTemplate,
    /// Headers of the request, in the order of their names.
    pub(super) headers: Vec<(String, HeaderValueSource)>,
    /// The request's body.
    pub(super) body: HttpBody,
    /// Members of the body beside the arguments, filled by code.
    pub(super) body_fields: BTreeMap<String, Template>,
    /// The query added to the address.
    pub(super) query: HttpQuery,
    /// How lists stand in that query; none: there are none.
    pub(super) query_lists: Option<HttpLists>,
    /// How long the service may take that answers 202 and reports the end of an action later.
    pub(super) result_within: Option<Duration>,
    /// Whether the host may be a private or loopback address.
    pub(super) allow_private: bool,
}

/// The request methods that a tool may use (RFC 9110, section 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum HttpMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl HttpBody {
    pub(super) fn media_type(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Arguments | Self::Others => Some("application/json"),
            Self::Form => Some("application/x-www-form-urlencoded"),
        }
    }
}

impl HttpMethod {
    /// GET and DELETE have no defined body (RFC 9110, sections 9.3.1 and 9.3.5).
    pub(super) fn usual_body(self) -> HttpBody {
        match self {
            Self::Get | Self::Delete => HttpBody::None,
            Self::Post | Self::Put | Self::Patch => HttpBody::Arguments,
        }
    }
}

/// The request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HttpBody {
    /// No body.
    None,
    /// All arguments, as canonical JSON.
    Arguments,
    /// The arguments that the address does not name.
    Others,
    /// The same, as a form.
    Form,
}

/// The query added to the address, after its own query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HttpQuery {
    /// No query.
    #[default]
    None,
    /// The arguments that the address does not name, one parameter each.
    Arguments,
}

/// How the items of a list stand in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HttpLists {
    /// `tag=a&tag=b`.
    Repeat,
    /// `tag=a,b`.
    Comma,
}

/// An address with parameters in its path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UrlTemplate {
    /// Scheme, host and port, without a parameter and without a slash at the end.
    pub(super) origin: String,
    /// Path and query in their order; their concatenation begins with `/` or `?`, or is empty.
    pub(super) parts: Vec<UrlPart>,
}

/// A piece of a path or query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UrlPart {
    /// Literal text.
    Text(String),
    /// Replaced by the argument of this name, percent-encoded.
    Parameter(String),
    /// Replaced by what Baton knows of the call, percent-encoded.
    Known(Known),
}

impl UrlTemplate {
    /// Err completes the sentence "the URL …".
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let scheme_len = ["https://", "http://"]
            .into_iter()
            .find(|scheme| text.starts_with(scheme))
            .map(str::len)
            .ok_or("must begin with https:// or http://")?;
        let authority_len = text
            .bytes()
            .skip(scheme_len)
            .take_while(|byte| !matches!(byte, b'/' | b'?' | b'#'))
            .count();
        let (origin, rest) = text.split_at(scheme_len + authority_len);
        check_authority(origin.get(scheme_len..).unwrap_or_default())?;
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        {
            return Err("may hold printable ASCII without spaces and backslashes only".into());
        }
        if rest.contains('#') {
            return Err("must not have a fragment (`#`), which is never sent".into());
        }
        let path = rest.split('?').next().unwrap_or_default();
        if path.split('/').any(is_dots) {
            return Err("must not have `.` or `..` in its path".into());
        }
        Ok(Self {
            origin: origin.to_owned(),
            parts: split_parameters(rest)?,
        })
    }

    /// The literal bytes of the address.
    pub(super) fn literal_bytes(&self) -> usize {
        let literal = self.parts.iter().map(|part| match part {
            UrlPart::Text(text) => text.len(),
            UrlPart::Parameter(_) | UrlPart::Known(_) => 0,
        });
        self.origin.len() + literal.sum::<usize>()
    }

    /// The parameters in the address, in their order.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            UrlPart::Text(_) | UrlPart::Known(_) => None,
            UrlPart::Parameter(name) => Some(name.as_str()),
        })
    }

    /// The names of the address's own query parameters whose values code fills: no argument may be added under one of them.
    pub(super) fn filled_names(&self) -> Vec<String> {
        // No address has this character.
        const FILLED: char = '\0';
        let whole = self.parts.iter().fold(String::new(), |mut whole, part| {
            match part {
                UrlPart::Text(text) => whole.push_str(text),
                UrlPart::Parameter(_) => {}
                UrlPart::Known(_) => whole.push(FILLED),
            }
            whole
        });
        let (_, query) = whole.split_once('?').unwrap_or_default();
        let pairs = query.split('&').filter(|pair| pair.contains(FILLED));
        let names = pairs.filter_map(|pair| pair.split('=').next());
        let decoded = names.filter_map(|name| {
            let url = Url::parse(&format!("http://host/?{name}")).ok()?;
            let (name, _) = url.query_pairs().next()?;
            Some(name.into_owned())
        });
        decoded.collect()
    }
}

/// Whether a segment means the current or the parent folder, in any spelling that URLs have for it.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// The host receives the customer's data, so a model must not influence it.
fn check_authority(authority: &str) -> Result<(), String> {
    if authority.contains(['{', '}']) {
        return Err("must name its host literally, without a parameter".into());
    }
    if authority.contains('@') {
        return Err("must not hold a user or password; use a header from the environment".into());
    }
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, port)) => (address, port),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_is_number = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    if host.is_empty() {
        return Err("must have a host".into());
    }
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(port_is_number) {
        return Err("must have a port from 1 to 65535, or none".into());
    }
    Ok(())
}

fn split_parameters(mut rest: &str) -> Result<Vec<UrlPart>, String> {
    const UNBALANCED: &str = "must have every { closed by a }";
    let mut parts = Vec::new();
    while let Some((text, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').ok_or(UNBALANCED)?;
        if text.contains('}') || name.contains('{') {
            return Err(UNBALANCED.into());
        }
        if !text.is_empty() {
            parts.push(UrlPart::Text(text.to_owned()));
        }
        parts.push(match Known::parse(name) {
            Some(known) => UrlPart::Known(known),
            None => UrlPart::Parameter(name.to_owned()),
        });
        rest = tail;
    }
    if rest.contains('}') {
        return Err(UNBALANCED.into());
    }
    if !rest.is_empty() {
        parts.push(UrlPart::Text(rest.to_owned()));
    }
    Ok(parts)
}
