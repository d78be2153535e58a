//! Bodies of other protocols' requests. Their clients send the whole conversation with each message, so a body may be large, and
//! next to nothing of it is kept: a large one is never in memory as a whole.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Deserializer;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::app;
use crate::edge::announced::too_large;
use crate::edge::error::ApiError;
use crate::routes::input::{BODY_TIMEOUT, check_head, sentence, without_place};

/// The largest body, in bytes.
pub(crate) const MAX_BODY: usize = 4 * 1024 * 1024;

/// Large bodies that are read at once. Each takes a thread.
const AT_ONCE: usize = 64;

/// When a large body may be sent again for which there was no place.
const RETRY_AFTER: &str = "2";

/// Chunks of a body between the network and the reader. A chunk is as large as the network's buffer.
const CHUNKS: usize = 4;

/// The places of large bodies, shared by all requests of a server.
#[derive(Debug, Clone)]
pub(crate) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Bodies {
    /// The body as a JSON object, of which `T` keeps what it wants. A body that fits the bound of all routes is read at once; a
    /// larger one while it comes.
    pub(crate) async fn read<T: DeserializeOwned + Send + 'static>(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<T, ApiError> {
        check_head(headers)?;
        let until = Instant::now() + BODY_TIMEOUT;
        let mut chunks = body.into_data_stream();
        let mut begin = BytesMut::new();
        while begin.len() <= app::MAX_BODY {
            match next(&mut chunks, until).await? {
                Some(chunk) => begin.extend_from_slice(&chunk),
                None => return parse(&mut Deserializer::from_slice(object(&begin)?)),
            }
        }
        object(&begin)?;
        let _place = self.0.try_acquire().map_err(|_| {
            ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many large requests are being read right now",
            )
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
        })?;
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let mut left = MAX_BODY.checked_sub(begin.len()).ok_or_else(too_long)?;
        let reader = tokio::task::spawn_blocking(move || {
            let rest = Rest {
                chunk: Bytes::new(),
                receiver,
            };
            let whole = BufReader::new(Cursor::new(begin).chain(rest));
            parse::<T, _>(&mut Deserializer::from_reader(whole))
        });
        while let Some(chunk) = next(&mut chunks, until).await? {
            left = left.checked_sub(chunk.len()).ok_or_else(too_long)?;
            // The reader is gone when it has found a mistake.
            if sender.send(chunk).await.is_err() {
                break;
            }
        }
        drop(sender);
        reader.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a body could not be read");
            Err(ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the body could not be read",
            ))
        })
    }
}

fn too_long() -> ApiError {
    too_large(MAX_BODY)
}

async fn next(chunks: &mut BodyDataStream, until: Instant) -> Result<Option<Bytes>, ApiError> {
    let chunk = timeout_at(until, chunks.next())
        .await
        .map_err(|_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"))?;
    chunk
        .transpose()
        .map_err(|_| ApiError::bad_request("the body broke off"))
}

/// The text, if it begins like an object. A list would be taken for the fields of a type in their order.
fn object(text: &[u8]) -> Result<&[u8], ApiError> {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'{') | None => Ok(text),
        Some(_) => Err(ApiError::bad_request("the body must be a JSON object")),
    }
}

fn parse<'de, T, R>(text: &mut Deserializer<R>) -> Result<T, ApiError>
where
    T: DeserializeOwned,
    R: serde_json::de::Read<'de>,
{
    let value: T = serde_path_to_error::deserialize(&mut *text).map_err(|error| {
        let field = error.path().to_string();
        let cause = error.into_inner();
        if cause.is_data() {
            ApiError::bad_request(sentence(&field, &without_place(&cause)))
        } else {
            invalid(&cause)
        }
    })?;
    text.end().map_err(|error| invalid(&error))?;
    Ok(value)
}

fn invalid(error: &serde_json::Error) -> ApiError {
    ApiError::bad_request(format!("the body is not valid JSON: {error}"))
}

/// The rest of a body, on a thread that may wait for it. When the sender is gone, the body ends: the reason is the sender's.
struct Rest {
    chunk: Bytes,
    receiver: mpsc::Receiver<Bytes>,
}

impl Read for Rest {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let size = self.chunk.len().min(into.len());
        if let Some(into) = into.get_mut(..size) {
            into.copy_from_slice(&self.chunk.split_to(size));
        }
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use futures_util::stream;
    use serde::Deserialize;
    use serde::de::IgnoredAny;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Kept {
        last: String,
        #[serde(default, rename = "messages")]
        _old: IgnoredAny,
    }

    async fn read(pieces: Vec<String>) -> Result<String, u16> {
        let pieces = pieces.into_iter().map(Ok::<_, io::Error>);
        let body = Body::from_stream(stream::iter(pieces));
        let bodies = Bodies::default();
        let read = bodies.read::<Kept>(&HeaderMap::new(), body).await;
        let read = read.map(|kept| kept.last);
        read.map_err(|refused| refused.into_response().status().as_u16())
    }

    /// In pieces of a kilobyte.
    fn with(size: usize) -> Vec<String> {
        let mut pieces = vec![r#"{"messages": [""#.to_owned()];
        pieces.extend(vec!["x".repeat(1024); size / 1024]);
        pieces.push(r#""], "last": "hello"}"#.to_owned());
        pieces
    }

    #[tokio::test]
    async fn a_body_of_four_megabytes_is_read_and_no_larger_one() {
        for size in [0, 300 * 1024, MAX_BODY - 1024] {
            assert_eq!(read(with(size)).await, Ok("hello".to_owned()), "{size}");
        }
        assert_eq!(read(with(MAX_BODY)).await, Err(413));
    }

    #[tokio::test]
    async fn a_large_body_that_is_wrong_is_refused_as_a_small_one_is() {
        for size in [0, 300 * 1024] {
            let mut broken = with(size);
            broken.pop();
            assert_eq!(read(broken).await, Err(400), "{size}");
            let mut twice = with(size);
            twice.push("{}".to_owned());
            assert_eq!(read(twice).await, Err(400), "{size}");
            let mut list = with(size);
            list.insert(0, "[".to_owned());
            assert_eq!(read(list).await, Err(400), "{size}");
        }
    }

    #[tokio::test]
    async fn when_all_places_are_taken_large_bodies_are_refused_and_small_ones_read() {
        let bodies = Bodies::default();
        let all = u32::try_from(AT_ONCE).unwrap();
        let _all = bodies.0.acquire_many(all).await.unwrap();
        let read = async |size: usize| {
            let body = Body::from(with(size).concat());
            let read = bodies.read::<Kept>(&HeaderMap::new(), body).await;
            read.map(|kept| kept.last).map_err(|refused| {
                let response = refused.into_response();
                assert!(response.headers().contains_key(header::RETRY_AFTER));
                response.status().as_u16()
            })
        };
        assert_eq!(read(1024).await, Ok("hello".to_owned()));
        assert_eq!(read(300 * 1024).await, Err(503));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let begin = stream::iter([Ok::<_, io::Error>("{")]);
        let body = Body::from_stream(begin.chain(stream::pending()));
        let bodies = Bodies::default();
        let read = bodies.read::<Kept>(&HeaderMap::new(), body).await;
        let status = read.unwrap_err().into_response().status();
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    }
}
