//! Frames of `application/vnd.amazon.eventstream`: two lengths, their checksum, headers, a payload, the checksum of all.
//! See <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use serde_json::Value;

use crate::checksum::crc32;

/// Two lengths and a checksum.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
/// The type of a header whose value is a text.
const TEXT: u8 = 7;

/// Appends a frame of this kind, `event` or `exception`, and type, with a JSON document.
pub(super) fn write(kind: &str, r#type: &str, document: &Value, out: &mut Vec<u8>) {
    let payload = document.to_string();
    let mut headers = Vec::new();
    for (name, value) in [
        (format!(":{kind}-type").as_str(), r#type),
        (":content-type", "application/json"),
        (":message-type", kind),
    ] {
        headers.push(length(name.len()).to_be_bytes()[3]);
        headers.extend_from_slice(name.as_bytes());
        headers.push(TEXT);
        headers.extend_from_slice(&length(value.len()).to_be_bytes()[2..]);
        headers.extend_from_slice(value.as_bytes());
    }
    let whole = PRELUDE + headers.len() + payload.len() + CHECKSUM;
    let mut frame = Vec::with_capacity(whole);
    frame.extend_from_slice(&length(whole).to_be_bytes());
    frame.extend_from_slice(&length(headers.len()).to_be_bytes());
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    out.append(&mut frame);
}

/// No frame here is near 4 GB, and no header near the 255 or 65,535 bytes that its length has room for.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_lengths_and_checksums_in_place() {
        let mut out = Vec::new();
        write("event", "messageStop", &serde_json::json!({}), &mut out);
        let number = |at: usize| u32::from_be_bytes(out[at..at + 4].try_into().unwrap());
        assert_eq!(number(0) as usize, out.len());
        assert_eq!(number(8), crc32(&out[..8]));
        assert_eq!(number(out.len() - 4), crc32(&out[..out.len() - 4]));
        assert_eq!(&out[12 + number(4) as usize..out.len() - 4], b"{}");
    }
}
