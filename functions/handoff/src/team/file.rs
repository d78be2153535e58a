//! The keys of the team file as a person writes it, with their types and places.
//! Knows the format only; never whether the parts fit together.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use toml::{Spanned, Table};

use super::ClientTools;
use super::budget::{BudgetFile, PriceFile};
use super::model::{ModelFile, ModelNames};
use super::money::Over;
use super::tool::{ActionOrder, ToolKind};
use super::webhook::WebhookFile;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct TeamFile {
    pub(super) name: Spanned<String>,
    pub(super) entry: Spanned<String>,
    /// Put before each agent's own.
    pub(super) instructions: Option<Spanned<String>>,
    pub(super) instructions_file: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) first_questions: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) limits: LimitsFile,
    #[serde(default)]
    pub(super) budget: BudgetFile,
    #[serde(default, rename = "price")]
    pub(super) prices: Vec<PriceFile>,
    #[serde(default, rename = "model")]
    pub(super) models: Vec<ModelFile>,
    #[serde(default, rename = "agent")]
    pub(super) agents: Vec<AgentFile>,
    #[serde(default, rename = "tool")]
    pub(super) tools: Vec<ToolFile>,
    #[serde(default, rename = "limit")]
    pub(super) money_limits: Vec<MoneyLimitFile>,
    #[serde(default, rename = "webhook")]
    pub(super) webhooks: Vec<WebhookFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct MoneyLimitFile {
    pub(super) name: Spanned<String>,
    pub(super) tools: Vec<Spanned<String>>,
    pub(super) action_usd: Option<Spanned<i64>>,
    pub(super) conversation_usd: Option<Spanned<i64>>,
    pub(super) customer_day_usd: Option<Spanned<i64>>,
    pub(super) tenant_day_usd: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) over: Over,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct LimitsFile {
    pub(super) steps: Option<Spanned<i64>>,
    pub(super) hand_offs: Option<Spanned<i64>>,
    pub(super) window_tokens: Option<Spanned<i64>>,
    pub(super) window_turns: Option<Spanned<i64>>,
    pub(super) summary_model: Option<Spanned<String>>,
    pub(super) patience_seconds: Option<Spanned<i64>>,
    pub(super) keep_text_seconds: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) client_tools: ClientTools,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct AgentFile {
    pub(super) name: Spanned<String>,
    pub(super) instructions: Option<Spanned<String>>,
    pub(super) instructions_file: Option<Spanned<String>>,
    pub(super) model: Option<Spanned<ModelNames>>,
    #[serde(default)]
    pub(super) tools: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) hand_offs: Vec<HandOffFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct HandOffFile {
    pub(super) tool: Spanned<String>,
    pub(super) to: Spanned<String>,
    pub(super) description: Spanned<String>,
}

/// The keys of a tool, in the order of error messages. Providers' sections follow.
pub(super) const TOOL_KEYS: &[&str] = &[
    "name",
    "description",
    "kind",
    "parameters",
    "schema",
    "schema_file",
    "result",
    "identity",
    "timeout_seconds",
    "approval",
    "amount",
    "confirm",
    "order",
    "retry_minutes",
    "verified",
    "after",
    "show",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct ToolFile {
    pub(super) name: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) kind: ToolKind,
    /// The short form: the schema of each parameter.
    pub(super) parameters: Option<Spanned<BTreeMap<String, Spanned<Table>>>>,
    /// The long form: the schema of all arguments.
    pub(super) schema: Option<Spanned<Table>>,
    /// The same as JSON, in a file beside this one.
    pub(super) schema_file: Option<Spanned<String>>,
    /// The fields of a result that the model gets.
    #[serde(default)]
    pub(super) result: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) identity: Vec<Spanned<String>>,
    pub(super) timeout_seconds: Option<Spanned<i64>>,
    pub(super) approval: Option<Spanned<ApprovalFile>>,
    /// The parameter with the amount that a call moves.
    pub(super) amount: Option<Spanned<String>>,
    pub(super) confirm: Option<Spanned<ConfirmFile>>,
    pub(super) order: Option<Spanned<ActionOrder>>,
    pub(super) retry_minutes: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) verified: bool,
    pub(super) after: Option<Spanned<AfterFile>>,
    #[serde(default)]
    pub(super) show: ShowFile,
}

/// What must have happened before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct AfterFile {
    pub(super) tool: Spanned<String>,
    #[serde(default)]
    pub(super) same: Vec<Spanned<SameFile>>,
}

pub(super) enum SameFile {
    Argument(String),
    Result { argument: String, result: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct SameResultFile {
    argument: String,
    result: String,
}

/// How much of a tool's calls customers see.
#[derive(Default)]
pub(super) enum ShowFile {
    #[default]
    Name,
    Fields(Vec<Spanned<String>>),
    All,
}

/// Who must agree before an action runs.
#[derive(Default)]
pub(super) struct ApprovalFile {
    pub(super) customer: bool,
    pub(super) operator: OperatorFile,
}

#[derive(Default)]
pub(super) enum OperatorFile {
    #[default]
    Never,
    Always,
    Above(AboveFile),
}

/// The card by which the customer agrees.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct ConfirmFile {
    pub(super) title: Spanned<String>,
    pub(super) show: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) yes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) no: Vec<Spanned<String>>,
    pub(super) minutes: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct AboveFile {
    pub(super) above_usd: i64,
    pub(super) amount: Option<String>,
}

// An untagged enum would report every mistake as "did not match any variant"; these name the expected types.

impl<'de> Deserialize<'de> for ApprovalFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ApprovalFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    r#""never", "always", { above_usd = NUMBER }, "customer" or ["customer", "operator"]"#,
                )
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ApprovalFile, E> {
                let (customer, operator) = match text {
                    "never" => (false, OperatorFile::Never),
                    "always" | "operator" => (false, OperatorFile::Always),
                    "customer" => (true, OperatorFile::Never),
                    other => {
                        return Err(E::invalid_value(serde::de::Unexpected::Str(other), &self));
                    }
                };
                Ok(ApprovalFile { customer, operator })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ApprovalFile, A::Error> {
                let above = AboveFile::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ApprovalFile {
                    customer: false,
                    operator: OperatorFile::Above(above),
                })
            }

            /// The customer first, and then an operator.
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ApprovalFile, A::Error> {
                use serde::de::{Error as _, Unexpected};
                let (first, second): (Option<ApprovalFile>, Option<ApprovalFile>) =
                    (list.next_element()?, list.next_element()?);
                let more: Option<ApprovalFile> = list.next_element()?;
                match (first, second, more) {
                    (Some(first), second, None)
                        if first.customer
                            && second.as_ref().is_none_or(|second| !second.customer) =>
                    {
                        Ok(ApprovalFile {
                            customer: true,
                            operator: second.unwrap_or_default().operator,
                        })
                    }
                    _ => Err(A::Error::invalid_value(Unexpected::Seq, &self)),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for SameFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = SameFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a name or { argument = "NAME", result = "/FIELD" }"#)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SameFile, E> {
                Ok(SameFile::Argument(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SameFile, A::Error> {
                let SameResultFile { argument, result } =
                    SameResultFile::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SameFile::Result { argument, result })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for ShowFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ShowFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#""name", "all" or a list of names"#)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ShowFile, E> {
                match text {
                    "name" => Ok(ShowFile::Name),
                    "all" => Ok(ShowFile::All),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ShowFile, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(ShowFile::Fields)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
