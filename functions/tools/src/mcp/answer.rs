//! What comes of a request to a server, whatever carried it. Knows what each says about whether the request was carried out.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;

use super::message::{Reply, RpcError};
use crate::outgoing::line::NoAnswer;

/// The most bytes of one message of a server, and of a body.
pub(super) const MAX_MESSAGE: usize = 1024 * 1024;

/// The most bytes of a stream with an answer in it.
pub(super) const MAX_STREAM: usize = 4 * MAX_MESSAGE;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Of HTTP, where that carried it.
    pub(super) status: Option<StatusCode>,
    pub(super) retry_after: Option<Duration>,
    /// The session that the server begins with it.
    pub(super) session: Option<HeaderValue>,
    pub(super) said: Said,
}

#[derive(Debug)]
pub(super) enum Said {
    Reply(Reply),
    /// A failure that is no message: the beginning of its text.
    Text(String),
}

/// Why there is no answer. The reasons are phrases: "the server … ".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// The host has no address that this server may have. Nothing was sent.
    Barred,
    /// The request was certainly not carried out. A later one may be.
    NotSent(String),
    /// The request was certainly not carried out, and a later one will not be either.
    Refused(String),
    /// The request may have been carried out; its answer did not come.
    Cut(String),
    /// The request may have been carried out; its answer cannot be used.
    Unusable(String),
}

impl Failed {
    /// The same for a call that was to follow, and was not sent.
    pub(super) fn before_call(self) -> Self {
        match self {
            Self::Cut(reason) | Self::Unusable(reason) => Self::NotSent(reason),
            Self::Barred | Self::NotSent(_) | Self::Refused(_) => self,
        }
    }

    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Barred => "its address is not allowed",
            Self::NotSent(reason)
            | Self::Refused(reason)
            | Self::Cut(reason)
            | Self::Unusable(reason) => reason,
        }
    }
}

impl From<NoAnswer> for Failed {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Barred => Self::Barred,
            NoAnswer::NotSent(reason) => Self::NotSent(reason.to_owned()),
            NoAnswer::Cut(reason) => Self::Cut(reason.to_owned()),
        }
    }
}

impl Answer {
    /// One that no HTTP carried.
    #[cfg_attr(
        not(all(unix, feature = "children")),
        expect(dead_code, reason = "of programs")
    )]
    pub(super) fn plain(reply: Reply) -> Self {
        Self {
            status: None,
            retry_after: None,
            session: None,
            said: Said::Reply(reply),
        }
    }

    pub(super) fn error(&self) -> Option<&RpcError> {
        match &self.said {
            Said::Reply(Reply::Error(error)) => Some(error),
            Said::Reply(Reply::Result(_)) | Said::Text(_) => None,
        }
    }

    /// Whether HTTP says that all went well, or nothing.
    pub(super) fn is_success(&self) -> bool {
        self.status.is_none_or(|status| status.is_success())
    }

    /// The result, where a request without effects went well. Err: why it did not.
    pub(super) fn result(self) -> Result<serde_json::Map<String, serde_json::Value>, Failed> {
        let status = self.status.map_or(0, |status| status.as_u16());
        let is_success = self.is_success();
        match self.said {
            Said::Reply(Reply::Result(result)) if is_success => Ok(result),
            _ if matches!(status, 401 | 403 | 407) => {
                Err(Failed::Refused(format!("it does not accept us ({status})")))
            }
            _ if (300..400).contains(&status) => Err(Failed::Unusable(format!(
                "it answered {status}, which leads elsewhere; it needs its last address"
            ))),
            Said::Reply(Reply::Error(error)) => {
                let message: String = error.message.chars().take(200).collect();
                Err(Failed::Unusable(format!(
                    "it answered with error {}: {message}",
                    error.code
                )))
            }
            Said::Reply(Reply::Result(_)) | Said::Text(_) => {
                Err(Failed::Unusable(format!("it answered {status}")))
            }
        }
    }
}
