//! Refusals of other protocols, in those protocols' own shape.

#![expect(
    dead_code,
    unused_qualifications,
    reason = "only their shapes are read, by a macro"
)]

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::{self, Content, Ref, RefOr};
use utoipa::{Modify, PartialSchema as _, ToSchema};

use super::operations;
use crate::faces::Face;

/// As OpenAI's interfaces write an error.
#[derive(ToSchema)]
pub(super) struct OpenAiError {
    error: OpenAiReason,
}

/// Why, as OpenAI's interfaces say it. Their clients choose the class of the exception by the status.
#[derive(ToSchema)]
pub(super) struct OpenAiReason {
    message: String,
    r#type: String,
    /// Always null.
    param: Option<String>,
    code: Option<String>,
}

/// As JSON-RPC writes an error.
#[derive(ToSchema)]
pub(super) struct JsonRpcError {
    /// `2.0`
    jsonrpc: String,
    /// That of the request where it was read, or null.
    id: Value,
    error: JsonRpcReason,
}

/// Why, as JSON-RPC says it.
#[derive(ToSchema)]
pub(super) struct JsonRpcReason {
    code: i32,
    message: String,
}

/// The event that ends a failed run of AG-UI.
#[derive(ToSchema)]
pub(super) struct RunError {
    /// `RUN_ERROR`
    r#type: String,
    message: String,
    code: String,
}

/// Gives each refusal below a face's paths the shape of its protocol, under a name of its own.
pub(super) struct FaceRefusals;

impl Modify for FaceRefusals {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut used = BTreeSet::new();
        for (path, item) in &mut document.paths.paths {
            let face = Face::of(path);
            for operation in operations(item) {
                for response in operation.responses.responses.values_mut() {
                    let RefOr::Ref(reference) = response else {
                        continue;
                    };
                    let (_, name) = reference.ref_location.rsplit_once('/').unwrap();
                    let mut name = name.to_owned();
                    if let Some(face) = face {
                        let own = format!("{face:?}{name}");
                        let mut refusal = components.responses[&name].clone();
                        if let RefOr::T(refusal) = &mut refusal {
                            let (media, content) = content(face);
                            refusal.content.clear();
                            refusal.content.insert(media.to_owned(), content.into());
                        }
                        *reference = Ref::from_response_name(&own);
                        components.responses.insert(own.clone(), refusal);
                        name = own;
                    }
                    used.insert(name);
                }
            }
        }
        components.responses.retain(|name, _| used.contains(name));
    }
}

fn content(face: Face) -> (&'static str, Content) {
    let named = |name| Content::new(Some(Ref::from_schema_name(name)));
    match face {
        Face::OpenAi => ("application/json", named(OpenAiError::name())),
        Face::AiSdk => ("text/plain", Content::new(Some(String::schema()))),
        Face::Mcp | Face::A2a => ("application/json", named(JsonRpcError::name())),
        Face::AgUi => ("application/json", named(RunError::name())),
    }
}
