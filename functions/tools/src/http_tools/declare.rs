//! Reads and checks the declaration of a tool that calls a service.
//! Knows URLs, headers and templates; never a socket, an address or the value of an environment variable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_handoff::team::{Declared, Draft, Located, Provider, Retries, ToolKind, in_range};
use toml::Spanned;

use super::call::{HttpBody, HttpCall, HttpLists, HttpMethod, HttpQuery, UrlPart, UrlTemplate};
use super::file::HttpFile;
use crate::outgoing::headers;
use crate::outgoing::keys::Keys;
use crate::outgoing::known::{Known, Template};

/// The usual limit of servers for the first line of a request.
const MAX_URL_BYTES: usize = 8 * 1024;

/// Later actions of the conversation wait meanwhile.
const RESULT_WITHIN_MINUTES: (i64, i64) = (1, 72 * 60);

/// Declares the tools with a section `[tool.http]`.
#[derive(Debug, Clone, Copy)]
pub struct HttpProvider;

impl Provider for HttpProvider {
    fn name(&self) -> &'static str {
        "http"
    }

    fn section(&self) -> Option<&'static str> {
        Some("http")
    }

    fn noun(&self) -> &'static str {
        "the service"
    }

    fn declare(&self, draft: &Draft<'_>) -> Result<Declared, Located> {
        let file: HttpFile = draft.read()?;
        let retries = retries(draft, &file)?;
        let call = HttpCall::declare(draft, file)?;
        Ok(Declared {
            config: Arc::new(call),
            retries,
            prices: false,
        })
    }
}

fn retries(draft: &Draft<'_>, file: &HttpFile) -> Result<Retries, Located> {
    let keys = file.idempotency_keys.as_ref();
    Keys {
        honoured: keys.is_none_or(|keys| *keys.get_ref()),
        said: keys.map(|keys| ("idempotency_keys", keys.span())),
        noun: "idempotency keys",
        life: file.key_life_minutes.as_ref(),
        remembers: file.key_remembers.as_ref(),
    }
    .retries(draft)
}

fn result_within(
    draft: &Draft<'_>,
    file: Option<Spanned<i64>>,
) -> Result<Option<Duration>, Located> {
    const KEY: &str = "result_within_minutes";
    if let (ToolKind::Lookup, Some(minutes)) = (draft.kind, &file) {
        return Err(draft.for_actions_only(KEY, minutes.span()));
    }
    let minutes = in_range(KEY, file, RESULT_WITHIN_MINUTES)?;
    Ok(minutes.map(Duration::from_mins))
}

impl HttpCall {
    fn declare(draft: &Draft<'_>, file: HttpFile) -> Result<Self, Located> {
        let url = url(draft, &file.url)?;
        let tool = draft.name;
        let body = body(tool, file.method, file.body)?;
        Ok(Self {
            method: file.method,
            result_within: result_within(draft, file.result_within_minutes)?,
            headers: headers::declare(&format!("tool {tool:?}"), file.headers)?,
            body_fields: body_fields(draft, body, file.body_fields)?,
            body,
            query_lists: lists(tool, file.query.as_ref(), file.query_lists.as_ref())?,
            query: query(draft, &url, file.query, file.query_lists.is_some())?,
            url,
            allow_private: file.allow_private,
        })
    }
}

fn url(draft: &Draft<'_>, file: &Spanned<String>) -> Result<UrlTemplate, Located> {
    let tool = draft.name;
    let bad = |what: String| Located::new(format!("the URL of tool {tool:?} {what}"), file.span());
    let url = UrlTemplate::parse(file.get_ref()).map_err(bad)?;
    for parameter in url.parameters() {
        if !draft.has_parameter(parameter) {
            return Err(bad(format!(
                "needs {{{parameter}}}, which is not a parameter of it, nor {}",
                Known::NAMES
            )));
        }
        if !draft.is_always_there(parameter) {
            return Err(bad(format!(
                "needs {{{parameter}}}, which a call may leave out"
            )));
        }
        if let Some(what) = draft.may_be(parameter, &["array", "object", "null"]) {
            return Err(bad(format!(
                "needs {{{parameter}}}, which may be {what}; an address takes texts, numbers and truth values"
            )));
        }
    }
    for part in &url.parts {
        if let UrlPart::Known(known) = part
            && draft.has_parameter(&known.name())
        {
            return Err(bad(format!(
                "needs {{{}}}, which Baton fills in itself, and a parameter of the tool has that name",
                known.name()
            )));
        }
    }
    let found = url.literal_bytes();
    if found > MAX_URL_BYTES {
        return Err(bad(format!(
            "has {found} bytes before any argument is in it, and servers take {MAX_URL_BYTES} at most"
        )));
    }
    Ok(url)
}

/// RFC 9110, section 9.3.1: content of a GET means nothing, and may lead a server to refuse the request.
fn body(
    tool: &str,
    method: HttpMethod,
    file: Option<Spanned<HttpBody>>,
) -> Result<HttpBody, Located> {
    match (method, file) {
        (HttpMethod::Get, Some(body)) if *body.get_ref() != HttpBody::None => {
            let sentence = format!(
                "tool {tool:?} sends a body with GET, which services ignore or refuse; use query = \"arguments\""
            );
            Err(Located::new(sentence, body.span()))
        }
        (_, Some(body)) => Ok(body.into_inner()),
        (method, None) => Ok(method.usual_body()),
    }
}

/// Parameters named in the address are not in the query; null is left out.
fn query(
    draft: &Draft<'_>,
    url: &UrlTemplate,
    file: Option<Spanned<HttpQuery>>,
    takes_lists: bool,
) -> Result<HttpQuery, Located> {
    let Some(query) = file else {
        return Ok(HttpQuery::None);
    };
    if *query.get_ref() == HttpQuery::Arguments {
        let tool = draft.name;
        let sent = draft
            .parameters()
            .filter(|name| url.parameters().all(|named| named != *name));
        let filled = url.filled_names();
        for parameter in sent {
            if filled.iter().any(|name| name == parameter) {
                let sentence = format!(
                    "query = \"arguments\" of tool {tool:?} would send {parameter:?} beside the one that Baton fills in"
                );
                return Err(Located::new(sentence, query.span()));
            }
            let cannot_send = |what: &str| {
                let sentence = format!(
                    "query = \"arguments\" of tool {tool:?} cannot send {parameter:?}, which may {what}; a query takes texts, \
                     numbers and truth values, and lists of them with query_lists = \"repeat\" or \"comma\""
                );
                Err(Located::new(sentence, query.span()))
            };
            let whole: &[&str] = if takes_lists {
                &["object"]
            } else {
                &["array", "object"]
            };
            if let Some(what) = draft.may_be(parameter, whole) {
                return cannot_send(&format!("be {what}"));
            }
            if let Some(what) = draft.items_may_be(parameter, &["array", "object", "null"]) {
                return cannot_send(&format!("have an item that is {what}"));
            }
        }
    }
    Ok(query.into_inner())
}

fn lists(
    tool: &str,
    query: Option<&Spanned<HttpQuery>>,
    file: Option<&Spanned<HttpLists>>,
) -> Result<Option<HttpLists>, Located> {
    let Some(lists) = file else { return Ok(None) };
    if query.is_some_and(|query| *query.get_ref() == HttpQuery::Arguments) {
        return Ok(Some(*lists.get_ref()));
    }
    let sentence = format!("tool {tool:?} has query_lists without query = \"arguments\"");
    Err(Located::new(sentence, lists.span()))
}

/// Members of the body that code fills. None has the name of a parameter, which the model fills.
fn body_fields(
    draft: &Draft<'_>,
    body: HttpBody,
    files: BTreeMap<String, Spanned<String>>,
) -> Result<BTreeMap<String, Template>, Located> {
    let tool = draft.name;
    let mut fields = BTreeMap::new();
    for (name, file) in files {
        let bad = |reason: &str| {
            let sentence = format!("the body field {name:?} of tool {tool:?} {reason}");
            Located::new(sentence, file.span())
        };
        if body == HttpBody::None {
            return Err(bad("has no body to stand in; use body = \"arguments\""));
        }
        if draft.has_parameter(&name) {
            return Err(bad("has the name of a parameter, which the model fills"));
        }
        let template = Template::parse(file.get_ref()).map_err(|reason| bad(&reason))?;
        fields.insert(name, template);
    }
    Ok(fields)
}
