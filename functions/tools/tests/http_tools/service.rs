//! A service on this machine, by hand, so that a test decides at which byte it falls silent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What a service does with a connection.
pub(crate) enum Does {
    /// Reads the request and writes this, byte for byte, then hangs up.
    Says(String),
    /// The same with bytes that are no text.
    SaysBytes(Vec<u8>),
    /// Hangs up and reads nothing.
    HangsUpUnread,
    /// Answers with the headers of the request.
    Echoes,
    /// Reads the request and hangs up.
    HangsUp,
    /// Reads the request, writes this, and does nothing more.
    FallsSilent(String),
    /// Reads the request, writes this, and never ends the body.
    NeverEnds(String),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    /// `GET /path?query HTTP/1.1`
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Came {
    /// All values of a header, in lower case.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(found, _)| found == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A running service; ends with the test.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    came: watch::Receiver<Vec<Came>>,
    connections: Arc<Mutex<usize>>,
    running: AbortHandle,
}

impl Service {
    /// On a free port of loopback. `does` is asked with the number of the connection, from 0.
    pub(crate) async fn start(does: impl Fn(usize) -> Does + Send + 'static) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), does).await
    }

    pub(crate) async fn start_at(
        at: SocketAddr,
        does: impl Fn(usize) -> Does + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, came) = watch::channel(Vec::new());
        let connections = Arc::new(Mutex::new(0));
        let counted = connections.clone();
        let tell = Arc::new(tell);
        let running = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let number = {
                    let mut counted = counted.lock().unwrap();
                    *counted += 1;
                    *counted - 1
                };
                tokio::spawn(attend(socket, does(number), tell.clone()));
            }
        });
        Self {
            address,
            came,
            connections,
            running: running.abort_handle(),
        }
    }

    /// One that always says this.
    pub(crate) async fn saying(answer: String) -> Self {
        Self::start(move |_| Does::Says(answer.clone())).await
    }

    /// One that says what it was asked.
    pub(crate) async fn echoing() -> Self {
        Self::start(|_| Does::Echoes).await
    }

    /// The requests that were read.
    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.borrow().clone()
    }

    /// Resolves when so many requests were read.
    pub(crate) async fn has_read(&self, count: usize) {
        let mut came = self.came.clone();
        came.wait_for(|came| came.len() >= count).await.unwrap();
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// A whole answer.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A 200 with JSON.
pub(crate) fn json(body: &str) -> String {
    answer("200 OK", "content-type: application/json\r\n", body)
}

async fn attend(mut socket: TcpStream, does: Does, tell: Arc<watch::Sender<Vec<Came>>>) {
    if matches!(does, Does::HangsUpUnread) {
        return;
    }
    let Some(request) = read(&mut socket).await else {
        return;
    };
    let headers = request.headers.iter();
    let echo: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    tell.send_modify(|came| came.push(request));
    say(&mut socket, does, &echo).await;
}

/// Does what is to be done behind a request. Whoever asked may be gone, which is what some tests are about.
pub(crate) async fn say(socket: &mut TcpStream, does: Does, echo: &[String]) {
    match does {
        Does::HangsUp | Does::HangsUpUnread => {}
        Does::Echoes => {
            let text = answer("200 OK", "content-type: text/plain\r\n", &echo.join("\n"));
            let _gone = socket.write_all(text.as_bytes()).await;
            let _gone = socket.shutdown().await;
        }
        Does::Says(text) => {
            let _gone = socket.write_all(text.as_bytes()).await;
            let _gone = socket.shutdown().await;
        }
        Does::SaysBytes(bytes) => {
            let _gone = socket.write_all(&bytes).await;
            let _gone = socket.shutdown().await;
        }
        Does::FallsSilent(text) => {
            let _gone = socket.write_all(text.as_bytes()).await;
            let _gone = socket.read(&mut [0]).await;
        }
        Does::NeverEnds(text) => {
            let _gone = socket.write_all(text.as_bytes()).await;
            while socket.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
    }
}

pub(crate) async fn read(socket: &mut TcpStream) -> Option<Came> {
    let mut unread = Vec::new();
    let head_end = loop {
        let end = unread.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        match end {
            Some(end) => break end + 4,
            None if socket.read_buf(&mut unread).await.ok()? == 0 => return None,
            None => {}
        }
    };
    let head = String::from_utf8(unread[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while unread.len() < head_end + length {
        if socket.read_buf(&mut unread).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(unread[head_end..].to_vec()).unwrap();
    Some(Came {
        line,
        headers,
        body,
    })
}
