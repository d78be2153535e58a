//! How the services of the simulation are declared: by what they know of keys, and by nothing else.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::team::{BackOfficeTools, Declared, Draft, Located, Provider, Retries};
use serde::Deserialize;

pub(crate) const PROVIDERS: &[&dyn Provider] = &[&BackOfficeTools, &Services];

struct Services;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceFile {
    idempotency_keys: Option<bool>,
    key_life_minutes: Option<u64>,
    key_remembers: Option<Remembers>,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Remembers {
    Effects,
    Refusals,
}

impl Provider for Services {
    fn name(&self) -> &'static str {
        "services"
    }

    fn section(&self) -> Option<&'static str> {
        Some("service")
    }

    fn noun(&self) -> &'static str {
        "the service"
    }

    fn declare(&self, draft: &Draft<'_>) -> Result<Declared, Located> {
        let file: ServiceFile = draft.read()?;
        let minutes = file.key_life_minutes.unwrap_or(20 * 60);
        Ok(Declared {
            config: Arc::new(()),
            retries: Retries {
                has_keys: file.idempotency_keys.unwrap_or(true),
                key_life: Some(Duration::from_mins(minutes)),
                remembers_refusals: file.key_remembers == Some(Remembers::Refusals),
            },
            prices: false,
        })
    }
}
