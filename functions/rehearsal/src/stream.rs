//! The answer while it is written, at the model's pace. Knows nothing of a wire format.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use crate::formats::Writer;
use crate::parts::Part;

/// The body of a stream. It is built as it is read: no task outlives a client that left.
pub(crate) fn body(mut writer: Box<dyn Writer>, parts: Vec<Part>, word_delay: Duration) -> Body {
    if word_delay.is_zero() {
        let mut bytes = Vec::new();
        for part in &parts {
            writer.write(part, &mut bytes);
        }
        return Body::from_stream(stream::iter([Ok::<_, Infallible>(Bytes::from(bytes))]));
    }
    let parts = parts.into_iter();
    Body::from_stream(stream::unfold(
        (writer, parts),
        move |(mut writer, mut parts)| async move {
            let part = parts.next()?;
            if part.is_written() {
                tokio::time::sleep(word_delay).await;
            }
            let mut bytes = Vec::new();
            writer.write(&part, &mut bytes);
            Some((Ok::<_, Infallible>(Bytes::from(bytes)), (writer, parts)))
        },
    ))
}
