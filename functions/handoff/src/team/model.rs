//! The models that a team file names: what they are and how they are to answer.
//! Knows the file only; never a key, a connection or a service's wire format.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, SeqAccess, Visitor};
use toml::Spanned;
use toml::de::DeTable;

use super::DEPLOYMENT_MODEL;
use super::file::AgentFile;
use super::mistake::{Located, Mistake};
use super::{Team, TeamError, check_name, in_range, not_empty};
use crate::ports::{Effort, ModelOptions, ToolChoice};

/// A turn must end before its customer gives up, whatever a service does.
const WAIT_SECONDS: (i64, i64) = (1, 600);

const OUTPUT_TOKENS: (i64, i64) = (1, 1_000_000);

const MOST_TEMPERATURE: f64 = 2.0;

/// A model that agents name.
#[derive(Debug, Clone, PartialEq)]
pub struct TeamModel {
    /// The name that agents call it by, unique in the team.
    pub name: String,
    /// The wire format; none: the address tells it.
    pub api: Option<ModelApi>,
    /// The service's base URL.
    pub url: String,
    /// The service's own name for it.
    pub model: String,
    /// The environment variable with the key; none: the service needs no key, or gets one that the environment has anyway.
    pub key_env: Option<String>,
    /// How it is to answer.
    pub options: ModelOptions,
    /// The most tokens of one answer.
    pub output_tokens: Option<u32>,
    /// How long it may take until the first byte of an answer.
    pub first_byte: Option<Duration>,
    /// How long it may be silent in an answer.
    pub silence: Option<Duration>,
    /// Whether its service is asked to count tokens.
    pub ask_usage: Option<bool>,
}

/// The wire formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelApi {
    /// Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini.
    Gemini,
    /// Amazon Bedrock.
    Bedrock,
}

impl ModelApi {
    /// The name in files and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct ModelFile {
    name: Spanned<String>,
    api: Option<ModelApi>,
    url: Spanned<String>,
    model: Spanned<String>,
    key_env: Option<Spanned<String>>,
    temperature: Option<Spanned<f64>>,
    effort: Option<Spanned<Effort>>,
    parallel_tool_calls: Option<bool>,
    tool_choice: Option<ToolChoice>,
    output_tokens: Option<Spanned<i64>>,
    first_byte_seconds: Option<Spanned<i64>>,
    silence_seconds: Option<Spanned<i64>>,
    ask_usage: Option<bool>,
}

/// The models of an agent.
pub(super) enum ModelNames {
    One(String),
    Several(Vec<Spanned<String>>),
}

/// The names with their places.
fn names(file: &Spanned<ModelNames>) -> Vec<Spanned<String>> {
    match file.get_ref() {
        ModelNames::One(name) => vec![Spanned::new(file.span(), name.clone())],
        ModelNames::Several(names) => names.clone(),
    }
}

impl TeamModel {
    fn declare(file: ModelFile) -> Result<Self, Located> {
        check_name("model", &file.name)?;
        let name = file.name.into_inner();
        let bad = |what: &str, at| Err(Located::new(format!("model {name:?} {what}"), at));
        if let Some(effort) = &file.effort
            && file.temperature.is_some()
        {
            return bad(
                "has both temperature and effort; a model that thinks takes no temperature",
                effort.span(),
            );
        }
        if let Some(temperature) = &file.temperature
            && !(0.0..=MOST_TEMPERATURE).contains(temperature.get_ref())
        {
            let found = temperature.get_ref();
            let what =
                format!("has the temperature {found}, which must be from 0 to {MOST_TEMPERATURE}");
            return bad(&what, temperature.span());
        }
        if let Some(key_env) = &file.key_env
            && !is_variable(key_env.get_ref())
        {
            return bad(
                "has a key_env that is not the name of an environment variable; the key itself does not belong in this file",
                key_env.span(),
            );
        }
        let seconds = |key, seconds| -> Result<Option<Duration>, Located> {
            Ok(in_range(key, seconds, WAIT_SECONDS)?.map(Duration::from_secs))
        };
        let output_tokens = in_range("output_tokens", file.output_tokens, OUTPUT_TOKENS)?;
        Ok(Self {
            api: file.api,
            url: not_empty(file.url, || format!("the url of model {name:?}"))?,
            model: not_empty(file.model, || format!("the key `model` of model {name:?}"))?,
            key_env: file.key_env.map(Spanned::into_inner),
            options: ModelOptions {
                temperature: file.temperature.map(Spanned::into_inner),
                effort: file.effort.map(Spanned::into_inner),
                parallel_tool_calls: file.parallel_tool_calls,
                tool_choice: file.tool_choice,
            },
            output_tokens: output_tokens.and_then(|tokens| u32::try_from(tokens).ok()),
            first_byte: seconds("first_byte_seconds", file.first_byte_seconds)?,
            silence: seconds("silence_seconds", file.silence_seconds)?,
            ask_usage: file.ask_usage,
            name,
        })
    }
}

fn is_variable(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_part) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The models of a file, in its order. Each must have an agent, or make the summaries.
pub(super) fn declare(
    files: Vec<ModelFile>,
    agents: &[AgentFile],
    summaries: Option<&Spanned<String>>,
) -> Result<Vec<TeamModel>, Located> {
    let summaries = summaries.filter(|name| name.get_ref() != DEPLOYMENT_MODEL);
    let used: BTreeSet<String> = agents
        .iter()
        .filter_map(|agent| agent.model.as_ref())
        .flat_map(names)
        .chain(summaries.cloned())
        .map(Spanned::into_inner)
        .collect();
    let mut models: Vec<TeamModel> = Vec::with_capacity(files.len());
    for file in files {
        let at = file.name.span();
        let model = TeamModel::declare(file)?;
        let name = &model.name;
        if models.iter().any(|known| known.name == *name) {
            return Err(Located::new(
                format!("two models have the name {name:?}"),
                at,
            ));
        }
        if !used.contains(name) {
            return Err(Located::new(
                format!("no agent uses the model {name:?}"),
                at,
            ));
        }
        models.push(model);
    }
    if let Some(wanted) = summaries
        && !models.iter().any(|model| model.name == *wanted.get_ref())
    {
        let name = wanted.get_ref();
        let sentence = format!(
            "summary_model {name:?} is no [[model]] of the file; {DEPLOYMENT_MODEL:?} is the deployment's own"
        );
        return Err(Located::new(sentence, wanted.span()));
    }
    Ok(models)
}

/// The models of an agent, the preferred one first.
pub(super) fn of_agent(
    agent: &str,
    file: Option<Spanned<ModelNames>>,
    models: &[TeamModel],
) -> Result<Vec<String>, Located> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let names = names(&file);
    if names.is_empty() {
        let sentence = format!("model of agent {agent:?} names no model");
        return Err(Located::new(sentence, file.span()));
    }
    let mut own: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let at = name.span();
        let name = name.into_inner();
        if !models.iter().any(|model| model.name == name) {
            let sentence =
                format!("agent {agent:?} names the model {name:?}, and no model has that name");
            return Err(Located::new(sentence, at));
        }
        if own.contains(&name) {
            let sentence = format!("agent {agent:?} names the model {name:?} twice");
            return Err(Located::new(sentence, at));
        }
        own.push(name);
    }
    Ok(own)
}

impl Team {
    /// The models that agents name, in the order of the file.
    pub fn models(&self) -> &[TeamModel] {
        &self.models
    }

    /// An agent that names no model, and so needs the deployment's own.
    pub fn needs_own_model(&self) -> Option<&str> {
        let mut agents = self.agents();
        let agent = agents.find(|agent| agent.models.is_empty());
        agent.map(|agent| agent.name.as_str())
    }

    /// A mistake in what the file says of a model, found by the one who reads its settings, at the place of this key.
    pub fn model_mistake(
        &self,
        model: &TeamModel,
        key: &str,
        sentence: impl Into<String>,
    ) -> TeamError {
        let file = DeTable::parse(&self.source.text).ok();
        let table = file.as_ref().and_then(|file| {
            let mut models = file.get_ref().get("model")?.get_ref().as_array()?.iter();
            models.find_map(|table| {
                let table = table.get_ref().as_table()?;
                let name = table.get("name")?.get_ref().as_str()?;
                (name == model.name).then_some(table)
            })
        });
        let place = table.and_then(|table| table.get(key).or_else(|| table.get("name")));
        Mistake::OfProvider(sentence.into())
            .at(place.map(Spanned::span).unwrap_or_default())
            .in_file(&self.source.file, &self.source.text)
    }
}

impl<'de> Deserialize<'de> for ModelNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ModelNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a model or a list of names")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<ModelNames, E> {
                Ok(ModelNames::One(name.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ModelNames, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(ModelNames::Several)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
