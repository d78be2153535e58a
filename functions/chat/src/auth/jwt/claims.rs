//! What an issuer's settings demand of the claims of a token, and what the claims say.

use baton_handoff::ports::Millis;
use baton_setup::settings::JwtSettings;
use serde_json::{Map, Value};

use super::{Refusal, Verified};

/// How much the clocks of issuer and server may differ, in seconds.
const LEEWAY: f64 = 60.0;
/// The end of the year 9999: a later moment is a mistake, such as milliseconds.
const LAST_MOMENT: f64 = 253_402_300_799.0;
/// The longest subject or tenant, in bytes (OpenID Connect Core, 2, for `sub`).
const LONGEST_ID: usize = 255;
/// The longest display name, in characters; longer ones are cut.
const LONGEST_NAME: usize = 100;
/// All claims for tools as JSON, in bytes. They are stored with each conversation.
const MOST_CLAIMS: usize = 2 * 1024;
/// The most roles that are read.
const MOST_ROLES: usize = 100;

type Claims = Map<String, Value>;

/// Checks the claims.
pub(super) fn read(
    settings: &JwtSettings,
    claims: &Claims,
    now: Millis,
) -> Result<Verified, Refusal> {
    if !is_issuer(settings, claims) {
        return Err(Refusal::Invalid("the token is of another issuer"));
    }
    if !is_audience(settings, claims) {
        return Err(Refusal::Invalid("the token is for another audience"));
    }
    let expires = times(claims, now)?;
    let subject = id(claims, &settings.subject_claim)
        .ok_or(Refusal::Invalid("the token names no usable subject"))?;
    let tenant = match &settings.tenant_claim {
        None => None,
        // Without a tenant its customer would be in that of all others.
        Some(name) => {
            Some(id(claims, name).ok_or(Refusal::Invalid("the token names no usable tenant"))?)
        }
    };
    let roles = settings.role_claim.as_deref();
    Ok(Verified {
        subject,
        tenant,
        name: display_name(claims, &settings.name_claim),
        claims: for_tools(claims, &settings.tool_claims)?,
        roles: roles.map_or_else(Vec::new, |name| list(claims, name)),
        expires,
        origin: None,
    })
}

/// Whether the claims name this issuer: one text, byte for byte.
pub(super) fn is_issuer(settings: &JwtSettings, claims: &Claims) -> bool {
    claims.get("iss").and_then(Value::as_str) == Some(&*settings.issuer)
}

/// Whether the claims name one of the audiences: a text, or a list of texts (RFC 7519, 4.1.3).
pub(super) fn is_audience(settings: &JwtSettings, claims: &Claims) -> bool {
    let is_ours = |audience: &str| settings.audiences.iter().any(|ours| ours == audience);
    match claims.get("aud") {
        Some(Value::String(audience)) => is_ours(audience),
        Some(Value::Array(audiences)) => {
            audiences.iter().all(Value::is_string)
                && audiences.iter().filter_map(Value::as_str).any(is_ours)
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

/// Checks `exp`, `nbf` and `iat`. The result is the end, in whole seconds.
pub(super) fn times(claims: &Claims, now: Millis) -> Result<u64, Refusal> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact until the year 287396, in milliseconds"
    )]
    let now = now as f64 / 1000.0;
    let moment = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_f64()
            .filter(|moment| (0.0..=LAST_MOMENT).contains(moment))
            .map(Some)
            .ok_or(Refusal::Invalid("a time in the token is none")),
    };
    let expires = moment("exp")?.ok_or(Refusal::Invalid("the token has no end"))?;
    if now >= expires + LEEWAY {
        return Err(Refusal::Invalid("the token has expired"));
    }
    if moment("nbf")?.is_some_and(|begin| now < begin - LEEWAY) {
        return Err(Refusal::Invalid("the token is not valid yet"));
    }
    if moment("iat")?.is_some_and(|issued| now < issued - LEEWAY) {
        return Err(Refusal::Invalid("the token was issued in the future"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the last moment"
    )]
    Ok(expires as u64)
}

/// A claim by its name, or by a path with dots. The name as a whole goes first: names of claims may be addresses.
fn claim<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    let inner = claims.get(first)?.as_object()?;
    claim(inner, rest)
}

/// An id becomes a part of keys and log lines.
fn id(claims: &Claims, name: &str) -> Option<String> {
    let id = claim(claims, name)?.as_str()?;
    is_id(id).then(|| id.to_owned())
}

/// Whether a text can be a subject or a tenant.
pub(super) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && id.trim() == id && !id.chars().any(char::is_control)
}

/// A name locks no customer out, whatever it is.
fn display_name(claims: &Claims, name: &str) -> Option<String> {
    let shown = claim(claims, name)?.as_str()?;
    let shown = shown.chars().filter(|c| !c.is_control());
    let shown: String = shown.take(LONGEST_NAME).collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

fn for_tools(claims: &Claims, names: &[String]) -> Result<Claims, Refusal> {
    let one = |name: &String| Some((name.clone(), claim(claims, name)?.clone()));
    let chosen: Claims = names.iter().filter_map(one).collect();
    check_size(&chosen)?;
    Ok(chosen)
}

/// Claims for tools are bounded, whoever signed them.
pub(super) fn check_size(claims: &Claims) -> Result<(), Refusal> {
    let bytes = serde_json::to_vec(claims).map_or(usize::MAX, |json| json.len());
    if bytes > MOST_CLAIMS {
        return Err(Refusal::Invalid("the claims for tools are over 2 KB"));
    }
    Ok(())
}

/// A list of texts, or one text with spaces between them (as `scope` is: RFC 8693, 4.2).
fn list(claims: &Claims, name: &str) -> Vec<String> {
    let items: Vec<&str> = match claim(claims, name) {
        Some(Value::String(items)) => items.split(' ').collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            Vec::new()
        }
    };
    let items = items.into_iter().filter(|item| !item.is_empty());
    items.take(MOST_ROLES).map(str::to_owned).collect()
}
