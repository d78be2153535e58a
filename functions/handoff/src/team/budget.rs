//! Prices of models, and budgets of tokens and money.

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::mistake::{Located, Mistake};
use super::not_empty;
use crate::ports::{Millis, Usage};
use crate::record::Limit;
use crate::{Day, Kind, Owner};

/// Units of 10^-12 US dollars in a millionth of a dollar.
const PER_MICRO: u64 = 1_000_000;

/// The most US dollars of a budget.
const MOST_USD: f64 = 1_000_000.0;

/// The most US dollars of a million tokens.
const MOST_PRICE: f64 = 100_000.0;

/// The most tokens of a budget.
const MOST_TOKENS: i64 = 1_000_000_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct PriceFile {
    pub(super) model: Spanned<String>,
    pub(super) from: Option<Spanned<Datetime>>,
    pub(super) input: Spanned<f64>,
    pub(super) cached: Option<Spanned<f64>>,
    pub(super) cache_write: Option<Spanned<f64>>,
    pub(super) output: Spanned<f64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct BudgetFile {
    pub(super) conversation: Option<Spanned<LimitFile>>,
    pub(super) customer_day: Option<Spanned<LimitFile>>,
    pub(super) tenant_day: Option<Spanned<LimitFile>>,
    pub(super) all_day: Option<Spanned<LimitFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct LimitFile {
    pub(super) tokens: Option<Spanned<i64>>,
    pub(super) usd: Option<Spanned<f64>>,
}

/// The prices of one model from a day on, in millionths of a US dollar for a million tokens. A token of such a price costs as
/// many units of 10^-12 dollars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// The model's name.
    pub model: String,
    /// The first day, as `YYYY-MM-DD`. Without one they hold from the beginning.
    pub from: Option<String>,
    /// Tokens of a request.
    pub input: u64,
    /// Tokens of a request that the service had in its cache.
    pub cached: u64,
    /// Tokens of a request that the service wrote into its cache.
    pub cache_write: u64,
    /// Tokens of an answer.
    pub output: u64,
}

impl Price {
    /// The cost of a response, in units of 10^-12 US dollars.
    pub fn of(&self, usage: Usage) -> u64 {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let written = usage
            .cache_write_tokens
            .min(usage.prompt_tokens.saturating_sub(cached));
        let fresh = usage.prompt_tokens.saturating_sub(cached + written);
        [
            (fresh, self.input),
            (cached, self.cached),
            (written, self.cache_write),
            (usage.completion_tokens, self.output),
        ]
        .into_iter()
        .fold(0_u64, |sum, (tokens, price)| {
            sum.saturating_add(tokens.saturating_mul(price))
        })
    }

    /// The most that so many tokens cost, whatever the service finds in its cache.
    pub fn most(&self, input: u64, output: u64) -> u64 {
        let dearest = self.input.max(self.cached).max(self.cache_write);
        input
            .saturating_mul(dearest)
            .saturating_add(output.saturating_mul(self.output))
    }
}

/// The budgets of a team. What is not set is not limited, and costs nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Of each conversation, for as long as it lives.
    pub conversation: Option<Limit>,
    /// Of each owner, a day.
    pub customer_day: Option<Limit>,
    /// Of each tenant, a day. All its visitors together have at most half of it.
    pub tenant_day: Option<Limit>,
    /// Of all tenants together, a day.
    pub all_day: Option<Limit>,
}

impl Budgets {
    /// Whether nothing is limited.
    pub fn are_off(&self) -> bool {
        *self == Self::default()
    }

    /// Whether any of them limits money: then a model without a price cannot be called.
    pub fn count_money(&self) -> bool {
        let all = [
            self.conversation,
            self.customer_day,
            self.tenant_day,
            self.all_day,
        ];
        all.into_iter().flatten().any(|limit| limit.cost.is_some())
    }

    /// The limit of this owner's day. What has no owner has none.
    pub(crate) fn of_owner(&self, owner: &Owner) -> Option<Limit> {
        self.customer_day.filter(|_| !owner.is_none())
    }

    /// The shared budgets that this owner's calls take from, by name.
    pub(crate) fn shared_by(&self, owner: &Owner) -> Vec<(String, Limit)> {
        let tenant = owner.tenant();
        let is_visitor = owner.subject(Kind::Visitor).is_some();
        let visitors = self.tenant_day.filter(|_| is_visitor);
        [
            visitors.map(|limit| (format!("visitors/{tenant}"), limit.divided(2))),
            self.tenant_day
                .map(|limit| (format!("tenant/{tenant}"), limit)),
            self.all_day.map(|limit| ("all".to_owned(), limit)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The price of a model at this moment.
pub(super) fn price_at<'a>(prices: &'a [Price], model: &str, now: Millis) -> Option<&'a Price> {
    let today = Day::of(now).to_string();
    let of_model = prices.iter().filter(|price| price.model == model);
    of_model
        .filter(|price| price.from.as_deref().is_none_or(|from| *from <= *today))
        .max_by(|one, other| one.from.cmp(&other.from))
}

pub(super) fn prices(files: Vec<PriceFile>) -> Result<Vec<Price>, Located> {
    let mut prices: Vec<Price> = Vec::with_capacity(files.len());
    for file in files {
        let at = file.model.span();
        let price = Price::declare(file)?;
        let same = |known: &Price| known.model == price.model && known.from == price.from;
        if prices.iter().any(same) {
            let model = price.model;
            return Err(Mistake::PriceTwice { model }.at(at));
        }
        prices.push(price);
    }
    Ok(prices)
}

impl Price {
    fn declare(file: PriceFile) -> Result<Self, Located> {
        let model = not_empty(file.model, || "the model of a price".into())?;
        let from = file.from.as_ref().map(day).transpose()?;
        let input = micros("input", &file.input, 0.0, MOST_PRICE)?;
        let or_input = |key, price: Option<Spanned<f64>>| match price {
            Some(price) => micros(key, &price, 0.0, MOST_PRICE),
            None => Ok(input),
        };
        Ok(Self {
            model,
            from,
            input,
            cached: or_input("cached", file.cached)?,
            cache_write: or_input("cache_write", file.cache_write)?,
            output: micros("output", &file.output, 0.0, MOST_PRICE)?,
        })
    }
}

impl Budgets {
    pub(super) fn declare(file: BudgetFile) -> Result<Self, Located> {
        Ok(Self {
            conversation: limit(file.conversation)?,
            customer_day: limit(file.customer_day)?,
            tenant_day: limit(file.tenant_day)?,
            all_day: limit(file.all_day)?,
        })
    }
}

fn limit(file: Option<Spanned<LimitFile>>) -> Result<Option<Limit>, Located> {
    let Some(file) = file else { return Ok(None) };
    let at = file.span();
    let LimitFile { tokens, usd } = file.into_inner();
    let tokens = super::in_range("tokens", tokens, (1, MOST_TOKENS))?;
    let least = 1.0 / 1e6;
    let cost = usd.map(|usd| micros("usd", &usd, least, MOST_USD));
    let cost = cost.transpose()?.map(|micros| micros * PER_MICRO);
    let limit = Limit { tokens, cost };
    if limit == Limit::default() {
        return Err(Mistake::BudgetEmpty.at(at));
    }
    Ok(Some(limit))
}

/// US dollars in millionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is within bounds that a whole number holds"
)]
fn micros(key: &'static str, usd: &Spanned<f64>, least: f64, most: f64) -> Result<u64, Located> {
    let found = *usd.get_ref();
    if (least..=most).contains(&found) {
        return Ok((found * 1e6).round() as u64);
    }
    let mistake = Mistake::DollarsOutOfRange {
        key,
        found: found.to_string(),
        least: least.to_string(),
        most: most.to_string(),
    };
    Err(mistake.at(usd.span()))
}

fn day(from: &Spanned<Datetime>) -> Result<String, Located> {
    let Datetime { date, time, offset } = *from.get_ref();
    match (date, time, offset) {
        (Some(date), None, None) => Ok(date.to_string()),
        (_, _, _) => Err(Mistake::PriceDay.at(from.span())),
    }
}
