//! How the services of the simulation are declared: by what they know of keys, and by nothing else. And how they report what they
//! have begun.

use std::sync::Arc;
use std::time::Duration;

use baton_handoff::ids::ActionId;
use baton_handoff::team::{BackOfficeTools, Declared, Draft, Located, Provider, Retries};
use baton_handoff::{CannotReport, Engine, Report, Tenant};
use serde::Deserialize;

use crate::operators::other;
use crate::town::Town;
use crate::world::OUTSIDE;

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

/// Services report, sooner or later than they may, some of it twice, until they have an answer.
pub(crate) fn report(town: &Arc<Town>) {
    let (world, town) = (town.world.clone(), town.clone());
    world.clone().spawn(OUTSIDE, async move {
        loop {
            world.sleep(world.between(200, 20_000)).await;
            let (Some(report), Some((process, engine))) =
                (town.ledger.next_report(), town.any_process())
            else {
                continue;
            };
            let (town, twice) = (town.clone(), world.happens(200));
            world.spawn(process, async move {
                town.audit.reports(town.world.current_task());
                match tell(&engine, &report).await {
                    Err(CannotReport::Store(_) | CannotReport::NotBegun) => {}
                    Ok(()) if twice => {}
                    Ok(()) | Err(CannotReport::Over(_) | CannotReport::NotFound) => {
                        town.ledger.was_reported(&report);
                    }
                }
            });
        }
    });
}

/// Of either tenant: services are of both.
async fn tell(
    engine: &Arc<Engine>,
    (action, report): &(ActionId, Report),
) -> Result<(), CannotReport> {
    let (action, tenant) = (engine.action(action), Tenant::default());
    match action.report(&tenant, report).await {
        Err(CannotReport::NotFound) => action.report(&other(&tenant), report).await,
        told => told,
    }
}

/// Somebody resumes an endpoint that was paused: it failed again after a long sleep of all machines.
pub(crate) fn resume(town: &Arc<Town>) {
    let (world, town) = (town.world.clone(), town.clone());
    world.clone().spawn(OUTSIDE, async move {
        loop {
            world.sleep(300_000).await;
            if let Some((process, engine)) = town.any_process() {
                world.spawn(process, async move {
                    let _not_now = engine.resume_endpoint("crm").await;
                });
            }
        }
    });
}
