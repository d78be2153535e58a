//! What an action is worth, and whether an operator must approve it for that. Fails closed where it cannot be told.

use crate::action::tries::given_up_after;
use crate::engine::Engine;
use crate::ports::{Price, ToolRequest};
use crate::team::{Amount, Approval};

/// Whether the tool's own approval holds for a call of this price.
pub(super) fn needs_approval(approval: &Approval, price: &Price) -> bool {
    match approval {
        Approval::Never => false,
        Approval::Always => true,
        Approval::Above { limit_cents, .. } => match price {
            Price::Known(cents) => cents > limit_cents,
            // A limit that cannot be checked must not be exceeded.
            Price::NoPrice | Price::CannotTell(_) => !sabotage!(PriceUnknownIsFree),
        },
    }
}

/// The amount that a call moves. Only asked for where somebody may have to agree, or a limit counts it.
pub(super) async fn price(engine: &Engine, request: &ToolRequest) -> Price {
    let tool = &request.tool;
    let limited = engine.team.money_limit(&tool.name).is_some() || tool.confirm.is_some();
    let amount = match &tool.approval {
        Approval::Never if !limited => return Price::NoPrice,
        Approval::Never | Approval::Always => tool.amount.as_ref().unwrap_or(&Amount::Provider),
        Approval::Above { amount, .. } => amount,
    };
    let price = match amount {
        Amount::Provider => tokio::select! {
            biased;
            price = engine.tools.price(request) => price,
            () = engine.sleep(given_up_after(request)) => Price::CannotTell("it took too long".to_owned()),
        },
        Amount::Parameter(name) => request
            .arguments
            .as_value()
            .get(name)
            .and_then(dollars_as_cents)
            .map_or(Price::NoPrice, Price::Known),
    };
    if let Price::CannotTell(reason) = &price {
        tracing::warn!(tool = request.tool.name, %reason, "an action could not be priced");
    }
    price
}

/// The amount in US dollars that a parameter names, rounded up, so that a fraction cannot slip under the limit. A negative amount
/// has no price: an operator must judge it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and negative amounts are sorted out before"
)]
fn dollars_as_cents(value: &serde_json::Value) -> Option<u64> {
    if let Some(dollars) = value.as_u64() {
        return Some(dollars.saturating_mul(100));
    }
    let dollars = value.as_f64().filter(|dollars| *dollars >= 0.0)?;
    Some((dollars * 100.0).ceil() as u64)
}
