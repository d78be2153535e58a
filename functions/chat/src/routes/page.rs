//! The web page, embedded in the binary; or read from a folder during its development.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use super::input::Path as InPath;
use crate::app::App;
use crate::edge::accept::wanted;
use crate::edge::error::ApiError;
#[cfg(test)]
use crate::openapi::refusals;

/// Names and bytes of the files, compressed by `build.rs`: a function should be small.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

const DESK: &str = "desk.html";

/// Only our own files, and no way from a string to script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// This document.
#[cfg_attr(test, utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "server",
    responses(
        (status = 200, description = "OpenAPI 3.1.", body = Object),
    ),
))]
pub(crate) async fn openapi() -> Result<Response, ApiError> {
    let asset = Asset::embedded("openapi.json").ok_or_else(missing)?;
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        asset.plain.clone(),
    )
        .into_response())
}

#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its shape is read")]
struct Known {
    /// The `ETag` of the copy that the client has.
    #[param(rename = "If-None-Match", required = false)]
    tag: String,
}

/// The customer's page.
#[cfg_attr(test, utoipa::path(
    get, path = "/", operation_id = "page", tag = "server",
    params(Known),
    responses(
        (
            status = 200, description = "The page.", body = String, content_type = "text/html",
            headers(
                ("ETag" = String, description = "For `If-None-Match`."),
                ("Content-Security-Policy" = String, description = "Own scripts and styles only, no inline ones, Trusted Types."),
                ("Cache-Control" = String, description = "`no-cache`: asked for each time."),
            )
        ),
        (status = 304, description = "The copy that the client has is good."),
        (status = 404, response = refusals::NotFound),
    ),
))]
pub(crate) async fn index(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    serve(&app, &headers, "index.html").await
}

/// The operator's page.
///
/// The page holds nothing but itself; it asks for the operator token where the operator routes want one. Absent where those are
/// absent.
#[cfg_attr(test, utoipa::path(
    get, path = "/desk", operation_id = "desk", tag = "operators",
    params(Known),
    responses(
        (
            status = 200, description = "The page.", body = String, content_type = "text/html",
            headers(
                ("ETag" = String, description = "For `If-None-Match`."),
                ("Content-Security-Policy" = String, description = "Own scripts and styles only, no inline ones, Trusted Types."),
                ("Cache-Control" = String, description = "`no-cache`: asked for each time."),
            )
        ),
        (status = 304, description = "The copy that the client has is good."),
        (status = 404, response = refusals::NotFound),
    ),
))]
pub(crate) async fn desk(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    serve(&app, &headers, DESK).await
}

/// What the pages load.
#[cfg_attr(test, utoipa::path(
    get, path = "/static/{file}", operation_id = "asset", tag = "server",
    params(("file" = String, Path, description = "A path; it may hold slashes.", example = "app/main.js"), Known),
    responses(
        (
            status = 200, description = "The file.",
            content(
                (String = "text/javascript"),
                (String = "text/css"),
                (String = "text/html"),
                (String = "image/svg+xml"),
                (String = "image/png"),
                (String = "application/manifest+json"),
            ),
            headers(
                ("ETag" = String, description = "For `If-None-Match`."),
                ("Content-Security-Policy" = String, description = "Own scripts and styles only, no inline ones, Trusted Types."),
                ("Cache-Control" = String, description = "`no-cache`: asked for each time."),
            )
        ),
        (status = 304, description = "The copy that the client has is good."),
        (status = 404, response = refusals::NotFound),
    ),
))]
pub(crate) async fn file(
    State(app): State<App>,
    InPath(path): InPath<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    serve(&app, &headers, &path).await
}

/// A file in the forms it is sent.
struct Asset {
    plain: Bytes,
    /// None where the file is read from a folder, for its next reading may find another one.
    gzipped: Option<Bytes>,
    /// A digest of the bytes that are there, in hexadecimal.
    digest: String,
}

/// The requested embedded files, decompressed once.
static ASSETS: Mutex<BTreeMap<&str, Arc<Asset>>> = Mutex::new(BTreeMap::new());

impl Asset {
    async fn find(app: &App, path: &str) -> Option<Arc<Self>> {
        match &app.static_dir {
            Some(folder) => Self::read(folder.clone(), path.to_owned()).await,
            None => Self::embedded(path),
        }
    }

    /// A file in the folder, on a thread that may wait for the disk.
    async fn read(folder: Arc<Path>, path: String) -> Option<Arc<Self>> {
        let read = move || {
            let folder = folder.canonicalize().ok()?;
            // Where links lead. What is no file may never end.
            let file = folder.join(path).canonicalize().ok()?;
            let is_inside = file.starts_with(&folder) && file.is_file();
            let bytes = is_inside.then(|| std::fs::read(&file))?.ok()?;
            Some(Arc::new(Self {
                digest: digest(&bytes),
                plain: bytes.into(),
                gzipped: None,
            }))
        };
        tokio::task::spawn_blocking(read).await.ok()?
    }

    fn embedded(path: &str) -> Option<Arc<Self>> {
        let mut assets = ASSETS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = assets.get(path) {
            return Some(known.clone());
        }
        let (path, gzipped) = EMBEDDED.iter().find(|(name, _)| *name == path)?;
        let mut plain = Vec::new();
        GzDecoder::new(*gzipped).read_to_end(&mut plain).ok()?;
        let asset = Arc::new(Self {
            plain: plain.into(),
            gzipped: Some(Bytes::from_static(gzipped)),
            digest: digest(gzipped),
        });
        assets.insert(path, asset.clone());
        Some(asset)
    }
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let first = digest.iter().take(8);
    first.fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn missing() -> ApiError {
    ApiError::not_found("no such page")
}

async fn serve(app: &App, headers: &HeaderMap, path: &str) -> Result<Response, ApiError> {
    let media_type = media_type(path).ok_or_else(missing)?;
    if path
        .split('/')
        .any(|part| part.is_empty() || part.starts_with('.'))
        || path.starts_with("tests/")
    {
        return Err(missing());
    }
    let asset = Asset::find(app, path).await.ok_or_else(missing)?;
    let may_gzip = app.compress && accepts_gzip(headers);
    let gzipped = asset.gzipped.clone().filter(|_| may_gzip);
    // Different bytes need a different tag.
    let form = if gzipped.is_some() { "-gz" } else { "" };
    let tag = format!("\"{}{form}\"", asset.digest);
    let mut response = match (is_known(headers, &tag), gzipped) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, Some(gzipped)) => ([(header::CONTENT_ENCODING, "gzip")], gzipped).into_response(),
        (false, None) => asset.plain.clone().into_response(),
    };
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Revalidated each time, answered by 304: a new version shows at once.
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    set.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    set.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );
    set.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    set.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        set.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Whether the client has the bytes with this tag. A tag weakened by a proxy still names the same file.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    known
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let wanted = wanted(headers, &header::ACCEPT_ENCODING);
    wanted.iter().any(|coding| coding == "gzip")
}

/// That folder has files of other kinds for developers, not for browsers.
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
