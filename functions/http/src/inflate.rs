//! The bytes of a body as they were before the service compressed them (RFC 9110, section 8.4.1).
//!
//! Our clients request no compression, but a request without a preference allows any: services and proxies compress unasked.
//! Knows encodings; never the content or the size limit of a body. Pieces stay small at any compression ratio, so that the reader
//! can stop in time.

use std::fmt;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures_util::{Stream, StreamExt};
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// Compressed bytes that are decompressed at once. No byte becomes more than 1,032 (RFC 1951 codes 258 bytes with two bits).
const PIECE: usize = 256;

/// The compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or RFC 1951 alone, as some servers understand the name.
    Deflate,
}

/// An encoding that is not known here, or several in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEncoding(pub String);

impl Encoding {
    /// The encoding named in the headers of an answer.
    pub fn of(headers: &HeaderMap) -> Result<Self, UnknownEncoding> {
        let values = headers.get_all(CONTENT_ENCODING).iter();
        let named: Vec<String> = values
            .flat_map(|value| {
                let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
                let names = text.split(',').map(|name| name.trim().to_owned());
                names.collect::<Vec<_>>()
            })
            .filter(|name| !name.is_empty() && name != "identity")
            .collect();
        let unknown = || {
            let printable = |c: &char| c.is_ascii_graphic() || *c == ' ';
            let all = named.join(", ");
            UnknownEncoding(all.chars().filter(printable).take(40).collect())
        };
        match named.as_slice() {
            [] => Ok(Self::Identity),
            [name] if name == "gzip" || name == "x-gzip" => Ok(Self::Gzip),
            [name] if name == "deflate" => Ok(Self::Deflate),
            _ => Err(unknown()),
        }
    }
}

/// Why a body broke off.
#[derive(Debug)]
pub enum Broken<E> {
    /// The connection failed.
    Below(E),
    /// The body does not match its encoding.
    Garbled,
    /// The body ends before its encoding does.
    Short,
}

impl<E: fmt::Display> fmt::Display for Broken<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(error) => error.fmt(f),
            Self::Garbled => f.write_str("the compressed body is garbled"),
            Self::Short => f.write_str("the compressed body ends too early"),
        }
    }
}

/// A body without its encoding. A piece may be empty: some bytes decode to nothing yet.
pub struct Inflated<S> {
    body: S,
    state: State,
    /// Compressed bytes not decoded yet.
    unread: Bytes,
    /// Whether any byte came: an empty body is whole in each encoding.
    began: bool,
}

enum State {
    Plain,
    /// A deflated body whose first byte distinguishes the two kinds.
    Deflated,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    Raw(Box<DeflateDecoder<Vec<u8>>>),
    Ended,
}

/// The body of a response.
pub fn body(
    response: Response,
    encoding: Encoding,
) -> Inflated<impl Stream<Item = reqwest::Result<Bytes>> + Send + Unpin> {
    Inflated::new(Box::pin(response.bytes_stream()), encoding)
}

impl<S> Inflated<S> {
    fn new(body: S, encoding: Encoding) -> Self {
        let state = match encoding {
            Encoding::Identity => State::Plain,
            Encoding::Gzip => State::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Encoding::Deflate => State::Deflated,
        };
        Self {
            body,
            state,
            unread: Bytes::new(),
            began: false,
        }
    }

    /// Decompresses the next piece.
    fn inflate(&mut self) -> io::Result<Bytes> {
        let piece = self.unread.split_to(self.unread.len().min(PIECE));
        if matches!(self.state, State::Deflated) {
            // RFC 1950, section 2.2: the low four bits of a zlib body's first byte are 8. A raw one would begin with a stored
            // block whose padding is not zero, which compressors do not write.
            let is_zlib = piece.first().is_some_and(|first| first & 0x0f == 8);
            self.state = if is_zlib {
                State::Zlib(Box::new(ZlibDecoder::new(Vec::new())))
            } else {
                State::Raw(Box::new(DeflateDecoder::new(Vec::new())))
            };
        }
        let inflated = match &mut self.state {
            State::Plain | State::Deflated | State::Ended => return Ok(piece),
            State::Gzip(decoder) => {
                write(decoder, &piece)?;
                std::mem::take(decoder.get_mut())
            }
            State::Zlib(decoder) => {
                write(decoder, &piece)?;
                std::mem::take(decoder.get_mut())
            }
            State::Raw(decoder) => {
                write(decoder, &piece)?;
                std::mem::take(decoder.get_mut())
            }
        };
        Ok(inflated.into())
    }

    /// The remaining output after the last byte was read.
    fn finish(&mut self) -> io::Result<Bytes> {
        if !self.began {
            self.state = State::Ended;
        }
        let rest = match std::mem::replace(&mut self.state, State::Ended) {
            State::Plain | State::Deflated | State::Ended => Vec::new(),
            State::Gzip(decoder) => decoder.finish()?,
            State::Zlib(decoder) => decoder.finish()?,
            State::Raw(decoder) => decoder.finish()?,
        };
        Ok(rest.into())
    }
}

/// Bytes after the end of a `deflate` body are ignored.
fn write(decoder: &mut impl Write, piece: &[u8]) -> io::Result<()> {
    let mut rest = piece;
    while !rest.is_empty() {
        match decoder.write(rest)? {
            0 => return Ok(()),
            taken => rest = rest.get(taken..).unwrap_or_default(),
        }
    }
    decoder.flush()
}

impl<S, E> Stream for Inflated<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Bytes, Broken<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.state {
            State::Ended => return Poll::Ready(None),
            State::Plain => {
                let polled = self.body.poll_next_unpin(cx);
                return polled.map(|item| item.map(|bytes| bytes.map_err(Broken::Below)));
            }
            State::Deflated | State::Gzip(_) | State::Zlib(_) | State::Raw(_) => {}
        }
        if self.unread.is_empty() {
            match self.body.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(bytes))) => {
                    self.began |= !bytes.is_empty();
                    self.unread = bytes;
                }
                Poll::Ready(Some(Err(error))) => {
                    self.state = State::Ended;
                    return Poll::Ready(Some(Err(Broken::Below(error))));
                }
                Poll::Ready(None) => {
                    return Poll::Ready(match self.finish() {
                        Ok(rest) if rest.is_empty() => None,
                        Ok(rest) => Some(Ok(rest)),
                        Err(_) => Some(Err(Broken::Short)),
                    });
                }
            }
        }
        Poll::Ready(Some(self.inflate().map_err(|_| {
            self.state = State::Ended;
            Broken::Garbled
        })))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use futures_util::stream;
    use reqwest::header::HeaderValue;

    use super::*;

    const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Grüße\"}}]}\n\n";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(pieces: Vec<Vec<u8>>, encoding: Encoding) -> Result<Vec<u8>, String> {
        let pieces = pieces
            .into_iter()
            .map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
        let mut inflated = Inflated::new(stream::iter(pieces), encoding);
        let mut whole = Vec::new();
        while let Some(piece) = inflated.next().await {
            whole.extend_from_slice(&piece.map_err(|broken| broken.to_string())?);
        }
        Ok(whole)
    }

    #[tokio::test]
    async fn a_body_is_read_however_it_is_compressed_and_cut() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT.as_bytes()).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(TEXT.as_bytes()).unwrap();
        let two_members = [gzip(&TEXT.as_bytes()[..9]), gzip(&TEXT.as_bytes()[9..])].concat();
        for (encoding, body) in [
            (Encoding::Identity, TEXT.as_bytes().to_vec()),
            (Encoding::Gzip, gzip(TEXT.as_bytes())),
            (Encoding::Gzip, two_members),
            (Encoding::Deflate, zlib.finish().unwrap()),
            (Encoding::Deflate, raw.finish().unwrap()),
        ] {
            for size in [1, 7, body.len()] {
                let pieces = body.chunks(size).map(<[u8]>::to_vec).collect();
                let whole = read(pieces, encoding).await;
                assert_eq!(whole.as_deref(), Ok(TEXT.as_bytes()), "{encoding:?} {size}");
            }
        }
    }

    #[tokio::test]
    async fn flushed_data_is_read_before_the_rest_comes() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(TEXT.as_bytes()).unwrap();
        encoder.flush().unwrap();
        let flushed = Bytes::from(encoder.get_ref().clone());
        let body = stream::iter([Ok::<_, Infallible>(flushed)]).chain(stream::pending());
        let mut inflated = Inflated::new(Box::pin(body), Encoding::Gzip);
        let mut read = Vec::new();
        while read.len() < TEXT.len() {
            read.extend_from_slice(&inflated.next().await.unwrap().unwrap());
        }
        assert_eq!(read, TEXT.as_bytes());
    }

    #[tokio::test]
    async fn a_body_that_is_garbled_or_too_short_is_no_whole_one() {
        let whole = gzip(TEXT.as_bytes());
        assert_eq!(read(vec![], Encoding::Gzip).await, Ok(Vec::new()));
        let garbled = read(vec![b"no gzip at all".to_vec()], Encoding::Gzip).await;
        assert_eq!(garbled.unwrap_err(), "the compressed body is garbled");
        for length in [1, 5, whole.len() / 2, whole.len() - 1] {
            let short = read(vec![whole[..length].to_vec()], Encoding::Gzip).await;
            assert_eq!(
                short.unwrap_err(),
                "the compressed body ends too early",
                "{length}"
            );
        }
    }

    #[tokio::test]
    async fn no_piece_is_large_however_well_it_was_compressed() {
        let bomb = gzip(&vec![b'a'; 64 * 1024 * 1024]);
        assert!(bomb.len() < 128 * 1024);
        let body = stream::iter([Ok::<_, Infallible>(Bytes::from(bomb))]);
        let mut inflated = Inflated::new(body, Encoding::Gzip);
        while let Some(piece) = inflated.next().await {
            assert!(piece.unwrap().len() <= 512 * 1024);
        }
    }

    #[test]
    fn the_headers_decide_the_encoding() {
        let of = |values: &[&str]| {
            let values = values.iter().map(|value| {
                let value = HeaderValue::from_str(value).unwrap();
                (CONTENT_ENCODING, value)
            });
            Encoding::of(&values.collect())
        };
        let unknown = |names: &str| Err(UnknownEncoding(names.to_owned()));
        assert_eq!(of(&[]), Ok(Encoding::Identity));
        assert_eq!(of(&["identity, "]), Ok(Encoding::Identity));
        assert_eq!(of(&["X-GZip"]), Ok(Encoding::Gzip));
        assert_eq!(of(&["identity", "deflate"]), Ok(Encoding::Deflate));
        assert_eq!(of(&["br"]), unknown("br"));
        assert_eq!(of(&["gzip, gzip"]), unknown("gzip, gzip"));
    }
}
