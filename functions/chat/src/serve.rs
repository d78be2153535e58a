//! The accept loop: bounded connections, bounded header time, no Nagle delay, and a drain that ends.

mod socket;

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use baton_handoff::Engine;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::edge::address::Peer;
use crate::edge::error::RefusedOverBound;
use socket::{Flight, MAX_HEAD, Paced, Socket};

/// How long running turns may take to end when the server is asked to end.
const GRACE: Duration = Duration::from_secs(7);

/// How long the listeners of turns that were given up have for the last events.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long a client may take nothing of the sent data, in milliseconds. Then the kernel ends its connection: no layer above
/// would notice while the send queue is full.
#[cfg(target_os = "linux")]
const UNREAD_TIMEOUT_MS: u32 = 30_000;

/// The kernel's send buffer for a client that does not read, in bytes; the kernel uses twice as much, for its own needs. Its
/// default is megabytes for each, more than the whole server has for all. A client 100 ms away still gets over 1 MB/s.
const SEND_BUFFER: usize = 128 * 1024;

/// How often a drain checks for running turns.
const IDLE_POLL: Duration = Duration::from_millis(10);

/// After an error of `accept` (usually: out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often idle connections are asked to make room while another one waits.
const CROWDED: Duration = Duration::from_millis(250);

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most open connections.
    pub connections: usize,
    /// How long a connection may be idle between two requests. A proxy in front must close idle connections earlier than this
    /// server: otherwise it sends a request into a closing connection.
    pub idle: Duration,
}

/// The phases of a server's end, in this order.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Normal service, but `/health` answers 503: a balancer redirects its customers before the listener closes.
    pub leaving: CancellationToken,
    /// No further request is accepted.
    pub closing: CancellationToken,
}

/// Marks a request that came when the server was about to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving;

/// The context of each connection.
#[derive(Clone)]
struct Connections {
    router: Router,
    idle: Duration,
    slots: Arc<Semaphore>,
    /// A connection waits for a slot.
    crowded: Arc<Notify>,
    tasks: TaskTracker,
    ending: Ending,
}

/// Serves until it is asked to close. Then turns may end, unfinished ones are given up, and it returns within 10 s.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    engine: Arc<Engine>,
    bounds: Bounds,
    ending: Ending,
) {
    let connections = Connections {
        router,
        idle: bounds.idle,
        slots: Arc::new(Semaphore::new(bounds.connections)),
        crowded: Arc::default(),
        tasks: TaskTracker::new(),
        ending,
    };
    tokio::select! {
        biased;
        () = connections.ending.closing.cancelled() => {}
        never = connections.accept_all(&listener) => match never {},
    }
    drop(listener);
    drain(&engine, &connections.tasks).await;
}

impl Connections {
    async fn accept_all(&self, listener: &TcpListener) -> Infallible {
        loop {
            match self.accept(listener).await {
                Ok((socket, peer, slot)) => {
                    let connections = self.clone();
                    self.tasks.spawn(async move {
                        set_options(&socket);
                        connections.carry(socket, Peer::Socket(peer)).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Waits for a free slot first: connections above the limit wait in the kernel's queue, and those that are idle make room for
    /// them.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, IpAddr, Option<OwnedSemaphorePermit>)> {
        let slot = self.slot().await;
        let (socket, peer) = listener.accept().await?;
        Ok((socket, peer.ip(), slot))
    }

    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let mut slot = pin!(self.slots.clone().acquire_owned());
        loop {
            tokio::select! {
                biased;
                // The semaphore is never closed.
                slot = &mut slot => return slot.ok(),
                () = std::future::ready(()) => self.crowded.notify_waiters(),
            }
            if let Ok(slot) = tokio::time::timeout(CROWDED, &mut slot).await {
                return slot.ok();
            }
        }
    }

    /// Resolves when a connection is to end behind the answer that it gives, if it gives one.
    async fn ends(&self, flight: &Flight) {
        loop {
            tokio::select! {
                biased;
                () = self.ending.closing.cancelled() => return,
                () = self.crowded.notified() => {}
            }
            if flight.is_idle() {
                return;
            }
        }
    }

    /// Answers the requests of one connection to its end.
    async fn carry(self, socket: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let flight = Arc::new(Flight::default());
        let socket = Socket::new(socket, flight.clone(), self.idle);
        let (router, leaving) = (self.router.clone(), self.ending.leaving.clone());
        let flights = flight.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let flight = flights.begin();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let answer = answer(router.clone(), request, leaving.clone());
            async move {
                let answered = answer.await;
                Ok::<_, Infallible>(answered.map(|body| Paced { body, flight }))
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                // The socket has its own time-outs: one limit for both heads and idle connections does not suffice.
                .header_read_timeout(None)
                .max_header_size(MAX_HEAD)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(socket), service)
        );
        // Polled only when it was woken itself, not with every word that is written.
        let mut closing = FuturesUnordered::from_iter([self.ends(&flight)]);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            Some(()) = closing.next() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // A client that hung up needs no reaction.
            tracing::debug!(%error, "a connection broke");
        }
    }
}

async fn answer(
    router: Router,
    mut request: Request<Body>,
    leaving: CancellationToken,
) -> Response<Body> {
    if leaving.is_cancelled() {
        request.extensions_mut().insert(Leaving);
    }
    let answered = router.oneshot(request).await;
    let mut response = answered.unwrap_or_else(|never| match never {});
    let is_refused = response.extensions().get::<RefusedOverBound>().is_some();
    if is_refused || leaving.is_cancelled() {
        // A client that is over a bound must not keep the connection from others. When the server ends, the client opens its next
        // connection elsewhere.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn set_options(socket: &TcpStream) {
    // With Nagle's algorithm the first words of an answer wait some 40 ms for an acknowledgement.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "Nagle's algorithm could not be switched off on a connection");
    }
    if let Err(error) = rustix::net::sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER) {
        tracing::debug!(%error, "the send buffer of a connection could not be set");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(socket, UNREAD_TIMEOUT_MS) {
        tracing::debug!(%error, "a connection has no time-out for unread data");
    }
}

/// Resolves when no turn runs or waits here.
async fn idle(engine: &Engine) {
    while engine.busy() > 0 {
        tokio::time::sleep(IDLE_POLL).await;
    }
}

async fn drain(engine: &Engine, tasks: &TaskTracker) {
    tracing::info!(conversations = engine.busy(), "shutting down");
    tasks.close();
    // Waits for turns, with or without listeners. A listener of a whole conversation has no end of its own.
    if tokio::time::timeout(GRACE, idle(engine)).await.is_err() {
        tracing::info!(
            conversations = engine.busy(),
            "giving up the turns that are still running"
        );
    }
    engine.drain();
    let settled = async {
        tasks.wait().await;
        idle(engine).await;
    };
    if tokio::time::timeout(LAST_WORDS, settled).await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            conversations = engine.busy(),
            "some connections had to be cut"
        );
    }
}

#[cfg(test)]
mod tests;
