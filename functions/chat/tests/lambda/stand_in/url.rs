//! The HTTPS endpoint of a function: each request becomes an invocation, its answer goes back as it comes. So any HTTP client
//! can talk to a function. A client that hangs up breaks the answer off.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::response::Response;
use futures_util::stream;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::event::Request;
use super::{Answer, Api, Shared};

/// Ends when dropped.
pub(crate) struct Url {
    address: SocketAddr,
    server: JoinHandle<()>,
}

struct Front {
    api: Arc<Shared>,
    life: Duration,
}

impl Url {
    /// An endpoint whose invocations must each be done after `life`.
    pub(crate) async fn start(api: &Api, life: Duration) -> Self {
        let front = Arc::new(Front {
            api: api.state.clone(),
            life,
        });
        let router = Router::new().fallback(forward).with_state(front);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, server }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Url {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(State(front): State<Arc<Front>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().unwrap().as_str();
    let mut event = Request::new(parts.method.as_str(), target);
    for (name, value) in &parts.headers {
        event = event.header(name.as_str(), value.to_str().unwrap());
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    if !body.is_empty() {
        event = event.body(String::from_utf8(body.to_vec()).unwrap());
    }
    let mut answer = front.api.invoke(&event.by_url(), front.life);
    let Ok(prelude) = answer.prelude().await else {
        let mut bad = Response::new(Body::empty());
        *bad.status_mut() = StatusCode::BAD_GATEWAY;
        return bad;
    };
    let status = prelude["statusCode"].as_u64().unwrap();
    let mut response = http::Response::builder().status(u16::try_from(status).unwrap());
    for (name, value) in prelude["headers"].as_object().unwrap() {
        response = response.header(name, value.as_str().unwrap());
    }
    let body = stream::unfold(answer, |mut answer: Answer| async move {
        match answer.try_next().await {
            Ok(bytes) => bytes.map(|bytes| (Ok(bytes), answer)),
            Err(broken) => Some((Err(std::io::Error::other(format!("{broken:?}"))), answer)),
        }
    });
    response.body(Body::from_stream(body)).unwrap()
}
