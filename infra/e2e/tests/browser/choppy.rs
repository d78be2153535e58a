//! A network that delivers event streams in pieces of a few bytes, cut wherever it happens to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Between two pieces, so that they arrive as two: the network itself would join them again.
const BETWEEN: Duration = Duration::from_millis(2);

pub(crate) struct Choppy {
    address: String,
    piece: Arc<AtomicUsize>,
    relay: JoinHandle<()>,
}

impl Choppy {
    /// Stands before a server.
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("there is a free port");
        let address = listener
            .local_addr()
            .expect("a listener has an address")
            .to_string();
        let piece = Arc::new(AtomicUsize::new(1));
        let relay = tokio::spawn(accept(listener, server.to_owned(), Arc::clone(&piece)));
        Self {
            address,
            piece,
            relay,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// From the next connection on, pieces have so many bytes.
    pub(crate) fn cuts_every(&self, bytes: usize) {
        self.piece.store(bytes, Ordering::SeqCst);
    }
}

impl Drop for Choppy {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn accept(listener: TcpListener, server: String, piece: Arc<AtomicUsize>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(upstream) = TcpStream::connect(&server).await else {
            continue;
        };
        let _set = client.set_nodelay(true);
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = upstream.into_split();
        tokio::spawn(pass(from_client, to_server));
        tokio::spawn(chop(from_server, to_client, Arc::clone(&piece)));
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _cut = tokio::io::copy(&mut from, &mut to).await;
}

/// Files pass as they are, on the same connection: only what streams is cut.
async fn chop(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, piece: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut streams = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..length) else {
            return;
        };
        if bytes.starts_with(b"HTTP/1.1 ") {
            streams = bytes
                .windows(17)
                .any(|window| window == b"text/event-stream");
        }
        let size = if streams {
            piece.load(Ordering::SeqCst)
        } else {
            length
        };
        for part in bytes.chunks(size) {
            if to.write_all(part).await.is_err() {
                return;
            }
            if streams {
                tokio::time::sleep(BETWEEN).await;
            }
        }
    }
}
