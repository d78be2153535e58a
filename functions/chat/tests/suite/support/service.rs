//! The service that the scripted model plays: Chat Completions, or what `BATON_TEST_FORMAT` or a test of formats says. The one
//! place that knows how each is addressed.

use std::cell::Cell;

use baton_http::Secret;
use baton_models::{Endpoint, WIRE_FORMATS};

/// A service by its name, and how a client finds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    /// Its wire format, as settings have it.
    pub(crate) api: &'static str,
    /// The path of its base URL.
    path: &'static str,
    /// Bedrock signs what goes out without a key.
    pub(crate) key: Option<&'static str>,
}

/// The model that every service has.
pub(crate) const MODEL: &str = "scripted";

pub(crate) const CHAT: Service = service("chat", "chat", "/v1", None);

/// All but Chat Completions.
#[allow(dead_code, reason = "other suites are told by the environment")]
pub(crate) const OTHERS: &[Service] = &[
    service("responses", "responses", "/v1", None),
    service("anthropic", "anthropic", "", None),
    service("gemini", "gemini", "/v1beta", None),
    service("bedrock-claude", "bedrock", "/anthropic", Some("a key")),
    service("bedrock-openai", "bedrock", "/openai/v1", Some("a key")),
    #[cfg(feature = "aws")]
    service("bedrock-converse", "bedrock", "/model", Some("a key")),
];

const fn service(
    name: &'static str,
    api: &'static str,
    path: &'static str,
    key: Option<&'static str>,
) -> Service {
    Service {
        name,
        api,
        path,
        key,
    }
}

thread_local! {
    /// A test starts its server on its own thread.
    static PLAYED: Cell<Option<Service>> = const { Cell::new(None) };
}

impl Service {
    /// The one that is played on this thread.
    pub(crate) fn played() -> Self {
        let chosen = || {
            let name = std::env::var("BATON_TEST_FORMAT").ok()?;
            let all = || OTHERS.iter().chain([&CHAT]);
            let service = all().find(|service| service.name == name).copied();
            Some(service.unwrap_or_else(|| {
                let known: Vec<_> = all().map(|service| service.name).collect();
                panic!("BATON_TEST_FORMAT={name} is none of {known:?}")
            }))
        };
        PLAYED.get().or_else(chosen).unwrap_or(CHAT)
    }

    /// Plays a test of the suite with this service.
    #[allow(dead_code, reason = "other suites are told by the environment")]
    pub(crate) fn plays(self, test: fn()) {
        PLAYED.set(Some(self));
        test();
        PLAYED.set(None);
    }

    /// The base URL of the service at this address of Chat Completions; what is no address stays as it is.
    pub(crate) fn url(self, chat: &str) -> String {
        chat.strip_suffix(CHAT.path).map_or_else(
            || chat.to_owned(),
            |origin| format!("{origin}{}", self.path),
        )
    }

    /// The same, with all that a client needs.
    pub(crate) fn endpoint(self, chat: &str) -> Endpoint {
        let wire = WIRE_FORMATS.iter().find(|wire| wire.name == self.api);
        Endpoint::Service {
            wire: *wire.unwrap(),
            base_url: self.url(chat),
            model: MODEL.to_owned(),
            key: self.key.map(Secret::new),
        }
    }
}
