//! The settings of a model that the team file names: what the file says, and the key from the environment.

use baton_handoff::team::TeamModel;
use baton_http::Secret;
use baton_models::{Endpoint, ModelSettings, OutputLimit, WIRE_FORMATS, wire_of};

use super::Values;
use super::model::{CHAT, usual_limit};

/// What is wrong with a model of the team file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadModel {
    /// The key of the file that it is about.
    pub(crate) key: &'static str,
    /// The mistake, without a full stop.
    pub(crate) sentence: String,
}

/// Reads what the file leaves to the environment.
pub(crate) fn read(values: &Values, model: &TeamModel) -> Result<ModelSettings, BadModel> {
    let name = &model.name;
    let bad = |key, what: String| BadModel {
        key,
        sentence: format!("model {name:?} {what}"),
    };
    let key = match &model.key_env {
        None => None,
        Some(variable) => {
            let missing = || {
                let what = format!("needs the environment variable {variable}, which is not set");
                bad("key_env", what)
            };
            Some(values.get(variable).ok_or_else(missing)?)
        }
    };
    if key.is_some() && !baton_http::may_carry_secrets(&model.url, &values.plain_hosts()) {
        let url = &model.url;
        let what = format!(
            "would send its key to {url} without TLS; use https://, or name the host in BATON_PLAIN_HTTP"
        );
        return Err(bad("url", what));
    }
    let endpoint = endpoint(model, key.map(Secret::new)).map_err(|what| bad("api", what))?;
    let mut settings = ModelSettings::new(endpoint);
    settings.options = model.options;
    settings.ask_usage = model.ask_usage.unwrap_or(true);
    settings.output_limit = Some(
        match (usual_limit(&settings.endpoint), model.output_tokens) {
            (usual, None) => usual,
            (OutputLimit::MaxTokens(_), Some(tokens)) => OutputLimit::MaxTokens(tokens),
            (OutputLimit::MaxCompletionTokens(_), Some(tokens)) => {
                OutputLimit::MaxCompletionTokens(tokens)
            }
        },
    );
    let patience = &mut settings.patience;
    patience.first_byte = model.first_byte.unwrap_or(patience.first_byte);
    patience.silence = model.silence.unwrap_or(patience.silence);
    Ok(settings)
}

/// The service, by the file's wire format. Err completes the sentence "model …".
fn endpoint(model: &TeamModel, key: Option<Secret>) -> Result<Endpoint, String> {
    let (base_url, named) = (model.url.clone(), model.model.clone());
    let wire = match model.api {
        None => wire_of(&base_url),
        Some(api) => {
            let known = WIRE_FORMATS.iter().find(|known| known.name == api.as_str());
            known.copied().ok_or_else(|| {
                let name = api.as_str();
                format!("has the wire format {name}, which this program was built without")
            })?
        }
    };
    if wire.name == CHAT {
        return Ok(Endpoint::OpenAi {
            base_url,
            model: named,
            key,
        });
    }
    Ok(Endpoint::Service {
        wire,
        base_url,
        model: named,
        key,
    })
}
