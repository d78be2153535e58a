//! All settings, read from the environment in this one place. A wrong value is one clear sentence at start.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_backends::http_tools::Network;
use baton_backends::model::{AzureAuth, Endpoint, ModelSettings, OutputLimit, Secret};

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

/// Where answers come from.
#[derive(Debug, Clone)]
pub enum ModelChoice {
    /// The rehearsal model, started inside this process.
    Rehearsal {
        /// Between two words, in milliseconds.
        word_delay_ms: u64,
    },
    /// A service.
    Service(Box<ModelSettings>),
}

/// Everything that `local` can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub addr: SocketAddr,
    /// The SQLite file.
    pub data: PathBuf,
    /// A team file; the built-in ACME team when there is none.
    pub team: Option<PathBuf>,
    /// Where answers come from.
    pub model: ModelChoice,
    /// The bearer token of operator routes.
    pub operator_token: Option<String>,
    /// Origins besides our own that browsers may call from.
    pub origins: Vec<String>,
    /// A tracing filter.
    pub log: String,
    /// A folder to serve the page from instead of the embedded one.
    pub static_dir: Option<PathBuf>,
    /// Connections that are open at once.
    pub connections: usize,
    /// Private networks that tools may call, besides what the team file allows.
    pub tool_networks: Vec<Network>,
    /// Where the headers of a team's tools find the variables that they name.
    pub values: Values,
    /// How long a conversation stays its server's without a sign of life.
    pub lease: Duration,
    /// A table and queues of AWS instead of the SQLite file.
    pub cloud: Option<Cloud>,
    /// Whether requests come through AWS, which lets only its own names and those of this function through.
    pub routed_by_aws: bool,
}

/// Where records and messages live on AWS. Region, credentials and endpoints are the SDK's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// The DynamoDB table.
    pub table: String,
    /// The SQS queue of actions.
    pub actions_url: String,
    /// The SQS queue of turns.
    pub turns_url: String,
}

/// Values by name: the environment, and what stands in for it.
#[derive(Clone, Default)]
pub struct Values(BTreeMap<String, String>);

/// Names only: among the values are keys.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Values {
    /// The environment of this process; under it, if there is one, the `.env` file of this folder.
    pub fn from_environment(dot_env: Option<&Path>) -> Result<Self, BadSetting> {
        let mut values = BTreeMap::new();
        if let Some(path) = dot_env.filter(|path| path.exists()) {
            let bad = |error: dotenvy::Error| {
                BadSetting::new(format!("{} cannot be read: {error}", path.display()))
            };
            for pair in dotenvy::from_path_iter(path).map_err(bad)? {
                let (name, value) = pair.map_err(bad)?;
                values.insert(name, value);
            }
        }
        values.extend(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Ok(Self(values))
    }

    /// Sets a value, as a flag does.
    pub fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// The secrets of AWS whose values belong among these (`BATON_SECRETS`): names or ARNs, separated by commas.
    pub fn secrets(&self) -> Vec<String> {
        let list = self.get("BATON_SECRETS").unwrap_or_default();
        let ids = list.split(',').map(str::trim).filter(|id| !id.is_empty());
        ids.map(str::to_owned).collect()
    }

    /// Puts settings under those that are there, as a `.env` file does. A secret holds settings of ours and nothing else: it
    /// must not be able to set where the SDK sends requests.
    ///
    /// # Errors
    /// When one is not ours.
    pub fn add_under(&mut self, settings: BTreeMap<String, String>) -> Result<(), BadSetting> {
        for (name, value) in settings {
            if !name.starts_with("BATON_") && name != "OPENAI_API_KEY" {
                return Err(BadSetting::new(format!(
                    "a secret of BATON_SECRETS sets {name}, which is not a setting of Baton"
                )));
            }
            self.0.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// A value that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    fn parse<T: std::str::FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, BadSetting> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .parse()
            .map(Some)
            .map_err(|_| BadSetting::new(format!("{name}={value} is not {what}")))
    }
}

/// Connections that are open at once, unless set. Each open stream is one.
const CONNECTIONS: usize = 16_384;

/// How long a conversation stays its server's without a sign of life, unless set. Clocks may differ by a second, and a busy
/// disk may take one: leases below a few seconds are for tests, above ten minutes for nobody.
const LEASE_SECONDS: u64 = 30;
const LEASE_BOUNDS: RangeInclusive<u64> = 3..=600;

impl Settings {
    /// Reads all of them.
    pub fn read(values: &Values) -> Result<Self, BadSetting> {
        Ok(Self {
            addr: addr(values)?,
            data: values.get("BATON_DATA").unwrap_or(".baton/baton.db").into(),
            team: values.get("BATON_TEAM").map(PathBuf::from),
            model: model(values)?,
            operator_token: values.get("BATON_OPERATOR_TOKEN").map(str::to_owned),
            origins: origins(values)?,
            log: values.get("BATON_LOG").unwrap_or("info").to_owned(),
            static_dir: values.get("BATON_STATIC_DIR").map(PathBuf::from),
            connections: values
                .parse("BATON_CONNECTIONS", "a number of connections")?
                .unwrap_or(CONNECTIONS),
            tool_networks: tool_networks(values)?,
            values: values.clone(),
            lease: lease(values)?,
            cloud: cloud(values)?,
            // Set in every environment that AWS itself starts, and in no other.
            routed_by_aws: values.get("AWS_LAMBDA_INITIALIZATION_TYPE").is_some(),
        })
    }

    /// Reads all of them for a function or a pool, which must not answer customers from a file or a script by mistake: the model
    /// and the store must be named.
    pub fn read_explicit(values: &Values) -> Result<Self, BadSetting> {
        let settings = Self::read(values)?;
        if settings.cloud.is_none() && values.get("BATON_DATA").is_none() {
            return Err(BadSetting::new(
                "BATON_TABLE, BATON_QUEUE_URL and BATON_TURNS_QUEUE_URL are not set; set them, or BATON_DATA to keep everything in a file",
            ));
        }
        if values.get("BATON_MODEL_URL").is_none() && values.get("BATON_AZURE_ENDPOINT").is_none() {
            return Err(BadSetting::new(
                "BATON_MODEL_URL is not set; set it to a model's address, or to rehearsal for scripted answers",
            ));
        }
        Ok(settings)
    }
}

/// All three or none: half of a cloud would lose what it accepts.
fn cloud(values: &Values) -> Result<Option<Cloud>, BadSetting> {
    let names = ["BATON_TABLE", "BATON_QUEUE_URL", "BATON_TURNS_QUEUE_URL"];
    let [table, actions_url, turns_url] = names.map(|name| values.get(name).map(str::to_owned));
    match (table, actions_url, turns_url) {
        (None, None, None) => Ok(None),
        (Some(table), Some(actions_url), Some(turns_url)) if values.get("BATON_DATA").is_none() => {
            Ok(Some(Cloud {
                table,
                actions_url,
                turns_url,
            }))
        }
        (Some(_), Some(_), Some(_)) => Err(BadSetting::new(
            "both BATON_TABLE and BATON_DATA are set; which store is meant?",
        )),
        (table, actions_url, turns_url) => {
            let missing: Vec<_> = names
                .into_iter()
                .zip([table, actions_url, turns_url])
                .filter(|(_, value)| value.is_none())
                .map(|(name, _)| name)
                .collect();
            Err(BadSetting::new(format!(
                "{} is missing; BATON_TABLE and both queues belong together",
                missing.join(" and ")
            )))
        }
    }
}

fn lease(values: &Values) -> Result<Duration, BadSetting> {
    let seconds = values
        .parse("BATON_LEASE_SECONDS", "a number of seconds")?
        .unwrap_or(LEASE_SECONDS);
    if LEASE_BOUNDS.contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(BadSetting::new(format!(
        "BATON_LEASE_SECONDS={seconds} is not between {} and {}",
        LEASE_BOUNDS.start(),
        LEASE_BOUNDS.end()
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

fn tool_networks(values: &Values) -> Result<Vec<Network>, BadSetting> {
    let list = values.get("BATON_TOOL_NETWORKS").unwrap_or_default();
    let networks = list
        .split(',')
        .map(str::trim)
        .filter(|network| !network.is_empty());
    networks
        .map(|network| {
            network.parse().map_err(|error| {
                BadSetting::new(format!(
                    "BATON_TOOL_NETWORKS has {network}, which is {error}"
                ))
            })
        })
        .collect()
}

fn model(values: &Values) -> Result<ModelChoice, BadSetting> {
    if values.get("BATON_AZURE_ENDPOINT").is_some() && values.get("BATON_MODEL_URL").is_some() {
        return Err(BadSetting::new(
            "both BATON_MODEL_URL and BATON_AZURE_ENDPOINT are set; which model is meant?",
        ));
    }
    let endpoint = match (azure(values)?, values.get("BATON_MODEL_URL")) {
        (Some(azure), _) => azure,
        (None, None | Some("rehearsal")) => {
            let word_delay_ms = values
                .parse("BATON_REHEARSAL_DELAY_MS", "a number of milliseconds")?
                .unwrap_or(35);
            return Ok(ModelChoice::Rehearsal { word_delay_ms });
        }
        (None, Some(url)) => open_ai(values, url),
    };
    let mut settings = ModelSettings::new(endpoint);
    settings.http2_prior_knowledge = values
        .parse("BATON_MODEL_HTTP2", "true or false")?
        .unwrap_or(false);
    settings.ask_usage = values
        .parse("BATON_MODEL_USAGE", "true or false")?
        .unwrap_or(true);
    settings.output_limit = output_limit(values)?;
    Ok(ModelChoice::Service(Box::new(settings)))
}

/// OpenAI's own key is sent to OpenAI only: a key in the environment must not reach whoever else is configured.
fn open_ai(values: &Values, url: &str) -> Endpoint {
    let own_key = values
        .get("OPENAI_API_KEY")
        .filter(|_| url.starts_with("https://api.openai.com/"));
    Endpoint::OpenAi {
        base_url: url.to_owned(),
        model: values.get("BATON_MODEL").unwrap_or("gpt-4o").to_owned(),
        key: values.get("BATON_MODEL_KEY").or(own_key).map(Secret::new),
    }
}

fn azure(values: &Values) -> Result<Option<Endpoint>, BadSetting> {
    let Some(resource) = values.get("BATON_AZURE_ENDPOINT") else {
        return Ok(None);
    };
    let need = |name: &str| {
        let missing =
            || BadSetting::new(format!("BATON_AZURE_ENDPOINT is set and {name} is missing"));
        values.get(name).ok_or_else(missing)
    };
    let auth = match values.get("BATON_AZURE_KEY") {
        Some(key) => AzureAuth::Key(Secret::new(key)),
        None if values.get("BATON_AZURE_TENANT").is_none() => {
            return Err(BadSetting::new(
                "BATON_AZURE_ENDPOINT is set and neither BATON_AZURE_KEY nor BATON_AZURE_TENANT is",
            ));
        }
        None => AzureAuth::Entra {
            authority: values
                .get("BATON_AZURE_AUTHORITY")
                .unwrap_or(AzureAuth::AUTHORITY)
                .to_owned(),
            tenant: need("BATON_AZURE_TENANT")?.to_owned(),
            client_id: need("BATON_AZURE_CLIENT_ID")?.to_owned(),
            client_secret: Secret::new(need("BATON_AZURE_CLIENT_SECRET")?),
            scope: values
                .get("BATON_AZURE_SCOPE")
                .unwrap_or(AzureAuth::SCOPE)
                .to_owned(),
        },
    };
    Ok(Some(Endpoint::Azure {
        resource: resource.to_owned(),
        deployment: need("BATON_AZURE_DEPLOYMENT")?.to_owned(),
        api_version: values
            .get("BATON_AZURE_API_VERSION")
            .unwrap_or("2024-10-21")
            .to_owned(),
        auth,
    }))
}

fn output_limit(values: &Values) -> Result<Option<OutputLimit>, BadSetting> {
    let max_tokens = values
        .parse("BATON_MODEL_MAX_TOKENS", "a number of tokens")?
        .map(OutputLimit::MaxTokens);
    let completion = values
        .parse("BATON_MODEL_MAX_COMPLETION_TOKENS", "a number of tokens")?
        .map(OutputLimit::MaxCompletionTokens);
    match (max_tokens, completion) {
        (Some(_), Some(_)) => Err(BadSetting::new(
            "both BATON_MODEL_MAX_TOKENS and BATON_MODEL_MAX_COMPLETION_TOKENS are set; services take one of them",
        )),
        (limit, None) | (None, limit) => Ok(limit),
    }
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
        let cases: [(&[(&str, &str)], &str); 6] = [
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
        ];
        for (pairs, sentence) in cases {
            assert_eq!(read(pairs).unwrap_err(), sentence);
        }
    }

    #[test]
    fn a_secret_is_under_what_is_set_and_holds_our_settings_only() {
        let map = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let mut values = Values::default();
        values.set("BATON_SECRETS", "one, arn:two,".to_owned());
        assert_eq!(values.secrets(), ["one", "arn:two"]);
        values.set("BATON_MODEL", "set".to_owned());
        values.add_under(map("BATON_MODEL", "secret")).unwrap();
        values
            .add_under(map("BATON_OPERATOR_TOKEN", "secret"))
            .unwrap();
        assert_eq!(values.get("BATON_MODEL"), Some("set"));
        assert_eq!(values.get("BATON_OPERATOR_TOKEN"), Some("secret"));
        let refused = values.add_under(map("AWS_ENDPOINT_URL", "http://evil.example"));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "a secret of BATON_SECRETS sets AWS_ENDPOINT_URL, which is not a setting of Baton"
        );
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
            "BATON_QUEUE_URL and BATON_TURNS_QUEUE_URL is missing; BATON_TABLE and both queues belong together"
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
                .map(drop)
                .map_err(|error| error.to_string())
        };
        let (model, data) = (("BATON_MODEL_URL", "rehearsal"), ("BATON_DATA", "file"));
        assert!(explicit(&[model]).unwrap_err().starts_with("BATON_TABLE"));
        assert!(
            explicit(&[data])
                .unwrap_err()
                .starts_with("BATON_MODEL_URL")
        );
        assert_eq!(explicit(&[model, data]), Ok(()));
    }

    #[test]
    fn no_value_is_printed() {
        let settings = read(&[("TABLES_TOKEN", "s3cret")]).unwrap();
        assert_eq!(settings.values.get("TABLES_TOKEN"), Some("s3cret"));
        let printed = format!("{:?}", settings.values);
        assert_eq!(printed, "{\"TABLES_TOKEN\"}");
    }

    #[test]
    fn openais_key_goes_to_openai_only() {
        let key_for = |url: &str| {
            let settings =
                read(&[("BATON_MODEL_URL", url), ("OPENAI_API_KEY", "sk-secret")]).unwrap();
            let ModelChoice::Service(service) = settings.model else {
                panic!("a service was set")
            };
            let Endpoint::OpenAi { key, .. } = service.endpoint else {
                panic!("not Azure")
            };
            key.is_some()
        };
        assert!(key_for("https://api.openai.com/v1"));
        assert!(!key_for("https://api.openai.com.evil.example/v1"));
        assert!(!key_for("http://127.0.0.1:11434/v1"));
    }
}
