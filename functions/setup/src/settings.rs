//! All settings, read from the environment in this one place. A wrong value is reported at the start, in one clear sentence.

mod auth;
mod bounds;
mod cloud;
mod jwt;
mod model;
mod names;
mod networks;
mod operators;
mod retention;
pub(crate) mod team_model;
mod tools;
mod values;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use baton_handoff::{Bound, Bounds, Retention};
use baton_http::Secret;
use baton_tools::outside::Network;

pub use auth::Strangers;
pub use cloud::Cloud;
pub use jwt::{Issuers, JwtAlgorithm, JwtSettings, KeySource};
pub use model::ModelChoice;
pub(crate) use names::unknown;
pub use networks::Proxies;
pub use tools::ToolTokenSettings;
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

/// All settings of `local`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub addr: SocketAddr,
    /// The SQLite file.
    pub data: PathBuf,
    /// A team file; the built-in ACME team when there is none.
    pub team: Option<PathBuf>,
    /// The model.
    pub model: ModelChoice,
    /// The issuers of JWTs.
    pub issuers: Issuers,
    /// How requests without a credential are treated.
    pub strangers: Strangers,
    /// Signs the tokens of visitors and widgets.
    pub session_secret: Option<Secret>,
    /// The bearer token of operator routes.
    pub operator_token: Option<Secret>,
    /// Above this amount in US cents, and where it is unknown, an action needs the approval of two operators.
    pub four_eyes_above_cents: Option<u64>,
    /// How long records are kept.
    pub retention: Retention,
    /// Further origins that browsers may call from.
    pub origins: Vec<String>,
    /// The log filter: a level, or levels of crates and modules.
    pub log: String,
    /// A folder to serve the page from instead of the embedded one.
    pub static_dir: Option<PathBuf>,
    /// The most open connections.
    pub connections: usize,
    /// What owners, addresses and all may take.
    pub bounds: Bounds,
    /// How long a connection may be idle between two requests.
    pub idle: Duration,
    /// How long `/health` answers 503 before the server refuses requests, once it is asked to end.
    pub drain: Duration,
    /// The proxies that report clients' addresses.
    pub proxies: Proxies,
    /// Further private networks that tools may call.
    pub tool_networks: Vec<Network>,
    /// The tokens that tools' services get.
    pub tool_tokens: ToolTokenSettings,
    /// The source of the variables for headers of a team's tools.
    pub values: Values,
    /// How long an owner keeps a conversation without a renewal.
    pub lease: Duration,
    /// A table and queues of AWS instead of the SQLite file.
    pub cloud: Option<Cloud>,
    /// Whether the model must be named, by the settings or by the team: scripted answers would be a mistake.
    pub is_explicit: bool,
    /// Whether requests come through AWS, which only routes names of its own and of this function.
    pub routed_by_aws: bool,
}

/// The most open connections, unless set. Each open stream is one. Zero would answer no request, and no machine holds more than a
/// million.
const CONNECTIONS: usize = 16_384;
const CONNECTION_BOUNDS: RangeInclusive<usize> = 1..=1_000_000;

/// Turns take at most this part of the descriptors.
const TURNS_PART: u64 = 3;

/// Descriptors for the store, the log, the runtime and the listener.
const KEPT_DESCRIPTORS: u64 = 64;

/// How long an owner keeps a conversation without a renewal, unless set. The least is the store's, see [`crate::Services`]; a
/// lease above ten minutes has no use.
const LEASE_SECONDS: u64 = 30;
const LEASE_BOUNDS: RangeInclusive<u64> = 1..=600;

/// Proxies and balancers keep idle connections for 60 s, and must close them first: a request on a connection that the server
/// closes is an error at the proxy.
const IDLE_SECONDS: u64 = 75;
const IDLE_BOUNDS: RangeInclusive<u64> = 1..=3600;

/// A supervisor must wait this much longer for the server's end.
const DRAIN_BOUNDS: RangeInclusive<u64> = 0..=300;

impl Settings {
    /// Reads all settings. The error names every unusable value, one a line.
    pub fn read(values: &Values) -> Result<Self, BadSetting> {
        let mut bad = BadSettings::default();
        let addr = bad.note(addr(values));
        let model = bad.note(model::read(values));
        let issuers = bad.note(jwt::read(values));
        let operators = bad.note(operators::read(values));
        let origins = bad.note(origins(values));
        let static_dir = bad.note(static_dir(values));
        let connections = bad.note(connections(values));
        let idle = bad.note(seconds(
            values,
            "BATON_IDLE_SECONDS",
            IDLE_SECONDS,
            &IDLE_BOUNDS,
        ));
        let drain = bad.note(seconds(values, "BATON_DRAIN_SECONDS", 0, &DRAIN_BOUNDS));
        let tool_networks = bad.note(networks::networks(values, "BATON_TOOL_NETWORKS"));
        let lease = bad.note(seconds(
            values,
            "BATON_LEASE_SECONDS",
            LEASE_SECONDS,
            &LEASE_BOUNDS,
        ));
        let proxies = bad.note(networks::proxies(values));
        let retention = bad.note(retention::read(values));
        let cloud = bad.note(cloud::read(values));
        let tool_tokens = bad.note(tools::read(values));
        // Set in every environment that AWS itself starts, and in no other.
        let routed_by_aws = values.get("AWS_LAMBDA_INITIALIZATION_TYPE").is_some();
        // Where origins are named, a proxy is in front, and everybody behind it.
        let on_loopback = addr.is_some_and(|addr: SocketAddr| addr.ip().is_loopback())
            && !routed_by_aws
            && origins.as_ref().is_some_and(Vec::is_empty);
        let strangers = issuers
            .as_ref()
            .and_then(|issuers| bad.note(auth::read(values, on_loopback, issuers)));
        let session_secret = bad.note(auth::session_secret(values));
        let bounds = bad.note(bounds::read(values, on_loopback));
        let (
            (Some(addr), Some(model), Some(origins), Some(static_dir), Some(connections)),
            (Some(idle), Some(drain), Some(tool_networks), Some(lease), Some(cloud), Some(proxies)),
            (
                Some(issuers),
                Some(strangers),
                Some(session_secret),
                Some(operators),
                Some(retention),
                Some(tool_tokens),
                Some(bounds),
            ),
        ) = (
            (addr, model, origins, static_dir, connections),
            (idle, drain, tool_networks, lease, cloud, proxies),
            (
                issuers,
                strangers,
                session_secret,
                operators,
                retention,
                tool_tokens,
                bounds,
            ),
        )
        else {
            return Err(bad.into_one());
        };
        Ok(Self {
            addr,
            data: values.get("BATON_DATA").unwrap_or(".baton/baton.db").into(),
            team: values.get("BATON_TEAM").map(PathBuf::from),
            model,
            issuers,
            strangers,
            session_secret,
            operator_token: operators.token,
            four_eyes_above_cents: operators.four_eyes_above_cents,
            retention,
            origins,
            log: values.get("BATON_LOG").unwrap_or("info").to_owned(),
            static_dir,
            connections,
            bounds,
            idle,
            drain,
            proxies,
            tool_networks,
            tool_tokens,
            values: values.clone(),
            lease,
            cloud,
            is_explicit: false,
            routed_by_aws,
        })
    }

    /// Fits connections and bounds into so many descriptors. A turn may need two, for its model and for a tool, and a connection
    /// one; some are kept for files and for accepting.
    pub fn fit_to(&mut self, descriptors: u64) {
        let turns = descriptors / TURNS_PART;
        self.bounds = self.bounds.at_most(Bound::TurnsAll, turns);
        let turns = self.bounds.of(Bound::TurnsAll).min(turns);
        let left = descriptors.saturating_sub(2 * turns + KEPT_DESCRIPTORS);
        let connections = usize::try_from(left).unwrap_or(usize::MAX);
        self.connections = self.connections.min(connections).max(1);
        let streams = u64::try_from(self.connections).unwrap_or(u64::MAX);
        self.bounds = self.bounds.at_most(Bound::StreamsAll, streams);
    }

    /// Reads all settings for a function or a pool, which must not answer customers from a file or a script by mistake: the model
    /// (by the settings, or by each agent of the team) and the store must be named.
    pub fn read_explicit(values: &Values) -> Result<Self, BadSetting> {
        let mut settings = Self::read(values)?;
        settings.is_explicit = true;
        if settings.cloud.is_none() && values.get("BATON_DATA").is_none() {
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

fn connections(values: &Values) -> Result<usize, BadSetting> {
    let connections = values.parse("BATON_CONNECTIONS", "a number of connections")?;
    let connections = connections.unwrap_or(CONNECTIONS);
    within("BATON_CONNECTIONS", connections, &CONNECTION_BOUNDS)
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

/// Checked now: otherwise every page would be missing without an explanation.
fn static_dir(values: &Values) -> Result<Option<PathBuf>, BadSetting> {
    let Some(folder) = values.get("BATON_STATIC_DIR").map(PathBuf::from) else {
        return Ok(None);
    };
    if folder.is_dir() {
        return Ok(Some(folder));
    }
    Err(BadSetting::new(format!(
        "BATON_STATIC_DIR={} is not a folder",
        folder.display()
    )))
}

fn addr(values: &Values) -> Result<SocketAddr, BadSetting> {
    let addr = values.get("BATON_ADDR").unwrap_or("127.0.0.1:8501");
    let addr = addr
        .strip_prefix("localhost:")
        .map_or_else(|| addr.to_owned(), |port| format!("127.0.0.1:{port}"));
    addr.parse().map_err(|_| {
        BadSetting::new(format!(
            "BATON_ADDR={addr} is not an address with a port, such as 127.0.0.1:8501"
        ))
    })
}

fn origins(values: &Values) -> Result<Vec<String>, BadSetting> {
    let list = values.get("BATON_ORIGINS").unwrap_or_default();
    let origins = list
        .split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty());
    origins
        .map(|origin| {
            let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            match authority {
                Some(authority) if !authority.is_empty() && !authority.contains(['/', '*', ' ']) => {
                    Ok(origin.to_ascii_lowercase())
                }
                Some(_) | None => Err(BadSetting::new(format!(
                    "BATON_ORIGINS has {origin}, which is not an origin such as https://chat.example.com"
                ))),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let mut values = Values::default();
        for (name, value) in pairs {
            values.set(name, (*value).to_owned());
        }
        Settings::read(&values).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_is_the_rehearsal_on_loopback() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.addr.to_string(), "127.0.0.1:8501");
        assert!(matches!(
            settings.model,
            ModelChoice::Rehearsal { word_delay_ms: 35 }
        ));
    }

    #[test]
    fn a_wrong_value_is_one_sentence_that_names_it() {
        let cases: [(&[(&str, &str)], &str); 15] = [
            (
                &[("BATON_ADDR", "here")],
                "BATON_ADDR=here is not an address with a port, such as 127.0.0.1:8501",
            ),
            (
                &[("BATON_ORIGINS", "https://a.example, *")],
                "BATON_ORIGINS has *, which is not an origin such as https://chat.example.com",
            ),
            (
                &[("BATON_TOOL_NETWORKS", "10.0.0.0/8, intranet")],
                "BATON_TOOL_NETWORKS has intranet, which is not an address or a network such as 10.1.0.0/16",
            ),
            (
                &[("BATON_AZURE_ENDPOINT", "https://x.openai.azure.com")],
                "BATON_AZURE_ENDPOINT is set and neither BATON_AZURE_KEY nor BATON_AZURE_TENANT is",
            ),
            (
                &[
                    ("BATON_AZURE_ENDPOINT", "https://x"),
                    ("BATON_MODEL_URL", "http://y/v1"),
                ],
                "both BATON_MODEL_URL and BATON_AZURE_ENDPOINT are set; which model is meant?",
            ),
            (
                &[
                    ("BATON_MODEL_URL", "http://y/v1"),
                    ("BATON_MODEL_HTTP2", "2"),
                ],
                "BATON_MODEL_HTTP2=2 is not true or false",
            ),
            // Also while no model is chosen.
            (
                &[("BATON_MODEL_API", "telex")],
                "BATON_MODEL_API=telex is not a wire format; those are: responses, anthropic, gemini, bedrock, chat",
            ),
            (
                &[("BATON_MODEL_USAGE", "yes")],
                "BATON_MODEL_USAGE=yes is not true or false",
            ),
            (
                &[
                    ("BATON_MODEL_URL", "http://y/v1"),
                    ("BATON_REHEARSAL_DELAY_MS", "slow"),
                ],
                "BATON_REHEARSAL_DELAY_MS=slow is not a number of milliseconds",
            ),
            (
                &[("BATON_CONNECTIONS", "0")],
                "BATON_CONNECTIONS=0 is not between 1 and 1000000",
            ),
            (
                &[("BATON_CONNECTIONS", "9000000000000000000")],
                "BATON_CONNECTIONS=9000000000000000000 is not between 1 and 1000000",
            ),
            (
                &[("BATON_LEASE_SECONDS", "601")],
                "BATON_LEASE_SECONDS=601 is not between 1 and 600",
            ),
            (
                &[("BATON_IDLE_SECONDS", "0")],
                "BATON_IDLE_SECONDS=0 is not between 1 and 3600",
            ),
            (
                &[("BATON_DRAIN_SECONDS", "soon")],
                "BATON_DRAIN_SECONDS=soon is not a number of seconds",
            ),
            (
                &[("BATON_STATIC_DIR", "Cargo.toml")],
                "BATON_STATIC_DIR=Cargo.toml is not a folder",
            ),
        ];
        for (pairs, sentence) in cases {
            assert_eq!(read(pairs).unwrap_err(), sentence);
        }
    }

    #[test]
    fn few_descriptors_leave_room_for_all_that_needs_one() {
        let mut settings = read(&[]).unwrap();
        settings.fit_to(2_000);
        assert_eq!(settings.bounds.of(Bound::TurnsAll), 666);
        assert_eq!(settings.connections, 2_000 - 2 * 666 - 64);
        assert_eq!(settings.bounds.of(Bound::StreamsAll), 604);
        let mut settings = read(&[]).unwrap();
        settings.fit_to(1_000_000);
        assert_eq!(settings.bounds, Bounds::default());
        assert_eq!(settings.connections, 16_384);
    }

    #[test]
    fn no_secret_is_printed() {
        let secrets = [
            "BATON_OPERATOR_TOKEN",
            "BATON_MODEL_KEY",
            "BATON_AZURE_KEY",
            "BATON_AZURE_CLIENT_SECRET",
            "TABLES_TOKEN",
        ];
        let mut common: Vec<_> = secrets.map(|name| (name, "s3cret s3cret s3cret")).to_vec();
        common.push(("BATON_AZURE_DEPLOYMENT", "d"));
        common.push(("BATON_AZURE_TENANT", "t"));
        common.push(("BATON_AZURE_CLIENT_ID", "i"));
        for endpoint in [
            ("BATON_MODEL_URL", "https://models.example/v1"),
            ("BATON_AZURE_ENDPOINT", "https://x.openai.azure.com"),
        ] {
            // A key comes before an application's secret, so each has its turn.
            for left_out in ["", "BATON_AZURE_KEY"] {
                let mut pairs = common.clone();
                pairs.retain(|(name, _)| *name != left_out);
                pairs.push(endpoint);
                let settings = read(&pairs).unwrap();
                assert!(settings.operator_token.is_some());
                let printed = format!("{settings:?} {settings:#?}");
                assert!(!printed.contains("s3cret"), "{printed}");
            }
        }
    }

    #[test]
    fn table_and_queues_belong_together() {
        let cloud = [
            ("BATON_TABLE", "t"),
            ("BATON_QUEUE_URL", "http://a"),
            ("BATON_TURNS_QUEUE_URL", "http://b"),
        ];
        assert_eq!(read(&cloud).unwrap().cloud.unwrap().turns_url, "http://b");
        assert_eq!(
            read(&cloud[..1]).unwrap_err(),
            "BATON_QUEUE_URL and BATON_TURNS_QUEUE_URL are missing; BATON_TABLE and both queues belong together"
        );
        assert_eq!(
            read(&cloud[..2]).unwrap_err(),
            "BATON_TURNS_QUEUE_URL is missing; BATON_TABLE and both queues belong together"
        );
        let mut both = cloud.to_vec();
        both.push(("BATON_DATA", "file"));
        assert_eq!(
            read(&both).unwrap_err(),
            "both BATON_TABLE and BATON_DATA are set; which store is meant?"
        );
    }

    #[test]
    fn a_function_has_no_silent_defaults() {
        let explicit = |pairs: &[(&str, &str)]| {
            let mut values = Values::default();
            for (name, value) in pairs {
                values.set(name, (*value).to_owned());
            }
            Settings::read_explicit(&values)
                .and_then(|settings| settings.check_explicit("Front"))
                .map_err(|error| error.to_string())
        };
        let (model, data) = (("BATON_MODEL_URL", "rehearsal"), ("BATON_DATA", "file"));
        assert!(explicit(&[model]).unwrap_err().starts_with("BATON_TABLE"));
        assert!(
            explicit(&[data])
                .unwrap_err()
                .starts_with("BATON_MODEL_URL is not set, and agent \"Front\" names no model")
        );
        assert_eq!(explicit(&[model, data]), Ok(()));
    }
}
