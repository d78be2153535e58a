//! Makes one tool of the file a tool of the team.
//! Knows this tool alone; never the agents that use it.

use std::time::Duration;

use serde_json::Value;
use toml::Spanned;

use super::after::After;
use super::assemble::Parts;
use super::confirm::Confirm;
use super::file::{ApprovalFile, ConfirmFile, OperatorFile, ToolFile};
use super::mistake::{Located, Mistake};
use super::money::MOST_DOLLARS;
use super::parameters::{Parameters, read_parameters};
use super::picking::Picking;
use super::provider::{Draft, Runs, Section, provider_of};
use super::show::Show;
use super::tool::{Amount, Approval, Tool, ToolKind};
use super::{Files, check_name, in_range, not_empty};

/// A service that hangs must not occupy a worker for longer than this.
const TIMEOUT_SECONDS: (i64, i64) = (1, 120);

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Later actions of a conversation wait for an earlier one, so an action must not be tried for ever.
const DEFAULT_RETRY: Duration = Duration::from_hours(1);

const LONGEST_RETRY: Duration = Duration::from_hours(24 * 30);

impl Tool {
    pub(super) fn declare(
        file: ToolFile,
        sections: &[Section<'_>],
        parts: &Parts<'_>,
        files: Files<'_>,
    ) -> Result<Self, Located> {
        let providers = parts.providers;
        check_name("tool", &file.name)?;
        let at = file.name.span();
        let name = file.name.into_inner();
        let description = not_empty(file.description, || {
            format!("the description of tool {name:?}")
        })?;
        let parameters = read_parameters(
            &name,
            &at,
            file.parameters,
            file.schema,
            file.schema_file,
            files,
        )?;
        let timeout = in_range("timeout_seconds", file.timeout_seconds, TIMEOUT_SECONDS)?
            .map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let provider = provider_of(&name, &at, sections, providers)?;
        let declared = provider.declare(&Draft {
            name: &name,
            kind: file.kind,
            timeout,
            at: at.clone(),
            parameters: &parameters,
            section: sections.first(),
            tables: parts.tables,
            provider: provider.name(),
            providers,
        })?;
        let named = amount(&name, file.kind, declared.prices, &parameters, file.amount)?;
        let asks = file.approval.as_ref().map(|file| file.get_ref().customer);
        let approval = match file.approval {
            Some(approval) => {
                let noun = provider.noun();
                approve(
                    &name,
                    file.kind,
                    named.as_ref(),
                    noun,
                    &parameters,
                    approval,
                )?
            }
            None => Approval::Never,
        };
        let amount = match &approval {
            Approval::Above { amount, .. } => Some(amount.clone()),
            Approval::Never | Approval::Always => named,
        };
        let asks = asks.unwrap_or_default();
        let confirm = confirm(
            &name,
            &at,
            &parameters,
            amount.is_some(),
            asks,
            file.confirm,
        )?;
        if file.kind == ToolKind::Lookup {
            let order = file.order.as_ref().map(|order| ("order", order.span()));
            let retry = file.retry_minutes.as_ref();
            let retry = retry.map(|retry| ("retry_minutes", retry.span()));
            if let Some((key, at)) = order.or(retry) {
                return Err(Mistake::ForActionsOnly { tool: name, key }.at(at));
            }
        }
        let show = Show::declare(&name, file.show)?;
        let result = Picking::declare(&name, file.result)?;
        let after = file.after.map(Spanned::into_inner);
        let after = after.map(|after| After::declare(&name, &parameters, after));
        let retry = retry(declared.retries.key_life, file.retry_minutes)?;
        Ok(Self {
            identity: identity(&name, file.kind, &parameters, file.identity)?,
            order: file.order.map(Spanned::into_inner).unwrap_or_default(),
            retry,
            timeout,
            name,
            description,
            kind: file.kind,
            runs: Runs::new(provider.name(), declared),
            approval,
            verified: file.verified,
            after: after.transpose()?,
            confirm,
            amount,
            show,
            result,
            defaults: parameters.defaults,
            schema: parameters.schema,
        })
    }
}

/// How long actions are tried: never longer than the service remembers a key.
fn retry(key_life: Option<Duration>, minutes: Option<Spanned<i64>>) -> Result<Duration, Located> {
    let most = key_life.unwrap_or(LONGEST_RETRY).min(LONGEST_RETRY);
    let most_minutes = i64::try_from(most.as_secs() / 60).unwrap_or(i64::MAX);
    let minutes = in_range("retry_minutes", minutes, (1, most_minutes))?;
    Ok(minutes.map_or(DEFAULT_RETRY.min(most), Duration::from_mins))
}

fn identity(
    tool: &str,
    kind: ToolKind,
    parameters: &Parameters,
    names: Vec<Spanned<String>>,
) -> Result<Vec<String>, Located> {
    for name in &names {
        let tool = tool.to_owned();
        let parameter = name.get_ref().clone();
        let mistake = if kind == ToolKind::Lookup {
            Mistake::ForActionsOnly {
                tool,
                key: "identity",
            }
        } else if parameters.property(&parameter).is_none() {
            Mistake::UnknownIdentity { tool, parameter }
        } else if !parameters.is_always_there(&parameter) {
            Mistake::OptionalIdentity { tool, parameter }
        } else {
            continue;
        };
        return Err(mistake.at(name.span()));
    }
    Ok(names.into_iter().map(Spanned::into_inner).collect())
}

/// The source of a call's amount, as far as the tool itself names one.
fn amount(
    tool: &str,
    kind: ToolKind,
    prices: bool,
    parameters: &Parameters,
    named: Option<Spanned<String>>,
) -> Result<Option<Amount>, Located> {
    let Some(named) = named else {
        return Ok((prices && kind == ToolKind::Action).then_some(Amount::Provider));
    };
    let at = named.span();
    let (tool, parameter) = (tool.to_owned(), named.into_inner());
    if kind == ToolKind::Lookup {
        let key = "amount";
        return Err(Mistake::ForActionsOnly { tool, key }.at(at));
    }
    if prices || !is_amount(parameters, &parameter) {
        return Err(Mistake::NoAmount { tool, parameter }.at(at));
    }
    Ok(Some(Amount::Parameter(parameter)))
}

/// Whether every call has a whole number under this name.
fn is_amount(parameters: &Parameters, name: &str) -> bool {
    let kind = parameters
        .property(name)
        .and_then(|property| property.get("type"));
    kind.and_then(Value::as_str) == Some("integer") && parameters.is_always_there(name)
}

fn confirm(
    tool: &str,
    at: &std::ops::Range<usize>,
    parameters: &Parameters,
    has_amount: bool,
    asks: bool,
    file: Option<Spanned<ConfirmFile>>,
) -> Result<Option<Confirm>, Located> {
    match (asks, file) {
        (false, None) => Ok(None),
        (true, Some(file)) => {
            let file = file.into_inner();
            Confirm::declare(tool, parameters, has_amount, file).map(Some)
        }
        (true, None) => {
            let tool = tool.to_owned();
            Err(Mistake::ConfirmMissing { tool }.at(at.clone()))
        }
        (false, Some(file)) => {
            let tool = tool.to_owned();
            Err(Mistake::ConfirmUnused { tool }.at(file.span()))
        }
    }
}

fn approve(
    tool: &str,
    kind: ToolKind,
    named: Option<&Amount>,
    noun: &'static str,
    parameters: &Parameters,
    file: Spanned<ApprovalFile>,
) -> Result<Approval, Located> {
    let at = file.span();
    if kind == ToolKind::Lookup {
        return Err(Mistake::ForActionsOnly {
            tool: tool.to_owned(),
            key: "approval",
        }
        .at(at));
    }
    let ApprovalFile { operator, .. } = file.into_inner();
    let above = match operator {
        OperatorFile::Never => return Ok(Approval::Never),
        OperatorFile::Always => return Ok(Approval::Always),
        OperatorFile::Above(above) => above,
    };
    let tool = tool.to_owned();
    let amount = match (named, above.amount) {
        (Some(named), None) => named.clone(),
        (Some(Amount::Provider), Some(_)) => {
            return Err(Mistake::AmountKnown { tool, noun }.at(at));
        }
        (Some(Amount::Parameter(_)), Some(_)) => {
            let noun = "the key `amount` of the tool";
            return Err(Mistake::AmountKnown { tool, noun }.at(at));
        }
        (None, None) => return Err(Mistake::AmountMissing { tool, noun }.at(at)),
        (None, Some(parameter)) => {
            if !is_amount(parameters, &parameter) {
                return Err(Mistake::AmountParameter { tool, parameter }.at(at));
            }
            Amount::Parameter(parameter)
        }
    };
    let dollars = in_range(
        "above_usd",
        Some(Spanned::new(at, above.above_usd)),
        (0, MOST_DOLLARS),
    )?;
    Ok(Approval::Above {
        limit_cents: dollars.unwrap_or_default() * 100,
        amount,
    })
}
