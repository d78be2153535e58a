//! The socket under a connection of hyper's. It adds three things: a used connection may be idle for longer than a fresh one may
//! take for its first request, a request refused by hyper itself is answered with a sentence, and a listener that reads nothing
//! costs little memory.
//!
//! Knows bytes and time; no route.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The time for a client to send the head of its request, from its first byte or from the begin of a fresh connection. A slower
/// client is slow on purpose.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The request line and all headers, in bytes. Single sign-on makes cookies of 24 KB, and nginx passes 32 KB on.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Headers of a request; hyper's own bound.
const MAX_HEADERS: usize = 100;

/// How much of a body is accepted before the socket has taken the earlier bytes. Hyper's own limit is that of heads, and each
/// listener that reads nothing would cost as much.
const UNSENT: usize = 16 * 1024;

/// A refused client may still be sending. Closing at once would reset the connection, and the client would not see the reason:
/// its data is read for this long, up to this many bytes.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// State shared between the socket and its answers.
#[derive(Default)]
pub(super) struct Flight {
    /// A request is being answered.
    busy: AtomicBool,
    /// The number of requests so far.
    requests: AtomicUsize,
    /// The connection, which must check its time-out when the answer is over.
    connection: AtomicWaker,
    /// Bytes of a body that the socket has not yet taken.
    unsent: AtomicUsize,
    /// A body waits for the socket.
    waits: AtomicBool,
}

impl Flight {
    /// Whether a further request is waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0 && !self.busy.load(Ordering::Relaxed)
    }

    /// A request came.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.busy.store(true, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }
}

/// A request that is being answered, until it is dropped.
pub(super) struct InFlight(Arc<Flight>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
        self.0.connection.wake();
    }
}

/// The body of an answer, read as fast as the socket takes it.
pub(super) struct Paced {
    pub(super) body: Body,
    pub(super) flight: InFlight,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let flight = self.flight.0.clone();
        if flight.unsent.load(Ordering::Relaxed) >= UNSENT {
            // The socket wakes the connection when it has taken everything.
            flight.waits.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(data) = frame
            .as_ref()
            .and_then(|frame| frame.as_ref().ok()?.data_ref())
        {
            flight.unsent.fetch_add(data.len(), Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The phase of a connection, for its time-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request: the first, or one that has begun.
    Head,
    /// The first byte of a further request.
    Idle,
}

/// The end of a refused client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Linger {
    /// No request was refused.
    Needless,
    /// Close when everything is written.
    Due,
    /// Read this many more bytes.
    Left(usize),
}

/// A socket that hyper reads and writes.
pub(super) struct Socket<S> {
    inner: S,
    flight: Arc<Flight>,
    idle: Duration,
    phase: Phase,
    /// The number of answered requests when this phase began.
    answered: usize,
    timer: Pin<Box<Sleep>>,
    /// The socket has taken everything written.
    is_flushed: bool,
    /// Our own answer in place of hyper's.
    refusal: Bytes,
    linger: Linger,
}

impl<S> Socket<S> {
    /// `idle`: how long a used connection may wait for its next request.
    pub(super) fn new(inner: S, flight: Arc<Flight>, idle: Duration) -> Self {
        Self {
            inner,
            flight,
            idle,
            phase: Phase::Head,
            answered: 0,
            timer: Box::pin(tokio::time::sleep(HEAD_TIMEOUT)),
            is_flushed: true,
            refusal: Bytes::new(),
            linger: Linger::Needless,
        }
    }

    fn enter(&mut self, phase: Phase, at_most: Duration) {
        self.phase = phase;
        self.timer.as_mut().reset(Instant::now() + at_most);
    }

    fn is_busy(&self) -> bool {
        self.flight.busy.load(Ordering::Relaxed)
    }

    /// Starts the idle phase, if an answer has ended since the last call.
    fn settle(&mut self) {
        let answered = self.flight.requests.load(Ordering::Relaxed);
        if answered != self.answered {
            self.answered = answered;
            self.enter(Phase::Idle, self.idle);
        }
    }

    /// Whether it has waited for a request for too long.
    fn is_out_of_time(&mut self, context: &mut Context<'_>) -> bool {
        if self.is_busy() {
            self.flight.connection.register(context.waker());
            return false;
        }
        self.settle();
        self.timer.as_mut().poll(context).is_ready()
    }

    /// Bytes came.
    fn hears(&mut self) {
        if self.is_busy() {
            return;
        }
        self.settle();
        if self.phase == Phase::Idle {
            self.enter(Phase::Head, HEAD_TIMEOUT);
        }
    }

    /// Replaces hyper's own answer by ours, if these bytes are one. While a request is answered, or while a part of an answer is
    /// left, all bytes belong to that answer.
    fn replaces(&mut self, written: &[u8]) -> bool {
        if self.is_busy() || !self.is_flushed {
            return false;
        }
        let Some(refusal) = in_our_words(written) else {
            return false;
        };
        self.refusal = refusal;
        self.linger = Linger::Due;
        true
    }
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.refusal.has_remaining() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.refusal))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Reads what a refused client still sends.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 4096];
        while let Linger::Left(left) = self.linger {
            let mut buffer = ReadBuf::new(&mut space);
            let read = match Pin::new(&mut self.inner).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) => buffer.filled().len(),
                Poll::Ready(Err(_gone)) => 0,
                Poll::Pending if self.timer.as_mut().poll(context).is_ready() => 0,
                Poll::Pending => return Poll::Pending,
            };
            self.linger = match left.saturating_sub(read) {
                left if read > 0 && left > 0 => Linger::Left(left),
                _ => Linger::Needless,
            };
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if read.is_ready() {
            if buffer.filled().len() > before {
                self.hears();
            }
            read
        } else if self.is_out_of_time(context) {
            // For hyper it is the client that ends the connection.
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.is_flushed = false;
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices
            && self.replaces(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        self.is_flushed = false;
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        // Hyper flushes when it has nothing left to write.
        self.is_flushed = true;
        self.flight.unsent.store(0, Ordering::Relaxed);
        if self.flight.waits.swap(false, Ordering::Relaxed) {
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
        if self.linger == Linger::Due {
            self.linger = Linger::Left(LINGER_BYTES);
            self.enter(Phase::Head, LINGER);
        }
        ready!(self.poll_linger(context));
        Poll::Ready(Ok(()))
    }
}

/// Hyper answers an unreadable request by a head without a body. This one has the sentence of all refusals.
fn in_our_words(answer: &[u8]) -> Option<Bytes> {
    let answer = std::str::from_utf8(answer).ok()?;
    let status = answer.strip_prefix("HTTP/1.")?.get(2..5)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let (before, after) = answer.split_once("content-length: 0\r\n")?;
    let detail = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => format!(
            "the head of the request is too large: its address and headers, cookies among them, may have {MAX_HEAD} bytes \
             together, and there may be {MAX_HEADERS} headers"
        ),
        StatusCode::BAD_REQUEST => "that is not an HTTP request".to_owned(),
        _ => return None,
    };
    if status == StatusCode::BAD_REQUEST {
        tracing::debug!(%status, detail, "a request could not be read");
    } else {
        tracing::warn!(%status, detail, "a request could not be read");
    }
    let body = json!({ "detail": detail }).to_string();
    let length = body.len();
    Some(Bytes::from(format!(
        "{before}content-length: {length}\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n{after}{body}"
    )))
}
