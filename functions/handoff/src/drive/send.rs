//! Sends ids to the workers. A lost message is harmless: the sweep finds the record.

use crate::engine::Engine;
use crate::ids::{ActionId, ConversationId};
use crate::ports::Lane;
use crate::principal::Owner;

impl Engine {
    /// Sends an action's id to the workers. After a failure the sweeper finds the action, so it is only logged.
    pub(crate) async fn send_action(&self, owner: &Owner, id: &ActionId) {
        if let Err(error) = self
            .queue
            .send(Lane::Actions, owner.as_str(), &id.to_string())
            .await
        {
            tracing::warn!(action = %id, %error, "an action was not queued; the sweeper will send it");
        }
    }

    /// Notifies the driver of the conversation that an action has ended.
    pub(crate) async fn send_turns(&self, owner: &Owner, id: &ActionId) {
        self.hub.poke(&id.conversation);
        self.send_conversation(owner, &id.conversation).await;
    }

    /// Asks a worker to advance a conversation. After a failure the sweeper finds it.
    pub(crate) async fn send_conversation(&self, owner: &Owner, conversation: &ConversationId) {
        if let Err(error) = self
            .queue
            .send(Lane::Turns, owner.as_str(), conversation.as_str())
            .await
        {
            tracing::warn!(%conversation, %error, "a conversation was not queued; the sweeper will send it");
        }
    }
}
