//! Keys and tokens that must not be printed.

use std::fmt;

use reqwest::header::HeaderValue;

/// A key or a client secret: shown to its own service only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to send to its service or to compare with a caller's.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A header value that HTTP libraries neither print nor index.
    pub fn header(&self, prefix: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("{prefix}{}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
