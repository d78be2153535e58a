//! One tool of the file made into a tool of the team.
//! Knows this tool alone; never the agents that use it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use toml::Spanned;

use super::file::{ApprovalFile, HeaderFile, HttpFile, KeyRemembers, ToolFile};
use super::http::{HeaderValueSource, HttpBody, HttpCall, HttpMethod, HttpQuery, UrlTemplate};
use super::mistake::{Located, Mistake};
use super::parameters::{Parameters, read_parameters};
use super::tool::{Amount, Approval, BACK_OFFICE, Runs, Tool, ToolKind};
use super::{check_name, in_range, not_empty};

/// A service that hangs must not hold a worker up for longer than this.
const TIMEOUT_SECONDS: (i64, i64) = (1, 120);

/// What servers usually take as the first line of a request.
const MAX_URL_BYTES: usize = 8 * 1024;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Under the 24 h after which widely used payment services forget a key.
const DEFAULT_KEY_LIFE: Duration = Duration::from_hours(20);

const KEY_LIFE_MINUTES: (i64, i64) = (1, 30 * 24 * 60);

/// Later actions of a conversation wait for an earlier one, so it is not tried for ever.
const DEFAULT_RETRY: Duration = Duration::from_hours(1);

const LONGEST_RETRY: Duration = Duration::from_hours(24 * 30);

/// Headers that the client or the protocol sets; two of one kind would contradict each other.
const RESERVED_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Tool {
    pub(super) fn declare(file: ToolFile) -> Result<Self, Located> {
        check_name("tool", &file.name)?;
        let at = file.name.span();
        let name = file.name.into_inner();
        let description = not_empty(file.description, || {
            format!("the description of tool {name:?}")
        })?;
        let parameters = read_parameters(&name, &at, file.parameters, file.schema)?;
        let timeout = in_range("timeout_seconds", file.timeout_seconds, TIMEOUT_SECONDS)?
            .map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let runs = match file.http {
            Some(http) => {
                let life = http.key_life_minutes.as_ref().map(Spanned::span);
                let call = HttpCall::declare(&name, file.kind, &parameters, http)?;
                if let Some(at) = life.filter(|_| call.key_life <= timeout) {
                    return Err(Mistake::ShortKeyLife { tool: name }.at(at));
                }
                Runs::Http(call)
            }
            None => back_office(&name, file.kind).map_err(|mistake| mistake.at(at))?,
        };
        let approval = match file.approval {
            Some(approval) => approve(&name, file.kind, &runs, &parameters, approval)?,
            None => Approval::Never,
        };
        if file.kind == ToolKind::Lookup {
            let order = file.order.as_ref().map(|order| ("order", order.span()));
            let retry = file.retry_minutes.as_ref();
            let retry = retry.map(|retry| ("retry_minutes", retry.span()));
            if let Some((key, at)) = order.or(retry) {
                return Err(Mistake::ForActionsOnly { tool: name, key }.at(at));
            }
        }
        let key_life = match &runs {
            Runs::BackOffice => None,
            Runs::Http(call) => Some(call.key_life),
        };
        let retry = retry(key_life, file.retry_minutes)?;
        Ok(Self {
            identity: identity(&name, file.kind, &parameters, file.identity)?,
            order: file.order.map(Spanned::into_inner).unwrap_or_default(),
            retry,
            timeout,
            name,
            description,
            kind: file.kind,
            runs,
            approval,
            defaults: parameters.defaults,
            schema: parameters.schema,
        })
    }
}

/// How long actions are tried: never longer than the service remembers a key.
fn retry(key_life: Option<Duration>, minutes: Option<Spanned<i64>>) -> Result<Duration, Located> {
    let most = key_life.unwrap_or(LONGEST_RETRY).min(LONGEST_RETRY);
    let most_minutes = i64::try_from(most.as_secs() / 60).unwrap_or(i64::MAX);
    let minutes = in_range("retry_minutes", minutes, (1, most_minutes))?;
    Ok(minutes.map_or(DEFAULT_RETRY.min(most), Duration::from_mins))
}

fn back_office(name: &str, kind: ToolKind) -> Result<Runs, Mistake> {
    let Some((_, known)) = BACK_OFFICE.iter().find(|(known, _)| *known == name) else {
        let names: Vec<_> = BACK_OFFICE.iter().map(|(name, _)| *name).collect();
        return Err(Mistake::NeedsHttp {
            name: name.to_owned(),
            known: names.join(", "),
        });
    };
    if *known != kind {
        return Err(Mistake::BackOfficeKind {
            name: name.to_owned(),
            kind: known.as_str(),
        });
    }
    Ok(Runs::BackOffice)
}

fn identity(
    tool: &str,
    kind: ToolKind,
    parameters: &Parameters,
    names: Vec<Spanned<String>>,
) -> Result<Vec<String>, Located> {
    for name in &names {
        let tool = tool.to_owned();
        let parameter = name.get_ref().clone();
        let mistake = if kind == ToolKind::Lookup {
            Mistake::ForActionsOnly {
                tool,
                key: "identity",
            }
        } else if parameters.property(&parameter).is_none() {
            Mistake::UnknownIdentity { tool, parameter }
        } else if !parameters.is_always_there(&parameter) {
            Mistake::OptionalIdentity { tool, parameter }
        } else {
            continue;
        };
        return Err(mistake.at(name.span()));
    }
    Ok(names.into_iter().map(Spanned::into_inner).collect())
}

fn approve(
    tool: &str,
    kind: ToolKind,
    runs: &Runs,
    parameters: &Parameters,
    file: Spanned<ApprovalFile>,
) -> Result<Approval, Located> {
    let at = file.span();
    if kind == ToolKind::Lookup {
        return Err(Mistake::ForActionsOnly {
            tool: tool.to_owned(),
            key: "approval",
        }
        .at(at));
    }
    let above = match file.into_inner() {
        ApprovalFile::Never => return Ok(Approval::Never),
        ApprovalFile::Always => return Ok(Approval::Always),
        ApprovalFile::Above(above) => above,
    };
    let tool = tool.to_owned();
    let amount = match (runs, above.amount) {
        (Runs::BackOffice, None) => Amount::BackOffice,
        (Runs::BackOffice, Some(_)) => return Err(Mistake::AmountOfBackOffice { tool }.at(at)),
        (Runs::Http(_), None) => return Err(Mistake::AmountMissing { tool }.at(at)),
        (Runs::Http(_), Some(parameter)) => {
            let kind = parameters
                .property(&parameter)
                .and_then(|property| property.get("type"));
            if kind.and_then(Value::as_str) != Some("integer")
                || !parameters.is_always_there(&parameter)
            {
                return Err(Mistake::AmountParameter { tool, parameter }.at(at));
            }
            Amount::Parameter(parameter)
        }
    };
    let dollars = in_range(
        "above_usd",
        Some(Spanned::new(at, above.above_usd)),
        (0, 1_000_000_000),
    )?;
    Ok(Approval::Above {
        limit_cents: dollars.unwrap_or_default() * 100,
        amount,
    })
}

impl HttpCall {
    fn declare(
        tool: &str,
        kind: ToolKind,
        parameters: &Parameters,
        file: HttpFile,
    ) -> Result<Self, Located> {
        let actions_only = |key, at| {
            Mistake::ForActionsOnly {
                tool: tool.to_owned(),
                key,
            }
            .at(at)
        };
        if kind == ToolKind::Lookup {
            if let Some(keys) = &file.idempotency_keys {
                return Err(actions_only("idempotency_keys", keys.span()));
            }
            if let Some(life) = &file.key_life_minutes {
                return Err(actions_only("key_life_minutes", life.span()));
            }
            if let Some(remembers) = &file.key_remembers {
                return Err(actions_only("key_remembers", remembers.span()));
            }
        }
        let idempotency_keys = file.idempotency_keys.is_none_or(Spanned::into_inner);
        let life = file.key_life_minutes.as_ref();
        let life = life.map(|life| ("key_life_minutes", life.span()));
        let remembers = file.key_remembers.as_ref();
        let remembers = remembers.map(|remembers| ("key_remembers", remembers.span()));
        if let (false, Some((key, at))) = (idempotency_keys, life.or(remembers)) {
            let tool = tool.to_owned();
            return Err(Mistake::WithoutKeys { tool, key }.at(at));
        }
        let url = url(tool, parameters, &file.url)?;
        Ok(Self {
            method: file.method,
            headers: headers(tool, file.headers)?,
            body: body(tool, file.method, file.body)?,
            query: query(tool, parameters, &url, file.query)?,
            url,
            idempotency_keys,
            remembers_refusals: file
                .key_remembers
                .is_some_and(|remembers| remembers.into_inner() == KeyRemembers::Refusals),
            key_life: in_range("key_life_minutes", file.key_life_minutes, KEY_LIFE_MINUTES)?
                .map_or(DEFAULT_KEY_LIFE, Duration::from_mins),
            allow_private: file.allow_private,
        })
    }
}

fn url(
    tool: &str,
    parameters: &Parameters,
    file: &Spanned<String>,
) -> Result<UrlTemplate, Located> {
    let at = file.span();
    let tool = tool.to_owned();
    let url = match UrlTemplate::parse(file.get_ref()) {
        Ok(url) => url,
        Err(reason) => return Err(Mistake::Url { tool, reason }.at(at)),
    };
    for parameter in url.parameters() {
        let parameter = parameter.to_owned();
        if parameters.property(&parameter).is_none() {
            return Err(Mistake::UnknownUrlParameter { tool, parameter }.at(at));
        }
        if !parameters.is_always_there(&parameter) {
            return Err(Mistake::OptionalUrlParameter { tool, parameter }.at(at));
        }
        let compound = parameters.may_be(&parameter, &["array", "object", "null"]);
        if let Some(what) = compound {
            return Err(Mistake::CompoundUrlParameter {
                tool,
                parameter,
                what,
            }
            .at(at));
        }
    }
    let found = url.literal_bytes();
    if found > MAX_URL_BYTES {
        return Err(Mistake::LongUrl {
            tool,
            found,
            most: MAX_URL_BYTES,
        }
        .at(at));
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
        (HttpMethod::Get, Some(body)) if *body.get_ref() == HttpBody::Arguments => {
            let tool = tool.to_owned();
            Err(Mistake::BodyOfGet { tool }.at(body.span()))
        }
        (_, Some(body)) => Ok(body.into_inner()),
        (method, None) => Ok(method.usual_body()),
    }
}

/// What an address names is not in the query; null is left out of it.
fn query(
    tool: &str,
    parameters: &Parameters,
    url: &UrlTemplate,
    file: Option<Spanned<HttpQuery>>,
) -> Result<HttpQuery, Located> {
    let Some(query) = file else {
        return Ok(HttpQuery::None);
    };
    if *query.get_ref() == HttpQuery::Arguments {
        let sent = parameters
            .names()
            .filter(|name| url.parameters().all(|named| named != *name));
        for parameter in sent {
            if let Some(what) = parameters.may_be(parameter, &["array", "object"]) {
                let (tool, parameter) = (tool.to_owned(), parameter.to_owned());
                return Err(Mistake::CompoundInQuery {
                    tool,
                    parameter,
                    what,
                }
                .at(query.span()));
            }
        }
    }
    Ok(query.into_inner())
}

fn headers(
    tool: &str,
    files: BTreeMap<String, Spanned<HeaderFile>>,
) -> Result<Vec<(String, HeaderValueSource)>, Located> {
    let mut headers: Vec<(String, HeaderValueSource)> = Vec::with_capacity(files.len());
    for (name, file) in files {
        let at = file.span();
        let is_twice = |(known, _): &(String, _)| known.eq_ignore_ascii_case(&name);
        let value = if headers.iter().any(is_twice) {
            Err("is there twice; the case of its letters means nothing")
        } else {
            header(&name, file.into_inner())
        };
        match value {
            Ok(value) => headers.push((name, value)),
            Err(reason) => {
                return Err(Mistake::Header {
                    tool: tool.to_owned(),
                    header: name,
                    reason,
                }
                .at(at));
            }
        }
    }
    Ok(headers)
}

/// Err completes the sentence "header … of tool …".
fn header(name: &str, value: HeaderFile) -> Result<HeaderValueSource, &'static str> {
    // RFC 9110, section 5.6.2: what a token is made of.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("has a name that HTTP does not allow");
    }
    if RESERVED_HEADERS
        .iter()
        .any(|reserved| name.eq_ignore_ascii_case(reserved))
    {
        return Err("is set by Baton itself");
    }
    let is_text = |text: &str| {
        text.bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    match value {
        HeaderFile::Literal(text) if has_parameter(&text) => {
            Err("has a parameter in braces, and only a URL has parameters")
        }
        HeaderFile::Literal(text) if is_text(&text) => Ok(HeaderValueSource::Literal(text)),
        HeaderFile::Literal(_) => Err("has a value that is not printable ASCII"),
        HeaderFile::Environment(from) if !is_text(&from.prefix) => {
            Err("has a prefix that is not printable ASCII")
        }
        HeaderFile::Environment(from) if !is_variable(&from.env) => {
            Err("names an environment variable that is not made of letters, digits and _")
        }
        HeaderFile::Environment(from) => Ok(HeaderValueSource::Environment {
            variable: from.env,
            prefix: from.prefix,
        }),
    }
}

/// `{name}`, as URLs have them; JSON in a header has quotes there.
fn has_parameter(text: &str) -> bool {
    let mut opened = text.split('{').skip(1);
    opened.any(|rest| {
        rest.split_once('}')
            .is_some_and(|(name, _)| is_variable(name))
    })
}

fn is_variable(name: &str) -> bool {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain
        && name
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}
