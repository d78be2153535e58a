//! The accept loop: bounded connections, bounded header time, no Nagle delay, and a drain that ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use baton_handoff::Engine;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// A client that has not sent its headers by then is slow on purpose. Idle kept connections end by it too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Headers and the request line, in bytes; hyper's least is 8 KB.
const READ_BUFFER: usize = 16 * 1024;

/// Running turns may end by themselves for so long when the server is asked to end.
const GRACE: Duration = Duration::from_secs(7);

/// Then turns are given up, and their listeners get the last events for so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A client that takes none of what was sent to it for so long, in milliseconds, has its connection ended by the kernel: nothing
/// above it would notice while the send queue is full.
#[cfg(target_os = "linux")]
const UNREAD_TIMEOUT_MS: u32 = 30_000;

/// Between two looks whether a turn is left.
const IDLE_LOOK: Duration = Duration::from_millis(10);

/// After an error of `accept` (usually: out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then lets turns end, gives up those that do not, and returns within 10 s.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    engine: Arc<Engine>,
    connections: usize,
    shutdown: impl Future<Output = ()>,
) {
    let tasks = TaskTracker::new();
    let closing = CancellationToken::new();
    let slots = Arc::new(Semaphore::new(connections));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((socket, slot)) => {
                let (router, closing) = (router.clone(), closing.clone());
                tasks.spawn(async move {
                    connection(socket, router, closing).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drain(&engine, &tasks, &closing).await;
}

/// Waits for a free slot first: what is over the limit waits in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Option<tokio::sync::OwnedSemaphorePermit>)> {
    // The semaphore is never closed.
    let slot = slots.clone().acquire_owned().await.ok();
    let (socket, _peer) = listener.accept().await?;
    Ok((socket, slot))
}

async fn connection(socket: TcpStream, router: Router, closing: CancellationToken) {
    set_options(&socket);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = router.clone().oneshot(request.map(Body::new));
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(READ_BUFFER)
            .serve_connection(TokioIo::new(socket), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that hung up: nothing that anybody could do about.
        tracing::debug!(%error, "a connection broke");
    }
}

fn set_options(socket: &TcpStream) {
    // With Nagle's algorithm the first words of an answer wait some 40 ms for an acknowledgement.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's algorithm");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(socket, UNREAD_TIMEOUT_MS) {
        tracing::debug!(%error, "a connection may stay unread for ever");
    }
}

/// Resolves once no turn runs or waits here.
async fn idle(engine: &Engine) {
    while engine.busy() > 0 {
        tokio::time::sleep(IDLE_LOOK).await;
    }
}

async fn drain(engine: &Engine, tasks: &TaskTracker, closing: &CancellationToken) {
    tracing::info!(conversations = engine.busy(), "shutting down");
    closing.cancel();
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_does_not_wait_for_its_reader_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (socket, _peer) = accepted.unwrap();
        set_options(&socket);
        assert!(socket.nodelay().unwrap());
        let timeout = rustix::net::sockopt::tcp_user_timeout(&socket).unwrap();
        assert_eq!(timeout, UNREAD_TIMEOUT_MS);
    }
}
