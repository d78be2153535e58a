//! What handlers read from a request: path, query, body. What is wrong with them is said in a sentence, and every wait has an end.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use baton_http::media_type;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Number, Value};

use crate::app::MAX_BODY;
use crate::edge::announced::too_large;
use crate::edge::error::ApiError;

/// The time for a client to send its body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// The parameters of a path.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // The routes name as many parameters as the handlers read: only the encoding can be wrong.
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(parameters)| Self(parameters))
            .map_err(|_| ApiError::bad_request("the path is not percent-encoded UTF-8"))
    }
}

/// The parameters of a query. Unknown ones are ignored.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(pairs)| Self(pairs))
            .map_err(|_| ApiError::bad_request("the query is not one"))
    }
}

impl Query {
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        let value = values.next().map(|(_, value)| value.as_str());
        match values.next() {
            None => Ok(value),
            Some(_) => Err(ApiError::bad_request(format!("{name} is given twice"))),
        }
    }

    /// A number that fits its type: from 0, or from 1 for a type without zero.
    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(value) = self.text(name)? else {
            return Ok(None);
        };
        value.parse().map(Some).map_err(|_| {
            ApiError::bad_request(format!(
                "{name} must be a whole number that is neither too small nor too large"
            ))
        })
    }
}

/// The body as a JSON object.
pub(crate) async fn read_object<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    let bytes = read_json(headers, body).await?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::bad_request(format!("the body is not valid JSON: {error}")))?;
    if !value.is_object() {
        return Err(ApiError::bad_request("the body must be a JSON object"));
    }
    serde_json::from_slice::<EachNameOnce>(&bytes)
        .map_err(|error| ApiError::bad_request(format!("the body {}", without_place(&error))))?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let field = error.path().to_string();
        ApiError::bad_request(sentence(&field, &error.into_inner().to_string()))
    })
}

/// A body that its head calls JSON, within the bounds of all routes.
pub(crate) async fn read_json(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    check_head(headers)?;
    tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY))
        .await
        .map_err(|_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"))?
        .map_err(|error| body_error(&error))
}

/// Whether the body is JSON, as far as the head of the request says.
pub(crate) fn check_head(headers: &HeaderMap) -> Result<(), ApiError> {
    check_media_type(headers)?;
    check_encoding(headers)
}

/// A whole number, however it is written: to JSON Schema `1.0` is one too.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let refused = || D::Error::custom("must be a whole number");
    let given = Option::<Number>::deserialize(deserializer).map_err(|_| refused())?;
    given
        .map(|number| {
            let number = number.as_u64().or_else(|| exact(number.as_f64()?));
            number.ok_or_else(refused)
        })
        .transpose()
}

/// The whole number that this float is. From 2⁵³ on a float does not say which one was meant.
fn exact(float: f64) -> Option<u64> {
    let is_whole = (0.0..9_007_199_254_740_992.0).contains(&float) && float.fract() == 0.0;
    is_whole
        .then(|| float.abs().to_string().parse().ok())
        .flatten()
}

/// Of two values of one name a proxy or a filter may have read the one, and we would read the other (RFC 8259, section 4).
struct EachNameOnce;

impl<'de> Deserialize<'de> for EachNameOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for EachNameOnce {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("names {name:?} twice")));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

/// The message of our own without the line and column that are put behind it.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.clone(), |(message, _)| message.to_owned())
}

/// serde's message about a field as a sentence that begins with the field's name.
pub(crate) fn sentence(field: &str, message: &str) -> String {
    let missing = message.strip_prefix("missing field `");
    if let Some((name, hint)) = missing.and_then(|missing| missing.split_once('`')) {
        return format!("{name} is missing{hint}");
    }
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("{field} must be {expected}"),
        // From our own types: "must …".
        None => format!("{field} {message}"),
    }
}

/// JSON, or no content type: `curl -d` alone names a form, which is not JSON.
fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(essence) = media_type(headers) else {
        return Ok(());
    };
    if essence == "application/json" || essence.ends_with("+json") {
        return check_charset(headers);
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send the body as application/json",
    ))
}

/// RFC 8259, section 8.1: JSON is UTF-8. Some clients say so.
fn check_charset(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parameters = text.unwrap_or_default().split(';').skip(1);
    let is_other = parameters.any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("charset")
            && !["utf-8", "utf8", "us-ascii"]
                .iter()
                .any(|known| value.eq_ignore_ascii_case(known))
    });
    if is_other {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the body as application/json in UTF-8",
        ));
    }
    Ok(())
}

fn check_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    let plain = |coding: &http::HeaderValue| {
        coding.is_empty() || coding.as_bytes().eq_ignore_ascii_case(b"identity")
    };
    if headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    let refusal = ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send the body without a Content-Encoding",
    );
    Err(refusal.with_header(header::ACCEPT_ENCODING, "identity"))
}

fn body_error(error: &axum::Error) -> ApiError {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<http_body_util::LengthLimitError>() {
            return too_large(MAX_BODY);
        }
        source = cause.source();
    }
    ApiError::bad_request("the body broke off")
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        let read = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            whole(value).map_err(|error| error.to_string())
        };
        for (text, number) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            ("70e-1", Some(7)),
            ("1e3", Some(1_000)),
            ("-0.0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("null", None),
        ] {
            assert_eq!(read(text), Ok(number), "{text}");
        }
        for text in ["7.5", "-1", "-1.0", "1e16", "1e300", "\"7\"", "[]", "true"] {
            let refused = Err("must be a whole number".to_owned());
            assert_eq!(read(text), refused, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let begin = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
        let body = Body::from_stream(stream::StreamExt::chain(begin, stream::pending()));
        let refused = read_object::<Value>(&HeaderMap::new(), body)
            .await
            .unwrap_err();
        assert_eq!(
            refused.into_response().status(),
            StatusCode::REQUEST_TIMEOUT
        );
    }
}
