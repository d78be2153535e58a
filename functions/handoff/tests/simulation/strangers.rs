//! Principals that try any conversation, by its real id or by a name that others use too. Whether they may, the audit says.

use baton_handoff::ids::ConversationId;
use baton_handoff::{Conversation, Followed, Overlap, Principal, Submission, View};
use tokio::sync::mpsc::unbounded_channel;

use crate::audit::people::{Asked, Need};
use crate::cast::is_own_name;
use crate::customers::{Customers, Letter};
use crate::world::lock;

impl Customers {
    /// Any principal does anything with any conversation.
    pub(crate) async fn intrude(&self, words: String) {
        let world = &self.town.world;
        world.sleep(world.below(20_000)).await;
        let cast = self.town.cast();
        let who = cast.people[world.index(cast.people.len())].clone();
        let venue = &cast.venues[world.index(cast.venues.len())];
        let by_name = world.happens(200);
        let called = if by_name { &venue.name } else { &venue.id };
        lock(&self.memory).tally.intrusions += 1;
        world.note(|| format!("{} tries {called}", who.owner()));
        match world.below(8) {
            0..3 => self.say(called, who, &words).await,
            3 => self.read(called, who).await,
            4 => self.export(called, who).await,
            5 => self.follow_last(called, who).await,
            6 => self.stop_last(called, who).await,
            _ => self.erase(called, who).await,
        }
    }

    /// Runs a task in this principal's name in any process. `None`: there is no process, or it has died.
    async fn ask<T: Send + 'static, F>(
        &self,
        called: &ConversationId,
        who: Principal,
        task: impl FnOnce(Conversation, Asked) -> F + Send + 'static,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (process, engine) = self.town.any_process()?;
        let (answer, mut heard) = unbounded_channel();
        let (town, called) = (self.town.clone(), called.clone());
        self.town.world.spawn(process, async move {
            let asked = town.audit.asks(&who);
            let conversation = town.open(&engine, &called, &who);
            let _hung_up = answer.send(task(conversation, asked).await);
        });
        heard.recv().await
    }

    /// One message with these words, in a conversation of this name or id.
    pub(crate) async fn say(&self, called: &ConversationId, from: Principal, words: &str) {
        let Some((_, engine)) = self.town.any_process() else {
            return;
        };
        let id = self.town.open(&engine, called, &from).id().clone();
        let letter = Letter {
            message: Submission {
                message: format!("[{id}] {words}"),
                message_id: None,
                background: false,
                overlap: Overlap::Queue,
                ..Submission::default()
            },
            id,
            called: called.clone(),
            from,
        };
        self.send(letter, false).await;
    }

    async fn read(&self, called: &ConversationId, who: Principal) {
        let audit = self.town.audit.clone();
        let task = move |conversation: Conversation, asked: Asked| async move {
            let id = conversation.id();
            let known = audit.opens(id, &asked, Need::Oversee);
            match conversation.history(None, 10, View::Customer).await {
                Ok(Some(_)) => audit.let_in(id, &asked, Need::Oversee, "read"),
                // It may have been erased meanwhile.
                Ok(None) if known && audit.opens(id, &asked, Need::Oversee) => {
                    audit.turned_away(id, &asked, "read");
                }
                Ok(None) | Err(_) => {}
            }
            if let Ok(Some(_)) = conversation.pulse().await {
                audit.let_in(id, &asked, Need::Oversee, "feel");
            }
        };
        let _read = self.ask(called, who, task).await;
    }

    async fn export(&self, called: &ConversationId, who: Principal) {
        let audit = self.town.audit.clone();
        let task = move |conversation: Conversation, asked: Asked| async move {
            let id = conversation.id();
            let Ok(Some(mut export)) = conversation.export(View::Customer).await else {
                return;
            };
            audit.let_in(id, &asked, Need::Oversee, "export");
            while let Ok(Some(_)) = conversation.next_of_export(&mut export).await {}
        };
        let _exported = self.ask(called, who, task).await;
    }

    async fn follow_last(&self, called: &ConversationId, who: Principal) {
        let audit = self.town.audit.clone();
        let task = move |conversation: Conversation, asked: Asked| async move {
            let id = conversation.id();
            let last = audit.last_turn(id).unwrap_or(1);
            match conversation.follow(last, None).await {
                Ok(Followed::Log(_) | Followed::NothingLeft(_)) => {
                    audit.let_in(id, &asked, Need::Oversee, "follow");
                }
                Ok(Followed::NoSuchTurn) | Err(_) => {}
            }
        };
        let _followed = self.ask(called, who, task).await;
    }

    async fn stop_last(&self, called: &ConversationId, who: Principal) {
        let audit = self.town.audit.clone();
        let task = move |conversation: Conversation, asked: Asked| async move {
            let id = conversation.id();
            let last = audit.last_turn(id).unwrap_or(1);
            if conversation.stop(last).await.is_ok() {
                audit.let_in(id, &asked, Need::Oversee, "stop");
            }
            if conversation.regenerate(last).await.is_ok() {
                audit.let_in(id, &asked, Need::Speak, "regenerate");
            }
        };
        let _stopped = self.ask(called, who, task).await;
    }

    /// In a simulation without erasures only strangers try to erase.
    async fn erase(&self, called: &ConversationId, who: Principal) {
        let (audit, erasures) = (self.town.audit.clone(), self.town.weather().erasures);
        let own_name = is_own_name(called, &who);
        let task = move |conversation: Conversation, asked: Asked| async move {
            let id = conversation.id();
            let theirs = own_name || audit.opens(id, &asked, Need::Oversee);
            if !theirs || erasures {
                let erased = conversation.erase().await;
                if erased.is_ok() {
                    audit.let_in(id, &asked, Need::Oversee, "erase");
                }
            }
        };
        let _erased = self.ask(called, who, task).await;
    }
}
