//! A wire format that this crate does not know, through the crate's transport: what the transport does is the same for every format.

mod toy;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use baton_handoff::ports::{FinishReason, Message, ModelErrorKind, Usage};
use baton_http::Secret;
use baton_models::wire::Wire;
use baton_models::{Bounds, Endpoint, ModelSettings, Patience, WIRE_FORMATS};
use baton_rehearsal::scripted::{ScriptedModel, says};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::support::{KEY, Reply, SHORT, ask, ask_for, client, hello, request};

/// What the service does with one request.
#[derive(Clone)]
enum Does {
    /// Refuses with this status.
    Refuses(u16),
    /// Sends these pieces and ends.
    Sends(&'static [&'static str]),
    /// Sends these pieces and falls silent.
    SendsAndHangs(&'static [&'static str]),
}

/// A request as it arrived.
struct Asked {
    path: String,
    key: Option<String>,
    version: Option<String>,
    body: String,
}

/// A service of the toy format on loopback.
struct Service {
    base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Service {
    async fn start(script: impl IntoIterator<Item = Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v9", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (script, noted) = (Arc::clone(&script), Arc::clone(&noted));
                let answer = service_fn(move |request: Request<Incoming>| {
                    let (script, noted) = (Arc::clone(&script), Arc::clone(&noted));
                    async move {
                        note(request, &noted).await;
                        let does = script.lock().unwrap().pop_front().unwrap();
                        Ok::<_, Infallible>(answered(&does))
                    }
                });
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(socket), answer));
            }
        });
        Self { base_url, asked }
    }

    fn settings(&self, wire: Wire) -> ModelSettings {
        ModelSettings::new(Endpoint::Service {
            wire,
            base_url: self.base_url.clone(),
            model: "toy-1".into(),
            key: Some(Secret::new(KEY)),
        })
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn note(request: Request<Incoming>, asked: &Mutex<Vec<Asked>>) {
    let header = |name: &str| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let (path, key, version) = (
        request.uri().path().to_owned(),
        header("x-toy-key"),
        header("toy-version"),
    );
    let body = request.into_body().collect().await.unwrap().to_bytes();
    asked.lock().unwrap().push(Asked {
        path,
        key,
        version,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
}

type Pieces = stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>;

fn answered(does: &Does) -> Response<StreamBody<Pieces>> {
    let send = |pieces: &'static [&'static str]| {
        stream::iter(pieces).map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))))
    };
    let (status, pieces): (u16, Pieces) = match *does {
        Does::Refuses(status) => (
            status,
            send(&[r#"{"error": {"code": "overloaded"}}"#]).boxed(),
        ),
        Does::Sends(pieces) => (200, send(pieces).boxed()),
        Does::SendsAndHangs(pieces) => (200, send(pieces).chain(stream::pending()).boxed()),
    };
    Response::builder()
        .status(status)
        .body(StreamBody::new(pieces))
        .unwrap()
}

const WHOLE: &[&str] = &[
    "[\"tokens\", 5, 0]\n[\"text\", \"Hel",
    "lo\"]\n[\"call\", \"a\", \"look_up_item\", \"{}\"]\n[\"tokens\", 0, 7]\n",
    "[\"done\"]\n",
];

async fn play(script: impl IntoIterator<Item = Does>) -> (Reply, usize) {
    let service = Service::start(script).await;
    let reply = ask(&client(&service.settings(toy::WIRE))).await;
    (reply, service.times_asked())
}

#[tokio::test]
async fn a_format_writes_its_address_headers_and_body_and_reads_its_frames() {
    let service = Service::start([Does::Sends(WHOLE)]).await;
    let asked = request(vec![Message::User("hi".into())], [("look_up_item", "{}")]);
    let reply = ask_for(&client(&service.settings(toy::WIRE)), asked).await;
    assert_eq!((reply.text().as_str(), reply.kind()), ("Hello", None));
    let call = ("a".into(), "look_up_item".into(), "{}".into());
    assert_eq!(reply.calls(), [call]);
    assert_eq!(reply.finished(), Some(FinishReason::Stop));
    let usage = Usage {
        prompt_tokens: 5,
        completion_tokens: 7,
        ..Usage::default()
    };
    assert_eq!(reply.usages(), [usage]);
    let asked = service.asked.lock().unwrap();
    assert_eq!(asked[0].path, "/v9/models/toy-1:talk");
    assert_eq!(asked[0].key.as_deref(), Some(KEY));
    assert_eq!(asked[0].version.as_deref(), Some("7"));
    assert_eq!(asked[0].body, r#"{"said":["hi"],"tools":["look_up_item"]}"#);
}

#[tokio::test]
async fn a_new_format_is_tried_again_as_every_other() {
    let (reply, requests) =
        play([Does::Refuses(503), Does::Refuses(429), Does::Sends(WHOLE)]).await;
    assert_eq!((reply.text().as_str(), requests), ("Hello", 3));
    let (reply, requests) = play([Does::Refuses(400), Does::Sends(WHOLE)]).await;
    assert_eq!(
        (reply.kind(), requests),
        (Some(ModelErrorKind::BadRequest), 1)
    );
    let detail = reply.error.unwrap().detail;
    assert!(detail.contains("overloaded"), "{detail}");
}

#[tokio::test]
async fn silence_in_a_new_format_times_out() {
    let service = Service::start([Does::SendsAndHangs(&["[\"text\", \"So \"]\n[\"te"])]).await;
    let patience = Patience {
        silence: SHORT,
        ..Patience::default()
    };
    let settings = ModelSettings {
        patience,
        ..service.settings(toy::WIRE)
    };
    let reply = ask(&client(&settings)).await;
    let timed_out = Some(ModelErrorKind::TimedOut);
    assert_eq!((reply.text().as_str(), reply.kind()), ("So ", timed_out));
}

#[tokio::test]
async fn a_new_format_that_stops_early_or_is_garbled_is_told_apart() {
    let (reply, _) = play([Does::Sends(&["[\"text\", \"So \"]\n"])]).await;
    assert_eq!(
        (reply.text().as_str(), reply.kind()),
        ("So ", Some(ModelErrorKind::Cut))
    );
    let (reply, _) = play([Does::Sends(&["[\"text\", \"So \"]\nmy card is 4242\n"])]).await;
    assert_eq!(
        (reply.text().as_str(), reply.kind()),
        ("So ", Some(ModelErrorKind::BadStream))
    );
    let (reply, _) = play([Does::Sends(&["[\"done\"]\n"])]).await;
    assert_eq!(reply.kind(), Some(ModelErrorKind::Empty));
}

#[tokio::test]
async fn the_bounds_hold_for_a_new_format() {
    let refused = async |bounds: Bounds, pieces: &'static [&'static str]| {
        let service = Service::start([Does::SendsAndHangs(pieces)]).await;
        let settings = ModelSettings {
            bounds,
            ..service.settings(toy::WIRE)
        };
        ask(&client(&settings)).await.kind()
    };
    let usual = Bounds::default();
    let text = Bounds { text: 4, ..usual };
    let calls = Bounds { calls: 0, ..usual };
    for bounds in [text, calls] {
        assert_eq!(refused(bounds, WHOLE).await, Some(ModelErrorKind::TooLarge));
    }
}

#[tokio::test]
async fn the_settings_can_name_a_format_of_the_table() {
    let model = ScriptedModel::start([says("Hi")]).await;
    let wire = WIRE_FORMATS.iter().find(|wire| wire.name == "chat");
    let settings = ModelSettings::new(Endpoint::Service {
        wire: *wire.unwrap(),
        base_url: model.url(),
        model: "gpt-4o".into(),
        key: None,
    });
    assert_eq!(ask_for(&client(&settings), hello()).await.text(), "Hi");
}
