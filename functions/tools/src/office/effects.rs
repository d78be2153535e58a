//! Orders and refunds: each recorded together with its effect under its idempotency key.

use baton_handoff::ports::{Change, CommitError, Outcome, Price, StoreError, ToolRequest};
use baton_handoff::text::visible_line;
use serde_json::json;

use super::books::{self, Ended, Order, Refund};
use super::reach::Reach;
use super::search::usd;
use super::{BackOffice, Call, Purchase, RefundRequest, acme};

/// How often an action is tried with fresh reads before its caller must try again.
const TRIES: usize = 16;

/// The longest name of a product, in bytes.
const PRODUCT_BYTES: usize = 200;

/// The highest price, in whole US dollars: ridiculous ones are part of the business, overflowing ones are not.
const HIGHEST_PRICE: u64 = 10_000_000;

/// The outcome of an action, and its writes.
struct Decision {
    ended: Ended,
    changes: Vec<Change>,
}

impl Decision {
    fn rejected(sentence: impl Into<String>) -> Self {
        Self {
            ended: Ended::Rejected(sentence.into()),
            changes: Vec::new(),
        }
    }
}

/// Why an action has no outcome yet.
enum Interrupted {
    /// Another writer was first, or the answer was lost: read again.
    Again(String),
    /// The store does not answer now.
    Later(String),
}

impl From<StoreError> for Interrupted {
    fn from(error: StoreError) -> Self {
        Self::Later(error.to_string())
    }
}

impl BackOffice {
    /// The outcome of this key: the recorded one, or a new one that is recorded together with its effect.
    pub(super) async fn act_once(&self, call: &Call, request: &ToolRequest, key: &str) -> Outcome {
        let mut reason = String::new();
        for _ in 0..TRIES {
            match self.try_to_act(call, request, key).await {
                Ok(Ended::Done(result)) => return Outcome::Done(result),
                Ok(Ended::Rejected(sentence)) => return Outcome::Rejected(sentence),
                Err(Interrupted::Again(why)) => reason = why,
                Err(Interrupted::Later(why)) => return Outcome::Retry(why, None),
            }
        }
        Outcome::Retry(reason, None)
    }

    async fn try_to_act(
        &self,
        call: &Call,
        request: &ToolRequest,
        key: &str,
    ) -> Result<Ended, Interrupted> {
        let effect = books::effect_key(key);
        if let Some(recorded) = self.store.get(&effect).await? {
            return Ok(books::read(&recorded)?);
        }
        let Decision { ended, mut changes } = match call {
            Call::Order(purchase) => self.decide_order(purchase, request)?,
            Call::Refund(refund) => self.decide_refund(refund, request).await?,
            Call::LookUp(_) => Decision::rejected("A lookup is no action."),
        };
        changes.push(Change::Create(effect, books::record(&ended)?));
        match self.store.commit(changes).await {
            Ok(()) => Ok(ended),
            Err(error @ (CommitError::Conflict | CommitError::Ambiguous(_))) => {
                Err(Interrupted::Again(error.to_string()))
            }
            Err(error @ CommitError::Unavailable(_)) => Err(Interrupted::Later(error.to_string())),
            Err(CommitError::Refused(reason)) => Ok(Ended::Rejected(reason)),
        }
    }

    fn decide_order(
        &self,
        purchase: &Purchase,
        request: &ToolRequest,
    ) -> Result<Decision, Interrupted> {
        // Operators and the customer's later models read it.
        let product = visible_line(&purchase.product);
        let product = product.trim();
        if product.is_empty() || product.len() > PRODUCT_BYTES {
            return Ok(Decision::rejected(
                "The name of the product is missing or too long.",
            ));
        }
        if purchase.price > HIGHEST_PRICE {
            return Ok(Decision::rejected(format!(
                "No order may cost more than {HIGHEST_PRICE} dollars."
            )));
        }
        // Nine digits; a number in use conflicts, and the next attempt draws another one.
        let number = self.env.random() % 1_000_000_000;
        let item_id = format!("item_{number:09}");
        if acme::example(&item_id).is_some() {
            return Err(Interrupted::Again("the number is an example's".to_owned()));
        }
        let order = Order {
            order_id: format!("order_{number:09}"),
            item_id,
            product: product.to_owned(),
            paid_cents: purchase.price * 100,
            bought_at: self.env.now(),
            conversation: Some(request.context.conversation.clone()),
            owner: request.context.owner.clone(),
        };
        let result = json!({
            "order_id": order.order_id,
            "item_id": order.item_id,
            "product": order.product,
            "price_usd": purchase.price,
        });
        let changes = books::add_order(&order)?;
        Ok(Decision {
            ended: Ended::Done(result.to_string()),
            changes,
        })
    }

    async fn decide_refund(
        &self,
        asked: &RefundRequest,
        request: &ToolRequest,
    ) -> Result<Decision, StoreError> {
        let item_id = asked.item_id.trim();
        let reach = self.reach(request).await?;
        let Some(order) = self.order_of(item_id, &reach).await? else {
            // The same sentence for an item of another buyer and for one that does not exist.
            return Ok(Decision::rejected(format!(
                "You bought no item {item_id:.64}. Look the item up to find its id."
            )));
        };
        let keys = books::refund_keys(&order, &reach);
        for stored in self.store.get_many(&keys).await?.iter().flatten() {
            if books::shows_refund(stored, &order, &reach)? {
                return Ok(Decision::rejected(format!(
                    "The item {item_id} was refunded already, and is refunded once only."
                )));
            }
        }
        let refund = Refund {
            item_id: order.item_id.clone(),
            // Orders of earlier releases may have any name.
            product: visible_line(&order.product),
            refunded_cents: order.paid_cents,
            reason: asked.reason.clone(),
            refunded_at: self.env.now(),
            conversation: request.context.conversation.clone(),
            owner: request.context.owner.clone(),
        };
        let result = json!({
            "item_id": refund.item_id,
            "product": refund.product,
            "refunded_usd": usd(refund.refunded_cents),
        });
        // Orders never change, so the order's existence is the only condition.
        let changes = books::add_refund(&refund, &order, &reach)?;
        Ok(Decision {
            ended: Ended::Done(result.to_string()),
            changes,
        })
    }

    /// The price paid for an item within reach. An item of another buyer has none, like one that does not exist.
    pub(super) async fn paid_for(&self, item_id: &str, request: &ToolRequest) -> Price {
        let order = match self.reach(request).await {
            Ok(reach) => self.order_of(item_id.trim(), &reach).await,
            Err(error) => Err(error),
        };
        match order {
            Ok(Some(order)) => Price::Known(order.paid_cents),
            Ok(None) => Price::NoPrice,
            Err(error) => Price::CannotTell(error.to_string()),
        }
    }

    /// The order of an item within reach.
    async fn order_of(&self, item_id: &str, reach: &Reach) -> Result<Option<Order>, StoreError> {
        if let Some(example) = acme::example(item_id) {
            return Ok(Some(example));
        }
        if !books::may_be_item(item_id) {
            return Ok(None);
        }
        let stored = self.store.get(&books::order_key(item_id)).await?;
        let order: Option<Order> = stored.as_ref().map(books::read).transpose()?;
        Ok(order.filter(|order| reach.has(order)))
    }
}
