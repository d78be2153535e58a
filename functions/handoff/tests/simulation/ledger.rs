//! The other side of all tools: services whose effects are counted. What reaches them takes effect, also when the caller is
//! long gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use baton_handoff::Report;
use baton_handoff::ids::ActionId;
use baton_handoff::ports::{
    ClientEndpoint, Delivered, Millis, Outcome, Posted, Price, ToolError, ToolRequest, Tools,
    Webhooks,
};
use baton_handoff::record::ActionState;
use tokio::sync::oneshot;

use crate::audit::Audit;
use crate::oddities;
use crate::script::{Script, Try};
use crate::weather::Weather;
use crate::world::{OUTSIDE, World, lock};

/// No request is on its way for longer: without such a bound no key that expires could be relied on. What a sleeping machine
/// had on its way by then is lost with the connection.
const LONGEST_FLIGHT: Millis = 12_000;

/// How long a service may take that reports the end by itself.
const LONGEST_JOB: Millis = 600_000;

/// What was paid for each item, in US cents.
const PAID: [(&str, u64); 3] = [("item-0", 10_000), ("item-1", 40_000), ("item-2", 90_000)];

#[derive(Default)]
struct Accounts {
    /// First use and answer, by idempotency key.
    keys: BTreeMap<String, (Millis, Outcome)>,
    effects: BTreeMap<ActionId, u32>,
    /// Calls of services without keys.
    blind_calls: BTreeMap<ActionId, u32>,
    refunded: BTreeMap<String, u64>,
    on_their_way: BTreeMap<ActionId, u32>,
    /// What services have not reported yet.
    to_report: Vec<(ActionId, Report)>,
    /// What was ordered, refunded, booked or called, as it happened.
    happened: Vec<String>,
}

pub(crate) struct Ledger {
    world: Arc<World>,
    audit: Arc<Audit>,
    accounts: Mutex<Accounts>,
}

impl Ledger {
    pub(crate) fn new(world: Arc<World>, audit: Arc<Audit>) -> Arc<Self> {
        Arc::new(Self {
            world,
            audit,
            accounts: Mutex::default(),
        })
    }

    pub(crate) fn effects_of(&self, action: &ActionId) -> u32 {
        lock(&self.accounts)
            .effects
            .get(action)
            .copied()
            .unwrap_or(0)
    }

    /// The first argument, or the product, of all that happened, in its order.
    pub(crate) fn in_order(&self) -> Vec<String> {
        lock(&self.accounts).happened.clone()
    }

    /// Whether a request may still arrive.
    pub(crate) fn expects(&self, action: &ActionId) -> bool {
        lock(&self.accounts)
            .on_their_way
            .get(action)
            .is_some_and(|count| *count > 0)
    }

    pub(crate) fn overpaid(&self) -> Option<String> {
        let accounts = lock(&self.accounts);
        PAID.iter()
            .find(|(item, paid)| {
                accounts
                    .refunded
                    .get(*item)
                    .is_some_and(|refunded| refunded > paid)
            })
            .map(|(item, _)| (*item).to_owned())
    }

    fn departs(&self, action: &ActionId, request: &ToolRequest) {
        let mut accounts = lock(&self.accounts);
        *accounts.on_their_way.entry(action.clone()).or_default() += 1;
        if has_keys(request) {
            return;
        }
        let calls = accounts.blind_calls.entry(action.clone()).or_default();
        *calls += 1;
        if *calls > 1 + self.audit.retries_of(action) {
            self.world.break_off(format!(
                "{action} was tried {calls} times at a service without keys"
            ));
        }
    }

    fn arrives(
        &self,
        action: &ActionId,
        request: &ToolRequest,
        key: &str,
        refuses: bool,
    ) -> Outcome {
        let mut accounts = lock(&self.accounts);
        let now = self.world.now();
        let known = accounts
            .keys
            .get(key)
            .filter(|(first, _)| now < first + key_life(request));
        if let Some((_, outcome)) = known.filter(|_| has_keys(request)) {
            return outcome.clone();
        }
        let item = request
            .arguments
            .as_value()
            .get("item_id")
            .and_then(|item| item.as_str())
            .unwrap_or_default();
        let paid = paid_for(item);
        let refund = request.tool.name == "execute_refund";
        let outcome = if refuses {
            Outcome::Rejected("not today".to_owned())
        } else if refund && paid == 0 {
            Outcome::Rejected("nothing was paid for it".to_owned())
        } else if refund && accounts.refunded.get(item).copied().unwrap_or(0) + paid > paid {
            Outcome::Rejected("already refunded".to_owned())
        } else {
            Outcome::Done(format!("done at {now}"))
        };
        if matches!(outcome, Outcome::Done(_)) {
            if refund {
                *accounts.refunded.entry(item.to_owned()).or_default() += paid;
            }
            let arguments = request.arguments.as_value().as_object();
            let what = arguments.and_then(|all| all.get("product").or_else(|| all.values().next()));
            let what = what.and_then(|what| what.as_str()).unwrap_or_default();
            accounts.happened.push(what.to_owned());
            let effects = accounts.effects.entry(action.clone()).or_default();
            *effects += 1;
            self.world
                .note(|| format!("EFFECT {} of {action}", request.tool.name));
            if *effects > 1 {
                self.world
                    .break_off(format!("{action} had {effects} effects"));
            }
            if self.audit.state_of(action) == Some(ActionState::Rejected) {
                self.world
                    .break_off(format!("{action} was rejected, and then had an effect"));
            }
        }
        let is_refusal = matches!(outcome, Outcome::Rejected(_));
        // Without a key nobody can be recognised.
        if has_keys(request) && !key.is_empty() && (!is_refusal || remembers_refusals(request)) {
            accounts.keys.insert(key.to_owned(), (now, outcome.clone()));
        }
        outcome
    }

    /// The next report that a service has to make.
    pub(crate) fn next_report(&self) -> Option<(ActionId, Report)> {
        let to_report = &lock(&self.accounts).to_report;
        (!to_report.is_empty()).then(|| to_report[self.world.index(to_report.len())].clone())
    }

    /// Baton has it, or does not want it.
    pub(crate) fn was_reported(&self, report: &(ActionId, Report)) {
        lock(&self.accounts).to_report.retain(|one| one != report);
    }

    /// Answers that the service has begun, and will report the outcome.
    fn begins(&self, action: &ActionId, outcome: Outcome) -> Outcome {
        let report = match outcome {
            Outcome::Done(result) => Report::Done(result),
            Outcome::Rejected(reason) => Report::Rejected(reason),
            other => return other,
        };
        let report = (action.clone(), report);
        let to_report = &mut lock(&self.accounts).to_report;
        if !to_report.contains(&report) {
            to_report.push(report);
        }
        Outcome::Begun(Duration::from_millis(self.world.below(LONGEST_JOB)))
    }

    fn landed(&self, action: &ActionId) {
        if let Some(count) = lock(&self.accounts).on_their_way.get_mut(action) {
            *count -= 1;
        }
    }
}

fn paid_for(item: &str) -> u64 {
    PAID.iter()
        .find(|(name, _)| *name == item)
        .map_or(0, |(_, paid)| *paid)
}

fn has_keys(request: &ToolRequest) -> bool {
    request.tool.runs.retries.has_keys
}

/// Whether a service that has refused a request refuses the others under its key as well.
fn remembers_refusals(request: &ToolRequest) -> bool {
    request.tool.runs.retries.remembers_refusals
}

fn key_life(request: &ToolRequest) -> Millis {
    let life = request.tool.runs.retries.key_life;
    life.and_then(|life| Millis::try_from(life.as_millis()).ok())
        .unwrap_or(Millis::MAX / 4)
}

/// One process's way to the services.
pub(crate) struct SimTools {
    pub(crate) world: Arc<World>,
    pub(crate) weather: Arc<Mutex<Weather>>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) process: usize,
}

impl SimTools {
    fn goes_wrong(&self) -> bool {
        let faults = lock(&self.weather).tool_faults;
        self.world.happens(faults)
    }

    fn is_odd(&self) -> bool {
        let oddities = lock(&self.weather).oddities;
        self.world.happens(oddities)
    }

    fn odd_text(&self) -> String {
        let bulk = lock(&self.weather).bulk;
        oddities::text(&self.world, bulk)
    }

    /// What chance, or the scenario, makes of the next request.
    fn next_try(&self) -> Try {
        let directed = {
            let mut script = lock(&self.script);
            script
                .directs
                .then(|| script.tries.pop_front().unwrap_or(Try::WORKS))
        };
        directed.unwrap_or_else(|| Try {
            flight: if self.goes_wrong() {
                self.world.below(LONGEST_FLIGHT)
            } else {
                self.world.below(30)
            },
            refused: self.goes_wrong() && self.world.happens(300),
            answered: !self.goes_wrong(),
            lost: false,
        })
    }

    async fn look_up(&self) -> Result<String, ToolError> {
        self.world.sleep(self.world.below(50)).await;
        if let Some(result) = lock(&self.script).result.clone() {
            return Ok(result);
        }
        if self.goes_wrong() {
            if self.world.happens(200) {
                std::future::pending::<()>().await;
            }
            return Err(ToolError::Unavailable("not found".to_owned()));
        }
        if self.is_odd() {
            return Ok(self.odd_text());
        }
        Ok("item-1".to_owned())
    }

    fn unsure(&self, request: &ToolRequest) -> Outcome {
        if has_keys(request) || self.world.happens(200) {
            let asked = self
                .world
                .happens(200)
                .then(|| Duration::from_millis(self.world.below(30_000)));
            Outcome::Retry("no answer".to_owned(), asked)
        } else {
            Outcome::Unknown("no answer".to_owned())
        }
    }
}

#[async_trait]
impl Tools for SimTools {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        let found = self.look_up().await;
        if found.is_ok() {
            self.audit.looked_up(request);
        }
        found
    }

    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        let Some(record) = self.audit.acts() else {
            return Outcome::Unknown(String::new());
        };
        let action = record.id;
        self.world
            .note(|| format!("p{} calls {} for {action}", self.process, request.tool.name));
        if self.goes_wrong() && self.world.happens(300) {
            // Nothing has departed.
            return match self.world.below(4) {
                0 => Outcome::NotSent("no connection".to_owned()),
                1 => Outcome::Busy("too many requests".to_owned(), None),
                _ => self.unsure(request),
            };
        }
        let Try {
            flight,
            refused,
            answered,
            lost,
        } = self.next_try();
        let directed = lock(&self.script).result.clone();
        let begun = lock(&self.weather).begun;
        let begins = directed.is_none() && begun > 0 && self.world.happens(begun);
        let oddity = directed.or_else(|| self.is_odd().then(|| self.odd_text()));
        let (answer, heard) = oneshot::channel();
        self.ledger.departs(&action, request);
        let (world, ledger, key, call) = (
            self.world.clone(),
            self.ledger.clone(),
            idempotency_key.to_owned(),
            request.clone(),
        );
        let departed_at = self.world.now();
        self.world.spawn(OUTSIDE, async move {
            world.sleep(flight).await;
            ledger.landed(&action);
            if lost || world.now() > departed_at + LONGEST_FLIGHT {
                return;
            }
            let mut outcome = ledger.arrives(&action, &call, &key, refused);
            if begins {
                outcome = ledger.begins(&action, outcome);
            }
            world.sleep(world.below(30)).await;
            if answered {
                // The caller may be gone.
                let _gone = answer.send(worded(outcome, oddity));
            }
        });
        match heard.await {
            Ok(outcome) => outcome,
            Err(_) if self.world.happens(500) => std::future::pending().await,
            Err(_) => self.unsure(request),
        }
    }

    async fn price(&self, request: &ToolRequest) -> Price {
        let priceless = lock(&self.weather).priceless;
        let told = !self.world.happens(priceless);
        self.world.sleep(self.world.below(20)).await;
        let item = request.arguments.as_value().get("item_id");
        let paid = item.and_then(|item| item.as_str()).map_or(0, paid_for);
        let price = match paid {
            _ if !told => Price::CannotTell("simulated".to_owned()),
            0 => Price::NoPrice,
            cents => Price::Known(cents),
        };
        self.audit.priced(request, price.clone());
        price
    }
}

/// The endpoint of another system: what reaches it counts, whether it answers or not.
#[async_trait]
impl Webhooks for SimTools {
    async fn post(&self, notice: &Posted<'_>) -> Delivered {
        let failed = || Delivered::Failed("no answer".to_owned(), None);
        self.world.sleep(self.world.below(50)).await;
        if self.goes_wrong() {
            return failed();
        }
        self.audit.took(notice.body);
        if self.goes_wrong() {
            if self.world.happens(300) {
                std::future::pending::<()>().await;
            }
            return failed();
        }
        Delivered::Taken
    }

    fn takes_clients(&self) -> bool {
        true
    }

    fn check_client(&self, _: &ClientEndpoint) -> Result<(), String> {
        Ok(())
    }
}

/// The same outcome in words that nobody should use.
fn worded(outcome: Outcome, words: Option<String>) -> Outcome {
    match (outcome, words) {
        (Outcome::Done(_), Some(words)) => Outcome::Done(words),
        (Outcome::Rejected(_), Some(words)) => Outcome::Rejected(words),
        (outcome, _) => outcome,
    }
}
