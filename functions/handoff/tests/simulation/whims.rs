//! Customers who change their minds: they stop answers, twice, too late or before they began, from whatever process, and want
//! the last one anew.

use baton_handoff::ids::{ConversationId, TurnNumber};
use baton_handoff::ports::ClientEndpoint;
use baton_handoff::{CannotPush, CannotRegenerate, Kind, Principal, StopError};
use tokio::sync::mpsc::unbounded_channel;

use crate::customers::{Customers, Line, relay};
use crate::world::lock;

impl Customers {
    /// Presses stop some time after the turn was accepted, maybe again, and maybe on a turn that nobody has heard of.
    pub(crate) fn maybe_stop(&self, id: &ConversationId, who: &Principal, turn: TurnNumber) {
        let (world, whims) = (&self.town.world, self.town.weather().whims);
        if !world.happens(whims) {
            return;
        }
        for _ in 0..=world.below(2) {
            let (customer, conversation, who) = (self.clone(), id.clone(), who.clone());
            let turn = if world.happens(50) { turn + 1 } else { turn };
            lock(&self.memory).tally.stops += 1;
            self.spawn(async move { customer.stop(conversation, who, turn).await });
        }
    }

    async fn stop(&self, conversation: ConversationId, who: Principal, turn: TurnNumber) {
        let world = &self.town.world;
        world.sleep(self.moment()).await;
        for _ in 0..5 {
            let Some((process, engine)) = self.town.any_process() else {
                world.sleep(1_000).await;
                continue;
            };
            let (answer, mut heard) = unbounded_channel();
            let (town, id, who) = (self.town.clone(), conversation.clone(), who.clone());
            world.note(|| format!("turn {turn} of {conversation} is to stop"));
            world.spawn(process, async move {
                town.audit.asks(&who);
                let _hung_up = answer.send(engine.conversation(&id, &who).stop(turn).await);
            });
            match heard.recv().await {
                Some(Ok(()) | Err(StopError::NotFound)) => return,
                Some(Err(StopError::Store(_))) | None => world.sleep(500).await,
            }
        }
    }

    /// Brings an endpoint that is to be told of the turn: before, while or after it runs.
    pub(crate) fn maybe_push(&self, id: &ConversationId, who: &Principal, turn: TurnNumber) {
        let (world, whims) = (&self.town.world, self.town.weather().whims);
        if matches!(who.kind(), Some(Kind::Customer | Kind::Service)) && world.happens(whims) {
            let (customer, conversation, who) = (self.clone(), id.clone(), who.clone());
            self.spawn(async move { customer.push(conversation, who, turn).await });
        }
    }

    async fn push(&self, conversation: ConversationId, who: Principal, turn: TurnNumber) {
        let world = &self.town.world;
        world.sleep(self.moment()).await;
        let endpoint = ClientEndpoint {
            id: "mine".to_owned(),
            url: "https://client.example".to_owned(),
            token: None,
            authentication: None,
        };
        for _ in 0..5 {
            let Some((process, engine)) = self.town.any_process() else {
                world.sleep(1_000).await;
                continue;
            };
            let (answer, mut heard) = unbounded_channel();
            let (town, id, who) = (self.town.clone(), conversation.clone(), who.clone());
            let endpoint = endpoint.clone();
            world.spawn(process, async move {
                town.audit.asks(&who);
                let opened = engine.conversation(&id, &who);
                let _hung_up = answer.send(opened.set_push(turn, &endpoint).await);
            });
            match heard.recv().await {
                Some(Err(CannotPush::Store(_))) | None => world.sleep(500).await,
                Some(_) => return,
            }
        }
    }

    /// Soon, in the middle of it, or when it is long over.
    fn moment(&self) -> u64 {
        let world = &self.town.world;
        match world.below(3) {
            0 => world.below(100),
            1 => world.below(3_000),
            _ => world.below(60_000),
        }
    }

    /// Wants the last answer of the conversation anew, whatever it is by then.
    pub(crate) fn regenerate_last(&self, conversation: ConversationId, who: Principal) {
        let customer = self.clone();
        self.spawn(async move { customer.regenerate(conversation, who).await });
    }

    async fn regenerate(&self, conversation: ConversationId, who: Principal) {
        let world = &self.town.world;
        world.sleep(self.moment()).await;
        let Some((process, engine)) = self.town.any_process() else {
            return;
        };
        let Some(last) = self.town.audit.last_turn(&conversation) else {
            return;
        };
        let (lines, mut heard) = unbounded_channel();
        let (town, id, asker) = (self.town.clone(), conversation.clone(), who.clone());
        world.note(|| format!("turn {last} of {conversation} is wanted anew"));
        world.spawn(process, async move {
            town.audit.asks(&asker);
            match engine.conversation(&id, &asker).regenerate(last).await {
                Ok(accepted) => {
                    let _hung_up = lines.send(Line::Accepted(accepted.turn));
                    relay(&accepted.log, &lines).await;
                }
                // The customer sees a sentence and leaves it at that.
                Err(
                    CannotRegenerate::NotFound
                    | CannotRegenerate::NotTheLast
                    | CannotRegenerate::NoMessage
                    | CannotRegenerate::OverBound(_)
                    | CannotRegenerate::Store(_),
                ) => {}
            }
        });
        if let Some(Line::Accepted(turn)) = heard.recv().await {
            lock(&self.memory).tally.regenerations += 1;
            self.maybe_stop(&conversation, &who, turn);
            self.listen(who, conversation, turn, heard).await;
        }
    }
}
