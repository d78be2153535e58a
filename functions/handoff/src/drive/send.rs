//! Sends ids to the workers. A message that is lost does no harm: the sweep finds what it was about.

use crate::engine::Engine;
use crate::ids::{ActionId, ConversationId};
use crate::ports::Lane;

impl Engine {
    /// Sends an action's id on its way. When that fails the sweeper finds the action, so the failure is only logged.
    pub(crate) async fn send_action(&self, owner: &str, id: &ActionId) {
        if let Err(error) = self.queue.send(Lane::Actions, owner, &id.to_string()).await {
            tracing::warn!(action = %id, %error, "an action was not queued; the sweeper will send it");
        }
    }

    /// Tells the driver of the conversation that an action has ended.
    pub(crate) async fn send_turns(&self, owner: &str, id: &ActionId) {
        self.hub.poke(&id.conversation);
        self.send_conversation(owner, &id.conversation).await;
    }

    /// Asks a worker to see to a conversation. When that fails the sweeper finds it.
    pub(crate) async fn send_conversation(&self, owner: &str, conversation: &ConversationId) {
        if let Err(error) = self
            .queue
            .send(Lane::Turns, owner, conversation.as_str())
            .await
        {
            tracing::warn!(%conversation, %error, "a conversation was not queued; the sweeper will send it");
        }
    }
}
