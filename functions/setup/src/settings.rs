//! All settings, read from the environment in this one place. A wrong value is reported at the start, in one clear sentence.

mod access;
mod auth;
mod bounds;
mod cloud;
mod jwt;
mod keeping;
mod model;
mod names;
mod networks;
mod operators;
mod retention;
mod serving;
pub(crate) mod team_model;
mod telemetry;
#[cfg(test)]
mod tests;
mod tools;
mod values;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use baton_handoff::{Bound, Bounds};
use baton_telemetry::OtlpSettings;

pub use access::Access;
pub use auth::Strangers;
pub use cloud::Cloud;
pub use jwt::{Issuers, JwtAlgorithm, JwtSettings, KeySource};
pub use keeping::Keeping;
pub use model::ModelChoice;
pub(crate) use names::unknown;
pub use networks::Proxies;
pub use serving::Serving;
pub(crate) use telemetry::is_signed;
pub use tools::{ToolSettings, ToolTokenSettings};
pub use values::Values;

/// A setting that cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadSetting(String);

impl BadSetting {
    /// A sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// The unusable values.
#[derive(Default)]
struct BadSettings(Vec<String>);

impl BadSettings {
    /// The value; or nothing, with the mistake noted.
    fn note<T>(&mut self, read: Result<T, BadSetting>) -> Option<T> {
        read.map_err(|BadSetting(sentence)| self.0.push(sentence))
            .ok()
    }

    fn into_one(self) -> BadSetting {
        BadSetting(self.0.join("\n"))
    }
}

/// All settings of `local`, by the parts that use them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The HTTP server.
    pub serving: Serving,
    /// Callers and their credentials.
    pub access: Access,
    /// The store.
    pub keeping: Keeping,
    /// Tools that call services.
    pub tools: ToolSettings,
    /// Where traces are sent; none: nowhere.
    pub traces: Option<OtlpSettings>,
    /// The model.
    pub model: ModelChoice,
    /// A team file; the built-in ACME team when there is none.
    pub team: Option<PathBuf>,
    /// What owners, addresses and all may take.
    pub bounds: Bounds,
    /// The log filter: a level, or levels of crates and modules.
    pub log: String,
    /// The source of the variables for headers of a team's tools.
    pub values: Values,
    /// Whether the model must be named, by the settings or by the team: scripted answers would be a mistake.
    pub is_explicit: bool,
}

/// Turns take at most this part of the descriptors.
const TURNS_PART: u64 = 3;

/// Descriptors for the store, the log, the runtime and the listener.
const KEPT_DESCRIPTORS: u64 = 64;

impl Settings {
    /// Reads all settings. The error names every unusable value, one a line.
    pub fn read(values: &Values) -> Result<Self, BadSetting> {
        let mut bad = BadSettings::default();
        Self::read_noting(values, &mut bad).ok_or_else(|| bad.into_one())
    }

    /// Every part is read before the first mistake counts.
    fn read_noting(values: &Values, bad: &mut BadSettings) -> Option<Self> {
        let serving = serving::read(values, bad);
        let on_loopback = serving.as_ref().is_some_and(Serving::is_on_loopback);
        let model = bad.note(model::read(values));
        let access = access::read(values, on_loopback, bad);
        let keeping = keeping::read(values, bad);
        let tools = tools::read_all(values, bad);
        let traces = bad.note(telemetry::read(values));
        let bounds = bad.note(bounds::read(values, on_loopback));
        Some(Self {
            serving: serving?,
            access: access?,
            keeping: keeping?,
            tools: tools?,
            traces: traces?,
            model: model?,
            team: values.get("BATON_TEAM").map(PathBuf::from),
            bounds: bounds?,
            log: values.get("BATON_LOG").unwrap_or("info").to_owned(),
            values: values.clone(),
            is_explicit: false,
        })
    }

    /// Fits connections and bounds into so many descriptors. A turn may need two, for its model and for a tool, and a connection
    /// one; some are kept for files and for accepting.
    pub fn fit_to(&mut self, descriptors: u64) {
        let turns = descriptors / TURNS_PART;
        self.bounds = self.bounds.at_most(Bound::TurnsAll, turns);
        let turns = self.bounds.of(Bound::TurnsAll).min(turns);
        let left = descriptors.saturating_sub(2 * turns + KEPT_DESCRIPTORS);
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let connections = &mut self.serving.connections;
        *connections = (*connections).min(most).max(1);
        let streams = u64::try_from(*connections).unwrap_or(u64::MAX);
        self.bounds = self.bounds.at_most(Bound::StreamsAll, streams);
    }

    /// Reads all settings for a function or a pool, which must not answer customers from a file or a script by mistake: the model
    /// (by the settings, or by each agent of the team) and the store must be named.
    pub fn read_explicit(values: &Values) -> Result<Self, BadSetting> {
        let mut settings = Self::read(values)?;
        settings.is_explicit = true;
        if settings.keeping.cloud.is_none() && values.get("BATON_DATA").is_none() {
            return Err(BadSetting::new(if cfg!(feature = "embedded") {
                "BATON_TABLE, BATON_QUEUE_URL and BATON_TURNS_QUEUE_URL are not set; set them, or BATON_DATA to keep everything in a file"
            } else {
                "BATON_TABLE, BATON_QUEUE_URL and BATON_TURNS_QUEUE_URL are not set; set them"
            }));
        }
        Ok(settings)
    }

    /// Checks that a model is named for an agent that names none itself.
    pub(crate) fn check_explicit(&self, agent: &str) -> Result<(), BadSetting> {
        let is_set = |name| self.values.get(name).is_some();
        if !self.is_explicit || is_set("BATON_MODEL_URL") || is_set("BATON_AZURE_ENDPOINT") {
            return Ok(());
        }
        let or_rehearsal = if cfg!(feature = "embedded") {
            ", or to rehearsal for scripted answers"
        } else {
            ""
        };
        Err(BadSetting(format!(
            "BATON_MODEL_URL is not set, and agent {agent:?} names no model; set it to a model's address{or_rehearsal}"
        )))
    }
}

fn seconds(
    values: &Values,
    name: &str,
    unset: u64,
    bounds: &RangeInclusive<u64>,
) -> Result<Duration, BadSetting> {
    let seconds = values.parse(name, "a number of seconds")?;
    within(name, seconds.unwrap_or(unset), bounds).map(Duration::from_secs)
}

fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    bounds: &RangeInclusive<T>,
) -> Result<T, BadSetting> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    Err(BadSetting::new(format!(
        "{name}={value} is not between {} and {}",
        bounds.start(),
        bounds.end()
    )))
}
