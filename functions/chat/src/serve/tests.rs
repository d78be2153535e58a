//! Connections without a network: sent and received bytes, on a clock that stands still while nothing happens.

use axum::Extension;
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::socket::HEAD_TIMEOUT;
use super::*;

const IDLE: Duration = Duration::from_secs(75);
const GET: &str = "GET /hello HTTP/1.1\r\nhost: x\r\n\r\n";

/// A client of a router that says hello.
struct Client {
    socket: DuplexStream,
    served: JoinHandle<()>,
}

impl Client {
    fn connect() -> Self {
        Self::of(Ending::default())
    }

    fn of(ending: Ending) -> Self {
        let router = Router::new()
            .route("/hello", get(async || "hello"))
            .route("/echo", post(async |body: String| body));
        let connections = Connections {
            router,
            idle: IDLE,
            slots: Arc::new(Semaphore::new(1)),
            crowded: Arc::default(),
            tasks: TaskTracker::new(),
            ending,
        };
        let (socket, other) = tokio::io::duplex(1024 * 1024);
        Self {
            socket,
            served: tokio::spawn(
                connections.carry(other, Peer::Socket(IpAddr::from([127, 0, 0, 1]))),
            ),
        }
    }

    async fn send(&mut self, bytes: &str) {
        self.socket.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until the received bytes end with this text.
    async fn hear(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            let byte = self.socket.read_u8().await;
            heard.push(byte.unwrap_or_else(|_| {
                panic!("it ended: {}", String::from_utf8_lossy(&heard));
            }));
        }
        String::from_utf8(heard).unwrap()
    }

    /// The bytes until the server ends the connection, and how long that took.
    async fn rest(mut self) -> (String, Duration) {
        let begin = Instant::now();
        let mut heard = String::new();
        self.socket.read_to_string(&mut heard).await.unwrap();
        let took = begin.elapsed();
        drop(self.socket);
        self.served.await.unwrap();
        (heard, took)
    }
}

/// Timers have a resolution of a millisecond.
fn is_about(took: Duration, expected: Duration) -> bool {
    took >= expected && took < expected + Duration::from_millis(10)
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_longer_than_a_proxy_keeps_it() {
    let mut client = Client::connect();
    client.send(GET).await;
    client.hear("hello").await;
    tokio::time::sleep(Duration::from_secs(74)).await;
    client.send(GET).await;
    client.hear("hello").await;
    let (heard, took) = client.rest().await;
    assert_eq!(heard, "");
    assert!(is_about(took, IDLE), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_ends_a_fresh_connection_after_30_seconds() {
    for begin in ["", "GET /hello HT"] {
        let mut client = Client::connect();
        client.send(begin).await;
        let (heard, took) = client.rest().await;
        assert_eq!(heard, "");
        assert!(is_about(took, HEAD_TIMEOUT), "{begin:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_begins_in_time_on_a_kept_connection_has_its_own_time() {
    let mut client = Client::connect();
    client.send(GET).await;
    client.hear("hello").await;
    tokio::time::sleep(Duration::from_secs(74)).await;
    client.send("GET /hello HTTP/1.1\r\n").await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    client.send("host: x\r\n\r\n").await;
    client.hear("hello").await;
    client.send("GET").await;
    let (_, took) = client.rest().await;
    assert!(is_about(took, HEAD_TIMEOUT), "{took:?}");
}

/// A request with a head of this many bytes.
fn head_of(bytes: usize) -> String {
    let begin = "GET /hello HTTP/1.1\r\nhost: x\r\ncookie: ";
    let end = "\r\n\r\n";
    format!(
        "{begin}{}{end}",
        "c".repeat(bytes - begin.len() - end.len())
    )
}

#[tokio::test(start_paused = true)]
async fn a_head_of_64_kb_is_taken_and_a_larger_one_is_refused_in_a_sentence() {
    let mut client = Client::connect();
    client.send(&head_of(64 * 1024)).await;
    assert!(
        client
            .hear("hello")
            .await
            .starts_with("HTTP/1.1 200 OK\r\n")
    );
    // On the same connection: earlier answers must not be mistaken for the refusal.
    client.send(&head_of(64 * 1024 + 1)).await;
    let (refusal, took) = client.rest().await;
    let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/json"),
        "{head}"
    );
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert!(
        head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())),
        "{head}"
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let detail = body["detail"].as_str().unwrap();
    assert!(
        detail.contains("the head of the request is too large"),
        "{detail}"
    );
    assert!(detail.contains("65536 bytes"), "{detail}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_is_still_sending_gets_to_read_why() {
    let mut client = Client::connect();
    client.send(&head_of(300 * 1024)).await;
    let (heard, _) = client.rest().await;
    assert!(heard.starts_with("HTTP/1.1 431 "), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_request_is_refused_with_a_sentence() {
    let many = "x: y\r\n".repeat(101);
    let long = "x".repeat(64 * 1024);
    for (request, status, sentence) in [
        ("\u{1}\r\n\r\n".to_owned(), 400, "not an HTTP request"),
        (
            format!("GET /hello HTTP/1.1\r\n{many}\r\n"),
            431,
            "100 headers",
        ),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), 431, "its address"),
    ] {
        let mut client = Client::connect();
        client.send(&request).await;
        let (heard, _) = client.rest().await;
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{heard}");
        let (_, body) = heard.split_once("\r\n\r\n").unwrap();
        assert!(body.contains(sentence), "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_looks_like_a_refusal_is_left_alone() {
    let lie = "HTTP/1.1 431 Nothing\r\ncontent-length: 0\r\n\r\n";
    let mut client = Client::connect();
    let length = lie.len();
    client
        .send(&format!(
            "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{lie}"
        ))
        .await;
    let heard = client.hear(lie).await;
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_read_no_faster_than_the_socket_takes_it() {
    const PIECE: usize = 8 * 1024;
    const PIECES: usize = 64;
    let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = read.clone();
    let router = Router::new().route(
        "/hello",
        get(async move || {
            let pieces = futures_util::stream::iter(0..PIECES).map(move |_| {
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok::<_, Infallible>(vec![b'x'; PIECE])
            });
            Body::from_stream(pieces)
        }),
    );
    let connections = Connections {
        router,
        idle: IDLE,
        slots: Arc::new(Semaphore::new(1)),
        crowded: Arc::default(),
        tasks: TaskTracker::new(),
        ending: Ending::default(),
    };
    let (mut socket, other) = tokio::io::duplex(1024);
    let served = tokio::spawn(connections.carry(other, Peer::Socket(IpAddr::from([127, 0, 0, 1]))));
    let closing = "GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(closing.as_bytes()).await.unwrap();
    // The clock moves on only when no task can run.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let taken = read.load(std::sync::atomic::Ordering::SeqCst);
    assert!(
        (1..=4).contains(&taken),
        "{taken} pieces for a reader of nothing"
    );
    let mut heard = Vec::new();
    socket.read_to_end(&mut heard).await.unwrap();
    assert!(heard.len() > PIECE * PIECES);
    served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_about_to_end_answers_and_closes_the_connection() {
    let ending = Ending::default();
    let mut client = Client::of(ending.clone());
    client.send(GET).await;
    assert!(!client.hear("hello").await.contains("connection: close"));
    ending.leaving.cancel();
    client.send(GET).await;
    let (heard, _) = client.rest().await;
    assert!(heard.contains("connection: close"), "{heard}");
    assert!(heard.ends_with("hello"), "{heard}");
}

#[cfg(target_os = "linux")]
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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_does_not_wait_for_its_reader_for_ever_nor_keep_much_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (socket, _peer) = accepted.unwrap();
    set_options(&socket);
    assert!(socket.nodelay().unwrap());
    let timeout = rustix::net::sockopt::tcp_user_timeout(&socket).unwrap();
    assert_eq!(timeout, UNREAD_TIMEOUT_MS);
    let buffer = rustix::net::sockopt::socket_send_buffer_size(&socket).unwrap();
    assert!(buffer <= 2 * SEND_BUFFER, "{buffer}");
}

#[tokio::test]
async fn an_idle_connection_makes_room_for_one_that_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections {
        router: Router::new().route("/hello", get(async || "hello")),
        idle: IDLE,
        slots: Arc::new(Semaphore::new(1)),
        crowded: Arc::default(),
        tasks: TaskTracker::new(),
        ending: Ending::default(),
    };
    tokio::spawn(async move { connections.accept_all(&listener).await });
    let hello = async |socket: &mut TcpStream| {
        socket.write_all(GET.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"hello") {
            heard.push(socket.read_u8().await.unwrap());
        }
    };
    let both = async {
        let mut first = TcpStream::connect(address).await.unwrap();
        hello(&mut first).await;
        let mut second = TcpStream::connect(address).await.unwrap();
        hello(&mut second).await;
        assert_eq!(first.read(&mut [0]).await.unwrap(), 0, "it was closed");
    };
    // Sooner than the first one would have been closed for being idle.
    tokio::time::timeout(IDLE / 2, both).await.unwrap();
}

#[tokio::test]
async fn a_request_knows_the_other_end_of_its_socket() {
    let peer = async |Extension(peer): Extension<Peer>| format!("{peer:?}");
    let connections = Connections {
        router: Router::new().route("/", get(peer)),
        idle: IDLE,
        slots: Arc::new(Semaphore::new(1)),
        crowded: Arc::default(),
        tasks: TaskTracker::new(),
        ending: Ending::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move { connections.accept_all(&listener).await });
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut heard = String::new();
    socket.read_to_string(&mut heard).await.unwrap();
    assert!(heard.ends_with("\r\n\r\nSocket(127.0.0.1)"), "{heard}");
    accepting.abort();
}
