//! The accept loop: bounded connections, bounded header time, no Nagle delay, and a drain that ends.

mod socket;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use baton_handoff::Engine;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use socket::{Flight, MAX_HEAD, Paced, Socket};

/// Running turns may end by themselves for so long when the server is asked to end.
const GRACE: Duration = Duration::from_secs(7);

/// Then turns are given up, and their listeners get the last events for so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A client that takes none of what was sent to it for so long, in milliseconds, has its connection ended by the kernel: nothing
/// above it would notice while the send queue is full.
#[cfg(target_os = "linux")]
const UNREAD_TIMEOUT_MS: u32 = 30_000;

/// What the kernel keeps for a client that does not read, in bytes; it reckons with twice as much, for its own needs. Left to
/// itself it takes megabytes for each, more than the whole server has for all. A client 100 ms away still gets over 1 MB/s.
const SEND_BUFFER: usize = 128 * 1024;

/// How often a drain checks whether a turn is left.
const IDLE_POLL: Duration = Duration::from_millis(10);

/// After an error of `accept` (usually: out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The bounds of connections.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections that are open at once.
    pub connections: usize,
    /// How long a connection may be idle between two requests. A proxy in front must give idle connections up earlier than this
    /// server does: else it sends a request into a connection that is being closed.
    pub idle: Duration,
}

/// How a server is told to end, in this order.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Everything goes on, and `/health` answers 503: a balancer sends its customers elsewhere before the listener closes.
    pub leaving: CancellationToken,
    /// No further request is taken.
    pub closing: CancellationToken,
}

/// Stands on a request that came when the server was about to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving;

/// What each connection needs.
#[derive(Clone)]
struct Connections {
    router: Router,
    idle: Duration,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    ending: Ending,
}

/// Serves until it is told to close. Then turns may end, those that do not are given up, and it returns within 10 s.
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
                Ok((socket, slot)) => {
                    let connections = self.clone();
                    self.tasks.spawn(async move {
                        set_options(&socket);
                        connections.carry(socket).await;
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

    /// Waits for a free slot first: what is over the limit waits in the kernel's queue.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, Option<tokio::sync::OwnedSemaphorePermit>)> {
        // The semaphore is never closed.
        let slot = self.slots.clone().acquire_owned().await.ok();
        let (socket, _peer) = listener.accept().await?;
        Ok((socket, slot))
    }

    /// Answers the requests of one connection to its end.
    async fn carry(self, socket: impl AsyncRead + AsyncWrite + Unpin) {
        let flight = Arc::new(Flight::default());
        let socket = Socket::new(socket, flight.clone(), self.idle);
        let (router, leaving) = (self.router, self.ending.leaving);
        let service = service_fn(move |request: Request<Incoming>| {
            let flight = flight.begin();
            let answer = answer(router.clone(), request, leaving.clone());
            async move {
                let answered = answer.await;
                Ok::<_, Infallible>(answered.map(|body| Paced { body, flight }))
            }
        });
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                // The socket looks at the clock: one time for heads and for idle connections does not do.
                .header_read_timeout(None)
                .max_header_size(MAX_HEAD)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(socket), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.ending.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // A client that hung up: nothing that anybody could do about.
            tracing::debug!(%error, "a connection broke");
        }
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    leaving: CancellationToken,
) -> Response<Body> {
    let mut request = request.map(Body::new);
    if leaving.is_cancelled() {
        request.extensions_mut().insert(Leaving);
    }
    let answered = router.oneshot(request).await;
    let mut response = answered.unwrap_or_else(|never| match never {});
    if leaving.is_cancelled() {
        // The client opens its next connection elsewhere.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn set_options(socket: &TcpStream) {
    // With Nagle's algorithm the first words of an answer wait some 40 ms for an acknowledgement.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's algorithm");
    }
    if let Err(error) = rustix::net::sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER) {
        tracing::debug!(%error, "a connection keeps the system's send buffer");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(socket, UNREAD_TIMEOUT_MS) {
        tracing::debug!(%error, "a connection may stay unread for ever");
    }
}

/// Resolves once no turn runs or waits here.
async fn idle(engine: &Engine) {
    while engine.busy() > 0 {
        tokio::time::sleep(IDLE_POLL).await;
    }
}

async fn drain(engine: &Engine, tasks: &TaskTracker) {
    tracing::info!(conversations = engine.busy(), "shutting down");
    tasks.close();
    // Turns are waited for, whoever listens to them; who follows a whole conversation has no end of his own.
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
