//! The choice of the model, and its settings.

use baton_http::Secret;
use baton_models::wire::Wire;
use baton_models::{AzureAuth, Endpoint, ModelSettings, OutputLimit, WIRE_FORMATS};

use super::{BadSetting, Values};

/// The wire format unless set.
const OPENAI: &str = "openai";
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
    let wire = wire(values)?;
    let endpoint = match (azure(values)?, values.get("BATON_MODEL_URL")) {
        (Some(azure), _) => azure,
        (None, None | Some("rehearsal")) => return Ok(ModelChoice::Rehearsal { word_delay_ms }),
        (None, Some(url)) if wire.name == OPENAI => open_ai(values, url),
        (None, Some(url)) => service(values, url, wire)?,
    };
    let mut settings = ModelSettings::new(endpoint);
    settings.http2_prior_knowledge = http2_prior_knowledge.unwrap_or(false);
    settings.ask_usage = ask_usage.unwrap_or(true);
    settings.output_limit = output_limit;
    Ok(ModelChoice::Service(Box::new(settings)))
}

fn wire(values: &Values) -> Result<Wire, BadSetting> {
    let name = values.get("BATON_MODEL_WIRE").unwrap_or(OPENAI);
    let known = WIRE_FORMATS.iter().find(|wire| wire.name == name);
    known.copied().ok_or_else(|| {
        let names: Vec<_> = WIRE_FORMATS.iter().map(|wire| wire.name).collect();
        let names = names.join(", ");
        BadSetting::new(format!(
            "BATON_MODEL_WIRE={name} is not a wire format; those are: {names}"
        ))
    })
}

/// A service of any other wire format.
fn service(values: &Values, url: &str, wire: Wire) -> Result<Endpoint, BadSetting> {
    let model = values.get("BATON_MODEL").ok_or_else(|| {
        let name = wire.name;
        BadSetting::new(format!(
            "BATON_MODEL_WIRE={name} is set and BATON_MODEL is missing"
        ))
    })?;
    Ok(Endpoint::Service {
        wire,
        base_url: url.to_owned(),
        model: model.to_owned(),
        key: values.get("BATON_MODEL_KEY").map(Secret::new),
    })
}

/// OpenAI's own key is sent to OpenAI only: a key in the environment must not reach another service that is configured.
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
