//! The headers of a declaration: as a person writes them, checked, and ready to be sent.
//! Knows header names and the environment that the caller passes in; never a socket.

use std::collections::BTreeMap;
use std::fmt;

use baton_handoff::team::Located;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::known::Template;
use super::secrets::Secrets;
use crate::outside::Outside;

/// A shorter secret could not be taken out of answers: it would match in those that do not contain it.
const SHORTEST_SECRET: usize = 8;

/// Headers that the client or the protocol sets; two of one kind would contradict each other.
const RESERVED_HEADERS: &[&str] = &[
    "accept-encoding",
    "baton-action",
    "baton-action-token",
    "baton-token",
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The source of a header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderValueSource {
    /// The team file itself.
    Literal(String),
    /// The team file, with places that code fills at each call.
    Template(Template),
    /// An environment variable, so that no secret is in the team file.
    Environment {
        /// The variable's name.
        variable: String,
        /// Text before its value, for example `Bearer `.
        prefix: String,
    },
}

pub(crate) enum HeaderFile {
    Literal(String),
    Environment(EnvironmentFile),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct EnvironmentFile {
    pub(crate) env: String,
    #[serde(default)]
    pub(crate) prefix: String,
}

// An untagged enum would report every mistake as "did not match any variant"; this names the expected type.

impl<'de> Deserialize<'de> for HeaderFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = HeaderFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a text or { env = "NAME" }"#)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HeaderFile, E> {
                Ok(HeaderFile::Literal(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderFile, A::Error> {
                EnvironmentFile::deserialize(MapAccessDeserializer::new(map))
                    .map(HeaderFile::Environment)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Checks the headers of a declaration. `of` is its owner, as in `tool "book"`.
pub(crate) fn declare(
    of: &str,
    files: BTreeMap<String, Spanned<HeaderFile>>,
) -> Result<Vec<(String, HeaderValueSource)>, Located> {
    let mut headers: Vec<(String, HeaderValueSource)> = Vec::with_capacity(files.len());
    for (name, file) in files {
        let at = file.span();
        let is_twice = |(known, _): &(String, _)| known.eq_ignore_ascii_case(&name);
        let value = if headers.iter().any(is_twice) {
            Err("is there twice; the case of its letters means nothing".to_owned())
        } else {
            header(&name, file.into_inner())
        };
        match value {
            Ok(value) => headers.push((name, value)),
            Err(reason) => {
                let sentence = format!("header {name:?} of {of} {reason}");
                return Err(Located::new(sentence, at));
            }
        }
    }
    Ok(headers)
}

/// Err completes the sentence "header … of …".
fn header(name: &str, value: HeaderFile) -> Result<HeaderValueSource, String> {
    // RFC 9110, section 5.6.2: the characters of a token.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("has a name that HTTP does not allow".to_owned());
    }
    if RESERVED_HEADERS
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        return Err("is set by Baton itself".to_owned());
    }
    let is_text = |text: &str| {
        text.bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    match value {
        HeaderFile::Literal(text) if is_text(&text) => {
            let template = Template::parse(&text)?;
            Ok(if template.is_literal() {
                HeaderValueSource::Literal(text)
            } else {
                HeaderValueSource::Template(template)
            })
        }
        HeaderFile::Literal(_) => Err("has a value that is not printable ASCII".to_owned()),
        HeaderFile::Environment(from) if !is_text(&from.prefix) => {
            Err("has a prefix that is not printable ASCII".to_owned())
        }
        HeaderFile::Environment(from) if !is_variable(&from.env) => Err(
            "names an environment variable that is not made of letters, digits and _".to_owned(),
        ),
        HeaderFile::Environment(from) => Ok(HeaderValueSource::Environment {
            variable: from.env,
            prefix: from.prefix,
        }),
    }
}

pub(crate) fn is_variable(name: &str) -> bool {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain
        && name
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}

/// Headers, ready at the start: the environment is read, and its secrets are known.
#[derive(Default)]
pub(crate) struct Headers {
    pub(crate) fixed: HeaderMap,
    /// Headers whose values are filled at each call.
    pub(crate) filled: Vec<(HeaderName, Template)>,
    /// Values that a service may echo and that no model must see.
    secrets: Secrets,
}

/// A header that cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("header {header:?} of {of} {reason}")]
pub struct BadHeader {
    /// Whose header, as in `tool "book"`.
    of: String,
    /// The header's name.
    header: String,
    /// Completes the sentence.
    reason: String,
}

impl Headers {
    /// `takes_secrets`: the address may be sent secrets, for nobody else reads what is sent there.
    pub(crate) fn ready(
        of: &str,
        sources: &[(String, HeaderValueSource)],
        takes_secrets: bool,
        outside: &Outside<'_>,
    ) -> Result<Self, BadHeader> {
        let mut headers = Self::default();
        for (name, source) in sources {
            let added = headers.add(name, source, takes_secrets, outside);
            added.map_err(|reason| BadHeader {
                of: of.to_owned(),
                header: name.clone(),
                reason,
            })?;
        }
        Ok(headers)
    }

    fn add(
        &mut self,
        name: &str,
        source: &HeaderValueSource,
        takes_secrets: bool,
        outside: &Outside<'_>,
    ) -> Result<(), String> {
        let known_name = || {
            HeaderName::try_from(name).map_err(|_| "has a name that HTTP does not allow".to_owned())
        };
        let value = match source {
            HeaderValueSource::Template(template) => {
                self.filled.push((known_name()?, template.clone()));
                return Ok(());
            }
            HeaderValueSource::Literal(text) => HeaderValue::try_from(text.as_str())
                .map_err(|_| "has a value that HTTP does not allow".to_owned())?,
            HeaderValueSource::Environment { variable, prefix } => {
                let secret = (outside.variables)(variable).ok_or_else(|| {
                    format!("needs the environment variable {variable}, which is not set")
                })?;
                let mut value = HeaderValue::try_from(format!("{prefix}{secret}")).map_err(|_| {
                    format!(
                        "needs the environment variable {variable}, which holds what a header cannot"
                    )
                })?;
                value.set_sensitive(true);
                if secret.len() < SHORTEST_SECRET {
                    return Err(format!(
                        "needs the environment variable {variable}, which has fewer than {SHORTEST_SECRET} characters: it could \
                         not be taken out of what the service answers; a value that is no secret belongs in the team file"
                    ));
                }
                if !takes_secrets {
                    return Err(format!(
                        "would send the environment variable {variable} without TLS; use https://, or name the host in \
                         BATON_PLAIN_HTTP"
                    ));
                }
                self.secrets.add(&secret);
                value
            }
        };
        self.fixed.insert(known_name()?, value);
        Ok(())
    }

    /// The text without the values that came from the environment, and without the token that was sent.
    pub(crate) fn without_secrets<'a>(
        &self,
        text: &str,
        tokens: impl IntoIterator<Item = &'a HeaderValue>,
    ) -> String {
        let tokens = tokens.into_iter().filter_map(|token| token.to_str().ok());
        // No encoding of JSON or URLs changes their characters.
        tokens.fold(self.secrets.hide(text), |text, token| {
            text.replace(token, "…")
        })
    }
}
