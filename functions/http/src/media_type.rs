//! The media type of a body.

use reqwest::header::{CONTENT_TYPE, HeaderMap};

/// The media type that the headers name, without parameters and in lower case (RFC 9110, 8.3.1); `None` if they name none, empty if it cannot
/// be read.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}
