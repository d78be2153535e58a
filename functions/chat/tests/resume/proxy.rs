//! A network between client and server that breaks where a test wants it to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// What becomes of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// Both sides are closed.
    Closed,
    /// Nothing more comes, until the client gives up.
    Stalled,
    /// The client sees the end, the server sees nothing.
    HalfClosed,
    /// The client gets a reset.
    Reset,
}

impl Fate {
    pub(crate) const ALL: [Self; 4] = [Self::Closed, Self::Stalled, Self::HalfClosed, Self::Reset];
}

/// Forwards connections to one server.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// What becomes of the next connection, after how many bytes of the server's.
    next: Mutex<Option<(usize, Fate)>>,
    /// Bytes of the server's on the newest connection.
    carried: AtomicUsize,
    /// Wakes the client whose connection stalls, as its read time-out would.
    stalled: Notify,
    /// Closes every connection.
    cut: Notify,
}

impl Proxy {
    pub(crate) async fn to(server: &str) -> Self {
        let server: SocketAddr = server.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn(accept(listener, server, shared.clone()));
        Self {
            address,
            shared,
            accepting,
        }
    }

    #[allow(dead_code, reason = "for the tests of the function")]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next connection breaks after so many bytes of its answer.
    pub(crate) fn break_next(&self, after: usize, fate: Fate) {
        *self.shared.next.lock().unwrap() = Some((after, fate));
    }

    /// Closes every connection that there is, at both sides.
    #[allow(dead_code, reason = "for the tests of the function")]
    pub(crate) fn cut(&self) {
        self.shared.cut.notify_one();
    }

    /// Bytes that the server sent on the newest connection.
    pub(crate) fn carried(&self) -> usize {
        self.shared.carried.load(Ordering::SeqCst)
    }

    /// Resolves when the connection stalls.
    pub(crate) async fn stalled(&self) {
        self.shared.stalled.notified().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    // The connections end with the proxy.
    let mut connections = JoinSet::new();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            () = shared.cut.notified() => {
                connections.abort_all();
                continue;
            }
        };
        let fate = shared.next.lock().unwrap().take();
        shared.carried.store(0, Ordering::SeqCst);
        let shared = shared.clone();
        connections.spawn(async move {
            let server = TcpStream::connect(server).await.unwrap();
            // A side that is gone ends the connection.
            let _gone = carry(client, server, fate, &shared).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    fate: Option<(usize, Fate)>,
    shared: &Shared,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut questions, mut to_client) = client.split();
    let (mut answers, mut to_server) = server.split();
    let (limit, fate) = fate.map_or((usize::MAX, None), |(limit, fate)| (limit, Some(fate)));
    let mut asking = Box::pin(tokio::io::copy(&mut questions, &mut to_server));
    let reached = tokio::select! {
        reached = answer(&mut answers, &mut to_client, limit, &shared.carried) => reached?,
        _client_gone = &mut asking => return Ok(()),
    };
    match fate.filter(|_| reached) {
        None | Some(Fate::Closed) => {}
        Some(Fate::Stalled) => {
            shared.stalled.notify_one();
            asking.await?;
        }
        Some(Fate::HalfClosed) => {
            to_client.shutdown().await?;
            asking.await?;
        }
        Some(Fate::Reset) => to_client.as_ref().set_zero_linger()?,
    }
    Ok(())
}

/// Forwards the server's bytes up to the limit. Whether it was reached.
async fn answer(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    limit: usize,
    carried: &AtomicUsize,
) -> std::io::Result<bool> {
    let mut buffer = [0; 4096];
    let mut left = limit;
    while left > 0 {
        let room = left.min(buffer.len());
        let read = from.read(&mut buffer[..room]).await?;
        if read == 0 {
            return Ok(false);
        }
        to.write_all(&buffer[..read]).await?;
        carried.fetch_add(read, Ordering::SeqCst);
        left -= read;
    }
    Ok(true)
}
