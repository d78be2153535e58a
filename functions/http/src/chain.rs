//! Errors as text for logs.

use std::error::Error;

/// An error with its causes. Errors of HTTP libraries name addresses and protocol states only.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
