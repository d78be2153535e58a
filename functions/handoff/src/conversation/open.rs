//! A conversation opened in a principal's name: the only access to its records.

use std::sync::Arc;

use crate::drive::warm::Warm;
use crate::engine::Engine;
use crate::ids::ConversationId;
use crate::ports::StoreError;
use crate::principal::Principal;
use crate::record::Meta;
use crate::record::journal::read_meta;

/// One conversation, opened in a principal's name. Opening reads nothing, and the conversation need not exist yet.
#[derive(Clone)]
pub struct Conversation {
    pub(super) engine: Arc<Engine>,
    pub(super) id: ConversationId,
    pub(super) principal: Principal,
}

impl Engine {
    /// A new id that cannot be guessed.
    pub fn new_conversation(&self) -> ConversationId {
        ConversationId::random(self.env.random())
    }

    /// Opens a conversation in this principal's name.
    pub fn conversation(
        self: &Arc<Self>,
        id: &ConversationId,
        principal: &Principal,
    ) -> Conversation {
        Conversation {
            engine: self.clone(),
            id: id.clone(),
            principal: principal.clone(),
        }
    }
}

// Every method of a conversation gets META from one of these two: the one place to compare its owner with the principal, once
// callers sign in.
impl Conversation {
    /// META with its version. None: there is no such conversation.
    pub(super) async fn meta(&self) -> Result<Option<(u64, Meta)>, StoreError> {
        read_meta(&*self.engine.store, &self.id).await
    }

    /// META and the last turns, as this process remembers them.
    pub(super) fn remembered(&self) -> Option<Warm> {
        self.engine.memory.take(&self.id)
    }

    /// Its id.
    pub fn id(&self) -> &ConversationId {
        &self.id
    }
}
