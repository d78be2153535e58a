//! Limits on the money that actions move, as the team file says them.
//! Knows names and amounts; never what was spent.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::file::MoneyLimitFile;
use super::in_range;
use super::mistake::{Located, Mistake};
use super::tool::{Tool, ToolKind};

/// META keeps a sum for each of them.
const MOST_LIMITS: usize = 8;

const LONGEST_NAME: usize = 32;

/// The highest amount in a team file, in US dollars.
pub(super) const MOST_DOLLARS: i64 = 1_000_000_000;

/// A limit on the money that actions of some tools move together. Amounts in US cents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyLimit {
    /// Unique in the team.
    pub name: String,
    /// The most for one action.
    pub action_cents: Option<u64>,
    /// The most for one conversation.
    pub conversation_cents: Option<u64>,
    /// The most for the conversations of one owner on one UTC day.
    pub customer_day_cents: Option<u64>,
    /// The most for all conversations of a tenant on one UTC day.
    pub tenant_day_cents: Option<u64>,
    /// What happens to an action over the limit.
    pub over: Over,
}

/// What happens to an action over a limit, or with an amount that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// An operator must approve it.
    #[default]
    Approval,
    /// It is not accepted.
    Refuse,
}

/// The limits of a team: each by the tools that it is for.
pub(super) type MoneyLimits = BTreeMap<String, Arc<MoneyLimit>>;

/// The limit of each tool that has one.
pub(super) fn declare(
    files: Vec<MoneyLimitFile>,
    tools: &BTreeMap<String, Arc<Tool>>,
) -> Result<MoneyLimits, Located> {
    let mut limits = MoneyLimits::new();
    let mut names: Vec<String> = Vec::new();
    for file in files {
        let at = file.name.span();
        let name = file.name.get_ref().clone();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !name.bytes().all(is_plain) || !(1..=LONGEST_NAME).contains(&name.len()) {
            return Err(Mistake::LimitName { name }.at(at));
        }
        if names.contains(&name) {
            return Err(Mistake::LimitTwice { name }.at(at));
        }
        names.push(name.clone());
        if names.len() > MOST_LIMITS {
            return Err(Mistake::TooManyLimits { most: MOST_LIMITS }.at(at));
        }
        let cents = |key, dollars| -> Result<Option<u64>, Located> {
            let dollars = in_range(key, dollars, (0, MOST_DOLLARS))?;
            Ok(dollars.map(|dollars| dollars * 100))
        };
        let limit = Arc::new(MoneyLimit {
            action_cents: cents("action_usd", file.action_usd)?,
            conversation_cents: cents("conversation_usd", file.conversation_usd)?,
            customer_day_cents: cents("customer_day_usd", file.customer_day_usd)?,
            tenant_day_cents: cents("tenant_day_usd", file.tenant_day_usd)?,
            over: file.over,
            name,
        });
        if limit.is_empty() || file.tools.is_empty() {
            let name = limit.name.clone();
            return Err(Mistake::LimitEmpty { name }.at(at));
        }
        for tool in file.tools {
            may_be_limited(&limit, &tool, tools, &limits)?;
            limits.insert(tool.into_inner(), limit.clone());
        }
    }
    Ok(limits)
}

fn may_be_limited(
    limit: &MoneyLimit,
    name: &Spanned<String>,
    tools: &BTreeMap<String, Arc<Tool>>,
    limits: &MoneyLimits,
) -> Result<(), Located> {
    let at = name.span();
    let (limit, tool) = (limit.name.clone(), name.get_ref().clone());
    let mistake = match tools.get(&tool) {
        None => Mistake::LimitTool { limit, tool },
        Some(found) if found.kind == ToolKind::Lookup => Mistake::ForActionsOnly {
            tool,
            key: "a limit",
        },
        Some(found) if found.amount.is_none() => Mistake::LimitAmount { limit, tool },
        Some(_) => match limits.get(&tool) {
            Some(first) => Mistake::LimitedTwice {
                first: first.name.clone(),
                second: limit,
                tool,
            },
            None => return Ok(()),
        },
    };
    Err(mistake.at(at))
}

impl MoneyLimit {
    /// Whether it has sums of a day.
    pub(crate) fn has_days(&self) -> bool {
        self.customer_day_cents.is_some() || self.tenant_day_cents.is_some()
    }

    fn is_empty(&self) -> bool {
        self.action_cents.is_none() && self.conversation_cents.is_none() && !self.has_days()
    }
}
