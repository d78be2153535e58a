//! The HTTPS endpoint of a function: each request becomes an invocation, its answer goes back as it comes. So any HTTP client
//! can talk to a function. A client that hangs up breaks the answer off. A browser calls the endpoint by its address: the function
//! is told the name that the endpoint would have.

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

use super::event::{REST_HOST, Request, URL_HOST};
use super::{Answer, Api, Shared};

/// Ends when dropped.
pub struct Url {
    address: SocketAddr,
    server: JoinHandle<()>,
}

struct Front {
    api: Arc<Shared>,
    life: Duration,
    way: Way,
    /// As browsers name it.
    origin: String,
}

/// How requests come to the function.
#[derive(Clone, Copy)]
enum Way {
    FunctionUrl,
    /// By a REST API, whose stage is `prod`.
    RestApi,
}

impl Url {
    /// A function URL whose invocations must each be done after `life`.
    pub async fn start(api: &Api, life: Duration) -> Self {
        Self::over(Way::FunctionUrl, api, life).await
    }

    /// A REST API: the function is below `/prod/`.
    pub async fn below_a_stage(api: &Api, life: Duration) -> Self {
        Self::over(Way::RestApi, api, life).await
    }

    async fn over(way: Way, api: &Api, life: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let front = Arc::new(Front {
            api: api.state.clone(),
            life,
            way,
            origin: format!("http://{address}"),
        });
        let router = Router::new().fallback(forward).with_state(front);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, server }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What every URL of it begins with.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Url {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Way {
    fn host(self) -> &'static str {
        match self {
            Self::FunctionUrl => URL_HOST,
            Self::RestApi => REST_HOST,
        }
    }
}

fn refusal(status: StatusCode) -> Response {
    let mut refusal = Response::new(Body::empty());
    *refusal.status_mut() = status;
    refusal
}

async fn forward(State(front): State<Arc<Front>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().unwrap().as_str();
    let mut event = Request::new(parts.method.as_str(), target);
    for (name, value) in &parts.headers {
        let value = value.to_str().unwrap();
        let value = value.replace(&front.origin, &format!("https://{}", front.way.host()));
        event = event.header(name.as_str(), &value);
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    if !body.is_empty() {
        event = event.body(String::from_utf8(body.to_vec()).unwrap());
    }
    let event = match front.way {
        Way::FunctionUrl => event.by_url(),
        Way::RestApi if target.starts_with("/prod") => event.by_rest_api(),
        // There is nothing beside the stage.
        Way::RestApi => return refusal(StatusCode::FORBIDDEN),
    };
    let mut answer = front.api.invoke(&event, front.life);
    let Ok(prelude) = answer.prelude().await else {
        return refusal(StatusCode::BAD_GATEWAY);
    };
    let status = prelude["statusCode"].as_u64().unwrap();
    let mut response = http::Response::builder().status(u16::try_from(status).unwrap());
    for (name, value) in prelude["headers"].as_object().unwrap() {
        let value = value.as_str().expect("AWS takes one value of a header");
        response = response.header(name, value);
    }
    for cookie in prelude["cookies"].as_array().into_iter().flatten() {
        response = response.header("set-cookie", cookie.as_str().unwrap());
    }
    let body = stream::unfold(answer, |mut answer: Answer| async move {
        match answer.try_next().await {
            Ok(bytes) => bytes.map(|bytes| (Ok(bytes), answer)),
            Err(broken) => Some((Err(std::io::Error::other(format!("{broken:?}"))), answer)),
        }
    });
    response.body(Body::from_stream(body)).unwrap()
}
