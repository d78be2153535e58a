//! Orders and refunds: each recorded together with its effect under its idempotency key.

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Change, CommitError, Outcome, Price, StoreError};
use baton_handoff::text::visible_line;
use serde_json::json;

use super::books::{self, Ended, Order, Refund};
use super::search::usd;
use super::{BackOffice, Call, Purchase, RefundRequest};

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
    pub(super) async fn act_once(
        &self,
        call: &Call,
        conversation: &ConversationId,
        key: &str,
    ) -> Outcome {
        let mut reason = String::new();
        for _ in 0..TRIES {
            match self.try_to_act(call, conversation, key).await {
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
        conversation: &ConversationId,
        key: &str,
    ) -> Result<Ended, Interrupted> {
        self.seed().await?;
        let effect = books::effect_key(key);
        if let Some(recorded) = self.store.get(&effect).await? {
            return Ok(books::read(&recorded)?);
        }
        let Decision { ended, mut changes } = match call {
            Call::Order(purchase) => self.decide_order(purchase, conversation)?,
            Call::Refund(refund) => self.decide_refund(refund, conversation).await?,
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
        conversation: &ConversationId,
    ) -> Result<Decision, StoreError> {
        // It is shown to people and models, of this customer and of others.
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
        let order = Order {
            order_id: format!("order_{number:09}"),
            item_id: format!("item_{number:09}"),
            product: product.to_owned(),
            paid_cents: purchase.price * 100,
            bought_at: self.env.now(),
            conversation: Some(conversation.clone()),
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
        request: &RefundRequest,
        conversation: &ConversationId,
    ) -> Result<Decision, StoreError> {
        let item_id = request.item_id.trim();
        let Some(order) = self.order_of(item_id).await? else {
            return Ok(Decision::rejected(format!(
                "Nobody bought an item {item_id:.64}. Look the item up to find its id."
            )));
        };
        if self.store.get(&books::refund_key(item_id)).await?.is_some() {
            return Ok(Decision::rejected(format!(
                "The item {item_id} was refunded already, and is refunded once only."
            )));
        }
        let refund = Refund {
            item_id: order.item_id,
            product: order.product,
            refunded_cents: order.paid_cents,
            reason: request.reason.clone(),
            refunded_at: self.env.now(),
            conversation: conversation.clone(),
        };
        let result = json!({
            "item_id": refund.item_id,
            "product": refund.product,
            "refunded_usd": usd(refund.refunded_cents),
        });
        // Orders never change, so the order's existence is the only condition.
        let changes = vec![books::add_refund(&refund)?];
        Ok(Decision {
            ended: Ended::Done(result.to_string()),
            changes,
        })
    }

    /// The price paid for an item.
    pub(super) async fn paid_for(&self, item_id: &str) -> Price {
        let order = match self.seed().await {
            Ok(()) => self.order_of(item_id.trim()).await,
            Err(error) => Err(error),
        };
        match order {
            Ok(Some(order)) => Price::Known(order.paid_cents),
            Ok(None) => Price::NoPrice,
            Err(error) => Price::CannotTell(error.to_string()),
        }
    }

    /// The order of an item.
    pub(super) async fn order_of(&self, item_id: &str) -> Result<Option<Order>, StoreError> {
        if !books::may_be_item(item_id) {
            return Ok(None);
        }
        self.store
            .get(&books::order_key(item_id))
            .await?
            .as_ref()
            .map(books::read)
            .transpose()
    }
}
