//! The web page, embedded in the binary; or read from a folder while somebody works on it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::router::App;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../static");

const OPENAPI: &str = include_str!("../../openapi.json");

/// Nothing but our own files, and no way from a string to script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types baton dompurify";

pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

pub(crate) async fn index(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    serve(&app, &headers, "index.html")
}

/// The operator's page. The page itself holds nothing secret; what it shows asks for the token.
pub(crate) async fn desk(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    serve(&app, &headers, "desk.html")
}

pub(crate) async fn file(
    State(app): State<App>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    serve(&app, &headers, &path)
}

fn serve(app: &App, headers: &HeaderMap, path: &str) -> Result<Response, ApiError> {
    let missing = || ApiError::not_found("no such page");
    let media_type = media_type(path).ok_or_else(missing)?;
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.')) || path.starts_with("tests/") {
        return Err(missing());
    }
    let bytes = match &app.static_dir {
        Some(folder) => std::fs::read(folder.join(path)).map_err(|_| missing())?,
        None => EMBEDDED.get_file(path).ok_or_else(missing)?.contents().to_vec(),
    };
    let digest = Sha256::digest(&bytes);
    let tag = digest.iter().take(8).fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}")) + "\"";
    let unchanged = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { bytes.into_response() };
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Asked for again each time, answered by 304: a new version shows at once.
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    set.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        set.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Files of other kinds stand in that folder for developers, not for browsers.
fn media_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "webmanifest" => Some("application/manifest+json"),
        _ => None,
    }
}
