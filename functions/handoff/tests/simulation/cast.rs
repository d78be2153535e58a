//! All principals: visitors, customers, programs, operators and callers without a credential, of two tenants; and the conversations
//! that are theirs. Equal names of several owners are different conversations.

use std::sync::Arc;

use baton_handoff::ids::ConversationId;
use baton_handoff::{Conversation, Engine, Kind, Principal, Subject, Tenant};

use crate::town::Town;
use crate::weather::Weather;
use crate::world::World;

/// Subjects are the same in both tenants and in several kinds: nothing may mix them up.
const PEOPLE: [(&str, Kind, &str); 9] = [
    ("default", Kind::Visitor, "v0"),
    ("default", Kind::Visitor, "ann"),
    ("other", Kind::Visitor, "v0"),
    ("default", Kind::Customer, "ann"),
    ("default", Kind::Customer, "bob"),
    ("other", Kind::Customer, "ann"),
    ("default", Kind::Service, "ann"),
    ("default", Kind::Operator, "carl"),
    ("other", Kind::Operator, "carl"),
];

/// A conversation that one of its hosts begins.
#[derive(Debug, Clone)]
pub(crate) struct Venue {
    /// Its name among its owner's.
    pub(crate) name: ConversationId,
    pub(crate) id: ConversationId,
    /// The principals that may begin it. The one that does owns it, and the others find nothing there.
    pub(crate) hosts: Vec<Principal>,
}

#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) people: Vec<Principal>,
    pub(crate) venues: Vec<Venue>,
}

pub(crate) fn person(tenant: &str, kind: Kind, subject: &str) -> Principal {
    let subject = Subject::parse(subject).expect("a subject");
    Principal::new(Tenant::parse(tenant).expect("a tenant"), kind, subject)
}

impl Cast {
    pub(crate) fn gather(world: &World, weather: &Weather, engine: &Arc<Engine>) -> Self {
        let named = PEOPLE
            .into_iter()
            .map(|(tenant, kind, subject)| person(tenant, kind, subject));
        let people: Vec<_> = std::iter::once(Principal::Open).chain(named).collect();
        let of = |kind: Option<Kind>| -> Vec<Principal> {
            let all = people.iter().filter(|who| who.kind() == kind);
            all.cloned().collect()
        };
        let one = |mut all: Vec<Principal>| vec![all.swap_remove(world.index(all.len()))];
        let venues = (0..weather.conversations).map(|number| {
            let hosts = match world.below(10) {
                0..3 => of(None),
                3..6 => one(of(Some(Kind::Visitor))),
                6..8 => one(of(Some(Kind::Customer))),
                8 => one(of(Some(Kind::Service))),
                // Only these call a conversation by its real id before it exists.
                _ => [of(None), of(Some(Kind::Operator))].concat(),
            };
            let is_literal = hosts.contains(&Principal::Open);
            let name = if !is_literal && world.happens(500) {
                "c0".to_owned()
            } else {
                format!("c{number}")
            };
            let name = ConversationId::parse(&name).expect("an id");
            let id = engine.conversation(&name, &hosts[0]).id().clone();
            Venue { name, id, hosts }
        });
        let venues = venues.collect();
        Self { people, venues }
    }

    /// All of this kind.
    pub(crate) fn of(&self, kind: Kind) -> Vec<Principal> {
        let all = self.people.iter().filter(|who| who.kind() == Some(kind));
        all.cloned().collect()
    }
}

/// Whether this is a name in the principal's own space, so that the conversation is its own.
pub(crate) fn is_own_name(name: &ConversationId, who: &Principal) -> bool {
    let literal = matches!(who.kind(), None | Some(Kind::Operator));
    !literal && !name.is_made()
}

impl Town {
    /// Opens a conversation as a server does.
    pub(crate) fn open(
        &self,
        engine: &Arc<Engine>,
        called: &ConversationId,
        who: &Principal,
    ) -> Conversation {
        let conversation = engine.conversation(called, who);
        if is_own_name(called, who) {
            self.audit.named(conversation.id(), &who.owner());
        }
        conversation
    }

    /// A principal that may speak in the conversation now, and its name for it. A visitor that has signed in may still try.
    pub(crate) fn host_of(&self, venue: &Venue) -> (Principal, ConversationId) {
        let world = &self.world;
        let Some(owner) = self.audit.owner_of(&venue.id) else {
            let host = &venue.hosts[world.index(venue.hosts.len())];
            return (host.clone(), venue.name.clone());
        };
        let people = &self.cast().people;
        let of = |owner| people.iter().find(|who| who.owner() == owner).cloned();
        let became = self.audit.customer_of(&owner).and_then(of);
        if let Some(customer) = became.filter(|_| world.happens(700)) {
            return (customer, venue.id.clone());
        }
        let by_name = world.happens(500);
        let called = if by_name { &venue.name } else { &venue.id };
        let host = of(owner).unwrap_or(Principal::Open);
        (host, called.clone())
    }

    /// The principal that speaks in this conversation by now.
    pub(crate) fn speaker(&self, conversation: &ConversationId) -> Principal {
        let owner = self.audit.owner_of(conversation);
        let owner = owner.map(|owner| self.audit.customer_of(&owner).unwrap_or(owner));
        let mut people = self.cast().people.iter();
        let speaker = people.find(|who| Some(who.owner()) == owner);
        speaker.cloned().unwrap_or(Principal::Open)
    }
}
