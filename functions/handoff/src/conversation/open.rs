//! A conversation opened in a principal's name: the only access to its records, and the one place that compares its owner with
//! the principal. What is opened is written on condition that META still has the version that was compared.

use std::sync::Arc;

use crate::bounds::{OverBound, Party};
use crate::drive::warm::Warm;
use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::StoreError;
use crate::principal::{Access, Principal};
use crate::record::Meta;
use crate::record::journal::read_meta;
use crate::speaker::Claims;
use crate::trace::SpanContext;

/// One conversation, opened in a principal's name. Opening reads nothing, and the conversation need not exist yet.
#[derive(Clone)]
pub struct Conversation {
    pub(super) engine: Arc<Engine>,
    pub(super) id: ConversationId,
    pub(super) principal: Principal,
    /// The principal's claims for tools.
    pub(super) claims: Claims,
    /// Whether the turns of its messages accept no action.
    pub(super) lookups_only: bool,
    /// The span in which its caller asks.
    pub(super) caller: Option<SpanContext>,
    /// Whether it may be begun under this id. An id that Baton made names a conversation that exists.
    may_begin: bool,
    /// Why it may not be begun now, if its principal has begun too many.
    pub(super) too_many: Option<OverBound>,
}

/// A conversation as its principal sees it.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is returned"
)]
pub(super) enum Seen {
    /// There is none under this id.
    Nothing,
    /// It is another's, or the principal has become another one.
    Closed,
    /// META with its version, and what the principal may do.
    Open(u64, Meta, Access),
}

impl Engine {
    /// A new conversation of this principal, with an id that cannot be guessed.
    pub fn begin(self: &Arc<Self>, principal: &Principal) -> Conversation {
        Conversation {
            engine: self.clone(),
            id: ConversationId::made(self.env.random()),
            principal: principal.clone(),
            claims: Claims::default(),
            lookups_only: false,
            caller: None,
            may_begin: true,
            too_many: None,
        }
    }

    /// Opens the conversation that this principal calls by this name. An id that Baton made is taken literally; another name is
    /// one in the principal's own space, so that it never opens the conversation of another.
    pub fn conversation(
        self: &Arc<Self>,
        name: &ConversationId,
        principal: &Principal,
    ) -> Conversation {
        let is_made = name.is_made();
        let id = if is_made || principal.names_literally() || sabotage!(NamesShared) {
            name.clone()
        } else {
            ConversationId::named(&principal.owner(), name)
        };
        Conversation {
            engine: self.clone(),
            id,
            principal: principal.clone(),
            claims: Claims::default(),
            lookups_only: false,
            caller: None,
            may_begin: !is_made || sabotage!(MadeIdsBegin),
            too_many: None,
        }
    }
}

// Every method of a conversation gets META from one of these.
impl Conversation {
    /// META with its version, where the principal may do this with it. None: for this principal there is no such conversation.
    pub(super) async fn meta(&self, wanted: Access) -> Result<Option<(u64, Meta)>, StoreError> {
        Ok(match self.look().await? {
            Seen::Open(version, meta, access) if access >= wanted => Some((version, meta)),
            Seen::Open(..) | Seen::Closed | Seen::Nothing => None,
        })
    }

    /// Reads META, and what the principal may do. The records of a visitor who may have signed in are read beside it.
    pub(super) async fn look(&self) -> Result<Seen, StoreError> {
        let (meta, signed_in) = futures_util::join!(
            read_meta(&*self.engine.store, &self.id),
            self.engine.has_signed_in(&self.principal)
        );
        if signed_in? {
            return Ok(Seen::Closed);
        }
        let Some((version, meta)) = meta? else {
            return Ok(Seen::Nothing);
        };
        let mut access = self.principal.access(&meta.owner);
        if access == Access::None && self.engine.became(&meta.owner, &self.principal).await? {
            access = Access::Speak;
        }
        Ok(match access {
            Access::None if sabotage!(StrangersOversee) => {
                Seen::Open(version, meta, Access::Oversee)
            }
            Access::None => Seen::Closed,
            Access::Oversee | Access::Speak => Seen::Open(version, meta, access),
        })
    }

    /// Reads META at a further attempt of the same request: compares its owner anew, for META may be another one by now.
    pub(super) async fn look_again(&self) -> Result<Seen, StoreError> {
        if !sabotage!(OwnerCheckedOnce) {
            return self.look().await;
        }
        let meta = read_meta(&*self.engine.store, &self.id).await?;
        Ok(meta.map_or(Seen::Nothing, |(version, meta)| {
            Seen::Open(version, meta, Access::Speak)
        }))
    }

    /// META and the last turns, as this process remembers them, if they tell that the principal may speak.
    pub(super) fn remembered(&self) -> Option<Warm> {
        let memory = &self.engine.memory;
        if sabotage!(OwnerOfWarmIgnored) {
            return memory.take(&self.id);
        }
        if !self.engine.surely_present(&self.principal) {
            return None;
        }
        memory.take_if(&self.id, |meta| {
            self.principal.access(&meta.owner) == Access::Speak
                || self.engine.surely_became(&meta.owner, &self.principal)
        })
    }

    /// Whether the principal may begin the conversation under its id.
    pub(super) fn may_begin(&self) -> bool {
        self.may_begin
    }

    /// The same with the principal's claims, which are recorded with each of its messages.
    #[must_use]
    pub fn with_claims(mut self, claims: Claims) -> Self {
        self.claims = claims;
        self
    }

    /// The same for messages that nothing but their text tells from a repeat: their turns look up and hand off, and accept no
    /// action.
    #[must_use]
    pub fn with_lookups_only(self) -> Self {
        Self {
            lookups_only: true,
            ..self
        }
    }

    /// The same for a caller who asks in this span of its own trace. Kept only where traces are sent.
    #[must_use]
    pub fn called_from(self, span: Option<SpanContext>) -> Self {
        Self {
            caller: span.filter(|_| self.engine.traces.is_some()),
            ..self
        }
    }

    /// The same conversation; if it does not exist, it is not begun.
    #[must_use]
    pub fn not_begun_over(self, bound: OverBound) -> Self {
        Self {
            too_many: Some(bound),
            ..self
        }
    }

    /// Whom its bounds count.
    pub fn party(&self) -> Party {
        Party::of(&self.principal.owner(), &self.id)
    }

    /// Its id.
    pub fn id(&self) -> &ConversationId {
        &self.id
    }
}
