//! Bounded reading of bodies when only the first bytes matter, such as error answers.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Response;

use crate::inflate::{self, Encoding};
use crate::suspended;

/// The first bytes of a body, up to the bound, and the failure if reading them fails or takes too long.
pub async fn read_some(response: Response, bound: usize, patience: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    let Ok(encoding) = Encoding::of(response.headers()) else {
        return body;
    };
    let mut pieces = inflate::body(response, encoding);
    let reading = async {
        while body.len() < bound
            && let Some(Ok(bytes)) = pieces.next().await
        {
            body.extend_from_slice(&bytes);
        }
    };
    let _late = suspended::within(patience, reading).await;
    body.truncate(bound);
    body
}
