//! The choice of the model, and its settings.

use std::time::Duration;

use baton_handoff::ports::OUTPUT_TOKENS;
use baton_http::Secret;
use baton_models::wire::Wire;
use baton_models::{
    AzureAuth, Endpoint, ModelSettings, OutputLimit, Patience, WIRE_FORMATS, wire_of,
};

use super::{BadSetting, Values};

/// OpenAI's own service.
const OPENAI_API: &str = "https://api.openai.com/";
/// The wire format whose services have a usual model and a usual field for the limit.
pub(super) const CHAT: &str = "chat";
/// The longest wait for a model that can be set, in seconds: as long as a whole response may take.
const LONGEST_WAIT: u64 = 600;
/// The pause between two words of the rehearsal model, in milliseconds, unless set.
const REHEARSAL_DELAY_MS: u64 = 35;

/// The model.
#[derive(Debug, Clone)]
pub enum ModelChoice {
    /// The rehearsal model, started inside this process.
    Rehearsal {
        /// The pause between two words, in milliseconds.
        word_delay_ms: u64,
    },
    /// A service.
    Service(Box<ModelSettings>),
}

/// Reads the settings of every model, whichever is chosen: a wrong value must not stay hidden until it is needed.
pub(super) fn read(values: &Values) -> Result<ModelChoice, BadSetting> {
    if values.get("BATON_AZURE_ENDPOINT").is_some() && values.get("BATON_MODEL_URL").is_some() {
        return Err(BadSetting::new(
            "both BATON_MODEL_URL and BATON_AZURE_ENDPOINT are set; which model is meant?",
        ));
    }
    let word_delay_ms = values
        .parse("BATON_REHEARSAL_DELAY_MS", "a number of milliseconds")?
        .unwrap_or(REHEARSAL_DELAY_MS);
    let http2_prior_knowledge = values.parse("BATON_MODEL_HTTP2", "true or false")?;
    let ask_usage = values.parse("BATON_MODEL_USAGE", "true or false")?;
    let output_limit = output_limit(values)?;
    let patience = patience(values)?;
    let api = api(values)?;
    let endpoint = match (azure(values)?, values.get("BATON_MODEL_URL")) {
        (Some(azure), _) => azure,
        (None, None | Some("rehearsal")) => return Ok(ModelChoice::Rehearsal { word_delay_ms }),
        (None, Some(url)) => match api.unwrap_or_else(|| wire_of(url)) {
            chat if chat.name == CHAT => open_ai(values, url),
            wire => service(values, url, wire)?,
        },
    };
    check_transport(&endpoint, &values.plain_hosts())?;
    let mut settings = ModelSettings::new(endpoint);
    settings.http2_prior_knowledge = http2_prior_knowledge.unwrap_or(false);
    settings.ask_usage = ask_usage.unwrap_or(true);
    settings.patience = patience;
    settings.output_limit = Some(output_limit.unwrap_or_else(|| usual_limit(&settings.endpoint)));
    Ok(ModelChoice::Service(Box::new(settings)))
}

/// A key that anybody on the way can read is none.
fn check_transport(endpoint: &Endpoint, plain_hosts: &[String]) -> Result<(), BadSetting> {
    let addresses = match endpoint {
        Endpoint::OpenAi { base_url, key, .. } | Endpoint::Service { base_url, key, .. } => {
            [key.as_ref().map(|_| ("BATON_MODEL_URL", base_url)), None]
        }
        Endpoint::Azure { resource, auth, .. } => [
            Some(("BATON_AZURE_ENDPOINT", resource)),
            match auth {
                AzureAuth::Key(_) => None,
                AzureAuth::Entra { authority, .. } => Some(("BATON_AZURE_AUTHORITY", authority)),
            },
        ],
    };
    for (name, url) in addresses.into_iter().flatten() {
        if !baton_http::may_carry_secrets(url, plain_hosts) {
            return Err(BadSetting::new(format!(
                "{name}={url} would get a key without TLS; use https://, or name the host in BATON_PLAIN_HTTP"
            )));
        }
    }
    Ok(())
}

/// The wire format that is set; without one the address tells it.
fn api(values: &Values) -> Result<Option<Wire>, BadSetting> {
    let Some(name) = values.get("BATON_MODEL_API") else {
        return Ok(None);
    };
    let known = WIRE_FORMATS.iter().find(|wire| wire.name == name);
    known.copied().map(Some).ok_or_else(|| {
        let names: Vec<_> = WIRE_FORMATS.iter().map(|wire| wire.name).collect();
        let names = names.join(", ");
        BadSetting::new(format!(
            "BATON_MODEL_API={name} is not a wire format; those are: {names}"
        ))
    })
}

fn patience(values: &Values) -> Result<Patience, BadSetting> {
    let usual = Patience::default();
    let wait = |name: &str, usual: Duration| match values.parse(name, "a number of seconds")? {
        None => Ok(usual),
        Some(seconds @ 1..=LONGEST_WAIT) => Ok(Duration::from_secs(seconds)),
        Some(seconds) => Err(BadSetting::new(format!(
            "{name}={seconds} is not between 1 and {LONGEST_WAIT} seconds"
        ))),
    };
    Ok(Patience {
        first_byte: wait("BATON_MODEL_FIRST_BYTE_SECONDS", usual.first_byte)?,
        silence: wait("BATON_MODEL_SILENCE_SECONDS", usual.silence)?,
        ..usual
    })
}

/// A service of any other wire format.
fn service(values: &Values, url: &str, wire: Wire) -> Result<Endpoint, BadSetting> {
    let model = values.get("BATON_MODEL").ok_or_else(|| {
        let name = wire.name;
        BadSetting::new(format!(
            "the model's wire format is {name} and BATON_MODEL is missing"
        ))
    })?;
    Ok(Endpoint::Service {
        wire,
        base_url: url.to_owned(),
        model: model.to_owned(),
        key: key(values, url),
    })
}

/// OpenAI's own key is sent to OpenAI only: a key in the environment must not reach another service that is configured.
fn key(values: &Values, url: &str) -> Option<Secret> {
    let own_key = values
        .get("OPENAI_API_KEY")
        .filter(|_| url.starts_with(OPENAI_API));
    values.get("BATON_MODEL_KEY").or(own_key).map(Secret::new)
}

fn open_ai(values: &Values, url: &str) -> Endpoint {
    Endpoint::OpenAi {
        base_url: url.to_owned(),
        model: values.get("BATON_MODEL").unwrap_or("gpt-4o").to_owned(),
        key: key(values, url),
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

/// The limit of output tokens unless set, in the field that the service takes: OpenAI's newer models refuse `max_tokens`, and most
/// other services know nothing else.
pub(super) fn usual_limit(endpoint: &Endpoint) -> OutputLimit {
    let takes_new_field = match endpoint {
        Endpoint::OpenAi { base_url, .. } => base_url.starts_with(OPENAI_API),
        Endpoint::Azure { .. } => true,
        Endpoint::Service { .. } => false,
    };
    if takes_new_field {
        OutputLimit::MaxCompletionTokens(OUTPUT_TOKENS)
    } else {
        OutputLimit::MaxTokens(OUTPUT_TOKENS)
    }
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

    #[test]
    fn no_key_leaves_this_machine_without_tls_unless_its_host_is_named() {
        let read = |pairs: &[(&str, &str)]| {
            let mut values = Values::default();
            for (name, value) in pairs {
                values.set(name, (*value).to_owned());
            }
            read(&values).map(drop).map_err(|error| error.to_string())
        };
        let url = |url| ("BATON_MODEL_URL", url);
        let key = ("BATON_MODEL_KEY", "s3cret");
        assert_eq!(
            read(&[url("http://models.example/v1"), key]).unwrap_err(),
            "BATON_MODEL_URL=http://models.example/v1 would get a key without TLS; use https://, or name the host in \
             BATON_PLAIN_HTTP"
        );
        let named = ("BATON_PLAIN_HTTP", "a.example, models.example");
        assert_eq!(read(&[url("http://models.example/v1"), key, named]), Ok(()));
        for url in [
            &[url("http://models.example/v1")][..],
            &[url("https://models.example/v1"), key],
            &[url("http://127.0.0.1:8000/v1"), key],
        ] {
            assert_eq!(read(url), Ok(()));
        }
        let azure = |endpoint, authority| {
            read(&[
                ("BATON_AZURE_ENDPOINT", endpoint),
                ("BATON_AZURE_DEPLOYMENT", "d"),
                ("BATON_AZURE_TENANT", "t"),
                ("BATON_AZURE_CLIENT_ID", "i"),
                ("BATON_AZURE_CLIENT_SECRET", "s3cret"),
                ("BATON_AZURE_AUTHORITY", authority),
            ])
        };
        assert_eq!(azure("https://x.example", "https://y.example"), Ok(()));
        for (endpoint, authority, name) in [
            (
                "http://x.example",
                "https://y.example",
                "BATON_AZURE_ENDPOINT=",
            ),
            (
                "https://x.example",
                "http://y.example",
                "BATON_AZURE_AUTHORITY=",
            ),
        ] {
            let refused = azure(endpoint, authority).unwrap_err();
            assert!(refused.starts_with(name), "{refused}");
        }
    }

    #[test]
    fn every_service_is_told_how_long_an_answer_may_be() {
        let limit = |pairs: &[(&str, &str)]| {
            let mut values = Values::default();
            for (name, value) in pairs {
                values.set(name, (*value).to_owned());
            }
            match read(&values).unwrap() {
                ModelChoice::Service(service) => service.output_limit,
                ModelChoice::Rehearsal { .. } => None,
            }
        };
        let url = |url| ("BATON_MODEL_URL", url);
        let azure = [
            ("BATON_AZURE_ENDPOINT", "https://x.example"),
            ("BATON_AZURE_DEPLOYMENT", "d"),
            ("BATON_AZURE_KEY", "s3cret"),
        ];
        let (usual, new) = (
            Some(OutputLimit::MaxTokens(4_096)),
            Some(OutputLimit::MaxCompletionTokens(4_096)),
        );
        assert_eq!(limit(&[url("http://127.0.0.1:11434/v1")]), usual);
        assert_eq!(limit(&[url("https://api.openai.com/v1")]), new);
        assert_eq!(limit(&azure), new);
        let set = ("BATON_MODEL_MAX_TOKENS", "900");
        let set = limit(&[url("https://api.openai.com/v1"), set]);
        assert_eq!(set, Some(OutputLimit::MaxTokens(900)));
    }

    #[test]
    fn the_wire_format_is_set_or_told_by_the_address() {
        let format = |pairs: &[(&str, &str)]| {
            let mut values = Values::default();
            for (name, value) in pairs {
                values.set(name, (*value).to_owned());
            }
            match read(&values).map_err(|error| error.to_string())? {
                ModelChoice::Rehearsal { .. } => Ok("rehearsal"),
                ModelChoice::Service(service) => match service.endpoint {
                    Endpoint::OpenAi { .. } => Ok("chat"),
                    Endpoint::Azure { .. } => Ok("azure"),
                    Endpoint::Service { wire, .. } => Ok::<_, String>(wire.name),
                },
            }
        };
        let url = |url| ("BATON_MODEL_URL", url);
        let model = ("BATON_MODEL", "m");
        for (set, expected) in [
            (&[url("https://api.openai.com/v1")][..], "chat"),
            (
                &[url("https://api.openai.com/v1/responses"), model],
                "responses",
            ),
            (
                &[
                    url("https://x.example/v1"),
                    model,
                    ("BATON_MODEL_API", "responses"),
                ],
                "responses",
            ),
            (
                &[
                    url("https://x.example/responses"),
                    ("BATON_MODEL_API", "chat"),
                ],
                "chat",
            ),
        ] {
            assert_eq!(format(set).as_deref(), Ok(expected), "{set:?}");
        }
        let refused = format(&[url("https://x.example"), ("BATON_MODEL_API", "soap")]).unwrap_err();
        assert!(
            refused.starts_with("BATON_MODEL_API=soap is not a wire format"),
            "{refused}"
        );
    }

    #[test]
    fn waits_for_a_model_are_whole_seconds_within_bounds() {
        let waits = |first: &str, silence: &str| {
            let mut values = Values::default();
            values.set("BATON_MODEL_URL", "http://127.0.0.1:1/v1".to_owned());
            values.set("BATON_MODEL_FIRST_BYTE_SECONDS", first.to_owned());
            values.set("BATON_MODEL_SILENCE_SECONDS", silence.to_owned());
            match read(&values).map_err(|error| error.to_string())? {
                ModelChoice::Service(service) => Ok((
                    service.patience.first_byte.as_secs(),
                    service.patience.silence.as_secs(),
                )),
                ModelChoice::Rehearsal { .. } => Err("a service was set".to_owned()),
            }
        };
        assert_eq!(waits("90", "1"), Ok((90, 1)));
        for (first, silence) in [("0", "1"), ("1", "601"), ("soon", "1"), ("1.5", "1")] {
            assert!(waits(first, silence).is_err(), "{first} {silence}");
        }
    }

    #[test]
    fn openais_key_goes_to_openai_only() {
        let key_for = |url: &str| {
            let mut values = Values::default();
            values.set("BATON_MODEL_URL", url.to_owned());
            values.set("OPENAI_API_KEY", "sk-secret".to_owned());
            let ModelChoice::Service(service) = read(&values).unwrap() else {
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
