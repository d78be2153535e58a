//! A provider of tools in one file: a shelf in memory, with one lookup and one action that knows keys.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::ports::{Outcome, Price, Provider, ToolError, ToolRequest, Tools};
use baton_handoff::team::{Declared, Draft, Located, Retries, ToolKind};
use serde::Deserialize;

/// Declares the tools with a section `[tool.shelf]`.
pub(crate) struct ShelfProvider;

/// The section of a tool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShelfFile {
    product: toml::Spanned<String>,
}

impl Provider for ShelfProvider {
    fn name(&self) -> &'static str {
        "shelf"
    }

    fn section(&self) -> Option<&'static str> {
        Some("shelf")
    }

    fn noun(&self) -> &'static str {
        "the shelf"
    }

    fn declare(&self, draft: &Draft<'_>) -> Result<Declared, Located> {
        let file: ShelfFile = draft.read()?;
        if file.product.get_ref().is_empty() {
            let sentence = format!("tool {:?} names no product", draft.name);
            return Err(Located::new(sentence, file.product.span()));
        }
        Ok(Declared {
            config: Arc::new(file.product.into_inner()),
            retries: Retries {
                has_keys: draft.kind == ToolKind::Action,
                key_life: Some(Duration::from_hours(1)),
                remembers_refusals: true,
            },
            prices: true,
        })
    }
}

/// What was taken, by key.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl Tools for Shelf {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        let product = request.tool.runs.config::<String>();
        let product =
            product.ok_or_else(|| ToolError::Refused("It is not on the shelf.".into()))?;
        let taken = self.0.lock().unwrap();
        let taken = taken.values().filter(|taken| *taken == product).count();
        Ok(format!("{taken} of {product} were taken."))
    }

    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        let Some(product) = request.tool.runs.config::<String>() else {
            return Outcome::Rejected("it is not on the shelf".into());
        };
        let mut taken = self.0.lock().unwrap();
        let known = taken.insert(idempotency_key.to_owned(), product.clone());
        match known {
            // As if the first answer had been lost on its way: the same key may be tried again.
            None => Outcome::Retry("the answer was lost".into(), None),
            Some(product) => Outcome::Done(format!("One {product} was taken.")),
        }
    }

    async fn price(&self, _request: &ToolRequest) -> Price {
        Price::Known(1_000)
    }
}
