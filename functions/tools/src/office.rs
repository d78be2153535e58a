//! The embedded back office of ACME Inc.: catalogue, orders and refunds, in Baton's own store.
//!
//! It enforces rules that no prompt can change: an item is refunded once, the refund is the price paid, and one idempotency key
//! has one outcome, ever. A call reaches the orders of its conversation's owner and no other ones; see `reach`. Knows the store as
//! a port; never the caller or its reason.

mod acme;
mod before;
mod books;
mod effects;
mod erased;
mod owner;
mod reach;
mod search;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use baton_handoff::Tenant;
use baton_handoff::history::Unreadable;
use baton_handoff::ports::{
    CommitError, Cursor, Env, Forgotten, Index, Outcome, Price, Store, StoreError, ToolError,
    ToolRequest, Tools,
};
use serde::Deserialize;

pub use before::renamed_list;
pub use books::{Entries, Order, Refund};
pub use owner::Books;

use crate::outside::Outside;

/// How often seeding is tried while other processes do the same.
const SEED_TRIES: usize = 8;

/// Executes the tools that run in the back office.
pub struct BackOffice {
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    seeded: AtomicBool,
}

/// A call with its arguments read.
#[derive(Debug, Clone, PartialEq)]
enum Call {
    LookUp(LookUp),
    Order(Purchase),
    Refund(RefundRequest),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct LookUp {
    search_query: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Purchase {
    product: String,
    /// Whole US dollars, the unit that models use for prices.
    price: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct RefundRequest {
    item_id: String,
    #[serde(default = "no_reason")]
    reason: String,
}

fn no_reason() -> String {
    "not provided".to_owned()
}

impl Call {
    /// Err is a sentence for the model.
    fn read(request: &ToolRequest) -> Result<Self, String> {
        let (name, arguments) = (request.tool.name.as_str(), request.arguments.as_value());
        let call = match name {
            "look_up_item" => LookUp::deserialize(arguments).map(Self::LookUp),
            "execute_order" => Purchase::deserialize(arguments).map(Self::Order),
            "execute_refund" => RefundRequest::deserialize(arguments).map(Self::Refund),
            _ => return Err(format!("The back office has no tool {name}.")),
        };
        call.map_err(|error| format!("The arguments of {name} are not right: {error}."))
    }
}

impl fmt::Debug for BackOffice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("BackOffice")
            .field("seeded", &self.seeded)
            .finish_non_exhaustive()
    }
}

impl BackOffice {
    /// A back office with its books in this store. Catalogue and example orders are written on first use.
    pub fn new(store: Arc<dyn Store>, env: Arc<dyn Env>) -> Self {
        Self {
            store,
            env,
            seeded: AtomicBool::new(false),
        }
    }

    /// The same, from the resources of tools.
    pub(crate) fn of(outside: &Outside<'_>) -> Self {
        Self::new(outside.store.clone(), outside.env.clone())
    }

    /// The orders of a tenant's customers, the newest first.
    pub async fn orders(
        &self,
        tenant: &Tenant,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Entries<Order>, StoreError> {
        self.seed().await?;
        self.entries(books::orders_of(tenant.as_str()), after, limit)
            .await
    }

    /// The refunds of a tenant's customers, the newest first.
    pub async fn refunds(
        &self,
        tenant: &Tenant,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Entries<Refund>, StoreError> {
        self.entries(books::refunds_of(tenant.as_str()), after, limit)
            .await
    }

    async fn entries<T: for<'a> Deserialize<'a>>(
        &self,
        list: String,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Entries<T>, StoreError> {
        let page = self.store.index(&Index::Listed(list), after, limit).await?;
        let mut entries = Entries {
            entries: Vec::with_capacity(page.records.len()),
            unreadable: Vec::new(),
            next: page.next,
        };
        for stored in &page.records {
            match books::read(stored) {
                Ok(entry) => entries.entries.push(entry),
                Err(error) => {
                    tracing::error!(%error, "an entry of the books cannot be read");
                    entries.unreadable.push(Unreadable {
                        id: stored.key.partition.trim_start_matches("B#").to_owned(),
                        reason: error.to_string(),
                        last_activity: None,
                    });
                }
            }
        }
        Ok(entries)
    }

    /// Writes catalogue and examples, unless they are there.
    async fn seed(&self) -> Result<(), StoreError> {
        for _ in 0..SEED_TRIES {
            if self.seeded.load(Ordering::Relaxed) {
                return Ok(());
            }
            if self.store.get(&acme::marker()).await?.is_some() {
                self.seeded.store(true, Ordering::Relaxed);
                return Ok(());
            }
            match self.store.commit(acme::seed()?).await {
                // The marker decides: the same commit writes it with all the rest.
                Ok(()) | Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {}
                Err(CommitError::Unavailable(reason) | CommitError::Refused(reason)) => {
                    return Err(StoreError::Unavailable(reason));
                }
            }
        }
        Err(StoreError::Unavailable(
            "the back office's examples could not be written".to_owned(),
        ))
    }
}

#[async_trait]
impl Tools for BackOffice {
    async fn lookup(&self, request: &ToolRequest) -> Result<String, ToolError> {
        match Call::read(request).map_err(ToolError::Refused)? {
            Call::LookUp(asked) => {
                self.look_up(&asked.search_query, request)
                    .await
                    .map_err(|error| {
                        tracing::warn!(%error, "an item could not be looked up");
                        ToolError::Unavailable(
                            "Items cannot be looked up at the moment.".to_owned(),
                        )
                    })
            }
            Call::Order(_) | Call::Refund(_) => Err(ToolError::Refused(format!(
                "{} is no lookup.",
                request.tool.name
            ))),
        }
    }

    async fn act(&self, request: &ToolRequest, idempotency_key: &str) -> Outcome {
        match Call::read(request) {
            Ok(call) => self.act_once(&call, request, idempotency_key).await,
            Err(sentence) => Outcome::Rejected(sentence),
        }
    }

    async fn price(&self, request: &ToolRequest) -> Price {
        match Call::read(request) {
            Ok(Call::LookUp(_)) => Price::NoPrice,
            // More than 64 bits of cents is above every limit.
            Ok(Call::Order(purchase)) => Price::Known(purchase.price.saturating_mul(100)),
            Ok(Call::Refund(refund)) => self.paid_for(&refund.item_id, request).await,
            Err(sentence) => Price::CannotTell(sentence),
        }
    }

    async fn forget(&self, forgotten: &Forgotten) -> Result<(), ToolError> {
        let done = self.forget_all(forgotten).await;
        done.map_err(|error| ToolError::Unavailable(error.to_string()))
    }
}
