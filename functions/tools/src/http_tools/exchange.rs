//! A request and its whole answer, within safe limits: its size and its time are bounded. Knows nothing of tools; reports with a
//! failure whether anything may have been sent.

use futures_util::StreamExt;
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;

use crate::outgoing::line::{Line, NoAnswer, Question};
use baton_http::inflate::{self, Broken, Encoding, UnknownEncoding};
use baton_http::suspended::{self, Late};

/// The most bytes read of an answer. A model sees less; JSON of this size may be shown in part.
pub(super) const MAX_BODY: usize = 256 * 1024;

/// Beyond that limit an answer's bytes are only counted, up to this number, so that the message can say by how much it is too
/// large.
const MAX_COUNTED: usize = 4 * 1024 * 1024;

/// The result of a request.
pub(super) enum Exchange {
    /// The service answered.
    Answered(Answer),
    /// The host has no address that this tool may call. Nothing was sent.
    Barred,
    /// Nothing was sent; the reason.
    NotSent(&'static str),
    /// The request was sent, wholly or in part, and no answer came; the reason.
    Cut(&'static str),
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

pub(super) enum Body {
    Whole(String),
    /// Not UTF-8.
    NotText,
    /// Larger than the limit: this many bytes, or more.
    TooLarge {
        bytes: u64,
        or_more: bool,
    },
    /// Compressed with an unknown encoding.
    Encoded(String),
    /// Does not match its encoding.
    Garbled,
    /// Ended early, or not in time.
    Broken,
}

/// Asks the service.
pub(super) async fn ask(line: &Line, question: Question<'_>) -> Exchange {
    let deadline = Instant::now() + question.timeout;
    match line.send(question, deadline).await {
        Ok(response) => Exchange::Answered(read(response, deadline).await),
        Err(NoAnswer::Barred) => Exchange::Barred,
        Err(NoAnswer::NotSent(reason)) => Exchange::NotSent(reason),
        Err(NoAnswer::Cut(reason)) => Exchange::Cut(reason),
    }
}

async fn read(mut response: Response, deadline: Instant) -> Answer {
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let body = match (Encoding::of(&headers), announced(&headers)) {
        (Err(UnknownEncoding(name)), _) => Body::Encoded(name),
        (Ok(Encoding::Identity), Some(bytes)) if bytes > MAX_BODY as u64 => Body::TooLarge {
            bytes,
            or_more: false,
        },
        (Ok(encoding), _) => read_body(response, encoding, deadline).await,
    };
    Answer {
        status,
        headers,
        body,
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The bound counts the decompressed bytes.
async fn read_body(response: Response, encoding: Encoding, deadline: Instant) -> Body {
    let mut pieces = inflate::body(response, encoding);
    let (mut body, mut bytes) = (Vec::new(), 0);
    let reading = async {
        while bytes <= MAX_COUNTED {
            match pieces.next().await {
                Some(Ok(piece)) => {
                    bytes += piece.len();
                    if bytes <= MAX_BODY {
                        body.extend_from_slice(&piece);
                    }
                }
                Some(Err(broken)) => return Err(broken),
                None => return Ok(true),
            }
        }
        Ok(false)
    };
    let read = suspended::until(deadline, reading).await;
    if bytes > MAX_BODY {
        return Body::TooLarge {
            bytes: bytes as u64,
            or_more: !matches!(read, Ok(Ok(true))),
        };
    }
    match read {
        Ok(Ok(_whole)) => String::from_utf8(body).map_or(Body::NotText, Body::Whole),
        Ok(Err(Broken::Garbled)) => Body::Garbled,
        Ok(Err(Broken::Below(_) | Broken::Short)) | Err(Late) => Body::Broken,
    }
}
