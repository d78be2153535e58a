//! Calls of JSON-RPC 2.0, and what is wrong with them in the words of A2A (sections 3.3.2 and 9.5 of its specification).

use baton_handoff::ports::StoreError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::edge::error::ApiError;

/// A call. Its parameters are read once the method is known.
#[derive(Deserialize)]
pub(super) struct Call {
    #[serde(default)]
    pub(super) id: Value,
    pub(super) method: String,
    #[serde(default)]
    pub(super) params: Value,
}

/// An error of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Version,
    Request,
    Method,
    /// The field and what it must be.
    Params(String),
    TaskNotFound,
    NotCancelable,
    /// Why.
    NoPush(&'static str),
    NoExtendedCard,
    ContentType,
    Unsupported(&'static str),
    Internal,
}

/// Why a call has no result.
pub(super) enum Refused {
    Fault(Fault),
    /// By the door or the store.
    Api(ApiError),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<ApiError> for Refused {
    fn from(refused: ApiError) -> Self {
        Self::Api(refused)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Api(error.into())
    }
}

impl Fault {
    /// Code, reason and sentence.
    fn parts(&self) -> (i32, Option<&'static str>, &str) {
        match self {
            Self::Request => (-32600, None, "the request is not valid"),
            Self::Method => (-32601, None, "there is no such method"),
            Self::Params(sentence) => (-32602, None, sentence),
            Self::Internal => (-32603, None, "the call could not be answered"),
            Self::TaskNotFound => (-32001, Some("TASK_NOT_FOUND"), "no such task"),
            Self::NotCancelable => (
                -32002,
                Some("TASK_NOT_CANCELABLE"),
                "the task is not at work",
            ),
            Self::NoPush(sentence) => (-32003, Some("PUSH_NOTIFICATION_NOT_SUPPORTED"), sentence),
            Self::Unsupported(sentence) => (-32004, Some("UNSUPPORTED_OPERATION"), sentence),
            Self::ContentType => (
                -32005,
                Some("CONTENT_TYPE_NOT_SUPPORTED"),
                "the message has no part with text, and other parts are not read",
            ),
            Self::NoExtendedCard => (
                -32007,
                Some("EXTENDED_AGENT_CARD_NOT_CONFIGURED"),
                "there is no extended card",
            ),
            Self::Version => (
                -32009,
                Some("VERSION_NOT_SUPPORTED"),
                "this agent speaks 1.0: send the header A2A-Version: 1.0; without it a client speaks 0.3",
            ),
        }
    }

    /// The response to the call with this id.
    pub(super) fn answer(&self, id: &Value) -> Value {
        let (_, _, sentence) = self.parts();
        self.saying(id, sentence)
    }

    /// The same with another sentence.
    pub(super) fn saying(&self, id: &Value, sentence: &str) -> Value {
        let (code, reason, _) = self.parts();
        let mut error = json!({ "code": code, "message": sentence });
        if let (Some(reason), Some(error)) = (reason, error.as_object_mut()) {
            let info = json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "domain": "a2a-protocol.org",
            }]);
            error.insert("data".to_owned(), info);
        }
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }
}

/// The parameters of a method.
pub(super) fn params<T: DeserializeOwned>(params: Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(params).map_err(|error| {
        let field = error.path().to_string();
        Fault::Params(format!("params.{field}: {}", error.into_inner()))
    })
}
