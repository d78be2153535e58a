//! Why a request is refused, or an answer fails. Knows nothing of a wire format's words, nor of the script.

use std::fmt;

/// A long conversation with its tools is some hundred kilobytes.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// The request is wrong and will stay wrong: 400.
    Invalid {
        /// A sentence for the developer.
        message: String,
        /// The field that is wrong, as a path such as `messages.[1].role`.
        param: Option<String>,
        /// A word for the program.
        code: Option<&'static str>,
    },
    /// The body is above the bound: 413.
    TooLarge,
    /// No such route: 404.
    NoSuchRoute(String),
    /// The route exists under another method: 405.
    WrongMethod(String),
    /// The service fails with this status, as the script wants it.
    Scripted(u16),
}

impl ApiError {
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            param: Some(param.into()),
            code: None,
        }
    }

    /// Without a field.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            param: None,
            code: None,
        }
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } => 400,
            Self::TooLarge => 413,
            Self::NoSuchRoute(_) => 404,
            Self::WrongMethod(_) => 405,
            Self::Scripted(status) => *status,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Invalid { message, .. } => message.clone(),
            Self::TooLarge => format!("The body is larger than {BODY_BYTES_MAX} bytes."),
            Self::NoSuchRoute(route) => format!("There is no route {route}."),
            Self::WrongMethod(route) => {
                format!("{route} is not allowed: the route exists under another method.")
            }
            Self::Scripted(_) => "scripted failure".to_owned(),
        }
    }

    pub(crate) fn param(&self) -> Option<&str> {
        match self {
            Self::Invalid { param, .. } => param.as_deref(),
            Self::TooLarge | Self::NoSuchRoute(_) | Self::WrongMethod(_) | Self::Scripted(_) => {
                None
            }
        }
    }

    pub(crate) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { code, .. } => *code,
            Self::TooLarge => Some("request_too_large"),
            Self::NoSuchRoute(_) => Some("unknown_url"),
            Self::WrongMethod(_) => Some("method_not_supported"),
            Self::Scripted(_) => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.param().unwrap_or("body"), self.message())
    }
}
