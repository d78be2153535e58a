//! Clients that bring tools of their own: they execute a call soon or late, answer it once or twice, in part, or with calls that nobody
//! made. Others try it too.

use baton_handoff::event::ClientCalled;
use baton_handoff::ids::{ConversationId, MessageId};
use baton_handoff::record::TurnRecord;
use baton_handoff::{Client, ClientResult, ClientTool, Principal, Submission};
use serde_json::json;

use crate::customers::{Customers, Letter};
use crate::world::World;

/// What every result of a client begins with: no other word has it in front.
pub(crate) const RESULT: &str = "door-";

/// Two tools; the team has one of the second name.
pub(crate) fn tools() -> Vec<ClientTool> {
    let tool = |name: &str| ClientTool {
        name: name.to_owned(),
        description: "Opens a door.".to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {"door": {"type": "integer"}},
            "required": ["door"]
        }),
    };
    vec![tool("open_door"), tool("look_up_item")]
}

/// Whether a model calls a tool of a client by this name.
pub(crate) fn is_offered(name: &str) -> bool {
    name == "open_door" || name.starts_with("client_")
}

/// The words by which a message is known here: its own, or those of the results that it brings.
pub(crate) fn words_of(message: &Submission) -> String {
    let results = message.client.results.iter().map(|result| &*result.result);
    words(&message.message, results)
}

/// The same of its turn.
pub(crate) fn words_in(record: &TurnRecord) -> String {
    let results = record.client.results.iter().map(|answer| &*answer.result);
    words(&record.message, results)
}

fn words<'a>(message: &'a str, results: impl Iterator<Item = &'a str>) -> String {
    std::iter::once(message).chain(results).collect()
}

impl Customers {
    /// What becomes of the calls that a client was given.
    pub(crate) fn execute_some_time(
        &self,
        id: &ConversationId,
        who: &Principal,
        calls: Vec<ClientCalled>,
    ) {
        let world = &self.town.world;
        for _ in 0..[0, 1, 1, 2][world.index(4)] {
            let (customer, id, calls) = (self.clone(), id.clone(), calls.clone());
            let mut who = who.clone();
            if world.happens(50) {
                let people = &self.town.cast().people;
                who = people[world.index(people.len())].clone();
            }
            self.spawn(async move { customer.execute(id, who, calls).await });
        }
    }

    async fn execute(&self, called: ConversationId, from: Principal, calls: Vec<ClientCalled>) {
        let world = &self.town.world;
        let longest = if world.happens(700) { 3_000 } else { 60_000 };
        world.sleep(world.below(longest)).await;
        let bytes = calls.iter().flat_map(|called| called.call.bytes());
        // Whoever answers the same calls brings the same tools: of two only one is taken, and both may ask.
        let brings = bytes.map(u32::from).sum::<u32>() % 2 == 0;
        let calls = calls.into_iter().map(|called| called.call);
        let mut calls: Vec<_> = calls.filter(|_| world.happens(900)).collect();
        if world.happens(30) {
            calls.push("nobody_made_this".to_owned());
        }
        if calls.is_empty() {
            return;
        }
        let results = calls.into_iter().map(|call| result(world, call));
        let results: Vec<_> = results.collect();
        let Some((_, engine)) = self.town.any_process() else {
            return;
        };
        // To another principal the same name may be its own conversation.
        let id = self.town.open(&engine, &called, &from).id().clone();
        let message_id = world.happens(500).then(|| {
            let id = results.first().map(|result| result.result.clone());
            MessageId::parse(&id.unwrap_or_default()).expect("an id")
        });
        let letter = Letter {
            called,
            id,
            from,
            message: Submission {
                message_id,
                background: world.happens(100),
                client: Client {
                    tools: if brings { tools() } else { Vec::new() },
                    results,
                },
                ..Submission::default()
            },
        };
        if letter.message.message_id.is_some() && world.happens(300) {
            let (customer, again) = (self.clone(), letter.clone());
            self.spawn(async move {
                let world = &customer.town.world;
                world.sleep(world.below(300)).await;
                customer.send(again, false).await;
            });
        }
        self.send(letter, false).await;
    }
}

fn result(world: &World, call: String) -> ClientResult {
    ClientResult {
        call,
        result: format!("{RESULT}{}", world.below(1 << 40)),
        failed: world.happens(200),
    }
}
