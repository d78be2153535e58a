//! Customers answer cards: soon or when it is too late, twice, with another answer, or to other arguments; some type a word. Others
//! try it too.

use baton_handoff::event::ConfirmationAsked;
use baton_handoff::ids::ConversationId;
use baton_handoff::{CannotConfirm, Kind, Overlap, Principal, Submission};
use tokio::sync::mpsc::unbounded_channel;

use crate::customers::{Customers, Letter};
use crate::world::lock;

impl Customers {
    /// What becomes of a card that somebody was shown.
    pub(crate) fn answer_some_time(
        &self,
        id: &ConversationId,
        who: &Principal,
        card: &ConfirmationAsked,
    ) {
        let world = &self.town.world;
        for _ in 0..world.below(3) {
            let (customer, id, who, card) = (self.clone(), id.clone(), who.clone(), card.clone());
            self.spawn(async move { customer.answer(id, who, card).await });
        }
        if world.happens(300) {
            let cast = self.town.cast();
            let people = if world.happens(500) {
                // They may read the conversation, and so know the card.
                cast.of(Kind::Operator)
            } else {
                cast.people.clone()
            };
            let stranger = people[world.index(people.len())].clone();
            let (customer, id, card) = (self.clone(), id.clone(), card.clone());
            self.spawn(async move { customer.answer(id, stranger, card).await });
        }
    }

    async fn answer(&self, id: ConversationId, who: Principal, card: ConfirmationAsked) {
        let world = &self.town.world;
        if world.happens(250) {
            // When it is over, and before a sweep has found that.
            let left = card.expires_at.saturating_sub(world.now());
            world.sleep(left + world.between(1_100, 5_000)).await;
        } else {
            world.sleep(world.below(20_000)).await;
        }
        let yes = world.happens(700);
        if world.happens(200) {
            return self.type_word(id, who, yes).await;
        }
        let mut hash = card.arguments_hash.clone();
        if world.happens(100) {
            hash = "0".repeat(hash.len());
        }
        for _ in 0..5 {
            let Some((process, engine)) = self.town.any_process() else {
                world.sleep(1_000).await;
                continue;
            };
            let (answer, mut heard) = unbounded_channel();
            let (town, action) = (self.town.clone(), card.action.clone());
            let (id, who, hash) = (id.clone(), who.clone(), hash.clone());
            world.spawn(process, async move {
                town.audit.asks(&who);
                town.audit.answers(&action, &hash, yes);
                let conversation = engine.conversation(&id, &who);
                let _hung_up = answer.send(conversation.confirm(&action, &hash, yes).await);
            });
            match heard.recv().await {
                Some(Ok(())) => {
                    lock(&self.memory).tally.answers += 1;
                    return;
                }
                Some(Err(CannotConfirm::NotFound | CannotConfirm::Stale(_))) => return,
                Some(Err(CannotConfirm::Store(_))) | None => world.sleep(500).await,
            }
        }
    }

    /// A word that the team lists, with an end of its own: a message is known by its words here.
    async fn type_word(&self, id: ConversationId, who: Principal, yes: bool) {
        let bits = self.town.world.bits();
        let end: String = (0..40)
            .map(|bit| if (bits >> bit) & 1 == 1 { '!' } else { '.' })
            .collect();
        let word = if yes { "Yes" } else { "no" };
        let Some((_, engine)) = self.town.any_process() else {
            return;
        };
        // To another principal the same name may be its own conversation.
        let called = id;
        let id = self.town.open(&engine, &called, &who).id().clone();
        let letter = Letter {
            called,
            id,
            from: who,
            message: Submission {
                message: format!("{word}{end}"),
                message_id: None,
                background: false,
                overlap: Overlap::Queue,
                ..Submission::default()
            },
        };
        self.send(letter, false).await;
    }
}
