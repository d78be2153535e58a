//! What one owner, one address, and all of them together may take of this process: one table, with the defaults.
//! Knows numbers and names; never an address, a request or a setting's text.

pub(crate) mod counts;
pub(crate) mod places;
pub(crate) mod rates;
mod shared;

use std::time::Duration;

use crate::ids::ConversationId;
use crate::ports::Millis;
use crate::principal::Owner;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

/// One bound. Its name is the setting's word and stands in every refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bound {
    /// Turns of one owner that run at once, also those whose caller hung up.
    TurnsOwner,
    /// The same of one address.
    TurnsAddress,
    /// The same of all visitors together.
    TurnsVisitors,
    /// The same in all.
    TurnsAll,
    /// Turns of one conversation that wait.
    WaitingConversation,
    /// Open streams of one owner.
    StreamsOwner,
    /// Open streams of one address.
    StreamsAddress,
    /// Open streams in all.
    StreamsAll,
    /// Those of an owner that follow a conversation and are idle most of the time.
    FollowsOwner,
    /// The same of one address.
    FollowsAddress,
    /// Messages and regenerations of one owner in a minute.
    MessagesOwner,
    /// The same of one address.
    MessagesAddress,
    /// Bytes of all conversations of one owner.
    BytesOwner,
    /// Conversations that one owner begins in an hour.
    ConversationsOwner,
    /// The same of one address.
    ConversationsAddress,
    /// Visitors that one address becomes in an hour.
    VisitorsAddress,
    /// Open actions of one conversation.
    ActionsConversation,
    /// Actions of one tool that a pool tries at once.
    PlacesTool,
}

/// Who is to come again later, and who meets the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One owner, conversation or tool.
    One,
    /// One address.
    Address,
    /// All.
    All,
}

struct Row {
    name: &'static str,
    unless_set: u64,
    /// The highest value that may be set.
    most: u64,
    scope: Scope,
    /// Of a rate: over which time it counts.
    window: Option<Millis>,
    /// What there is too much of, for the client.
    sentence: &'static str,
}

/// Higher numbers mean nothing to any machine.
const MOST: u64 = 1_000_000;

const fn at_once(name: &'static str, unless_set: u64, scope: Scope, sentence: &'static str) -> Row {
    Row {
        name,
        unless_set,
        most: MOST,
        scope,
        window: None,
        sentence,
    }
}

const fn rate(
    name: &'static str,
    unless_set: u64,
    window: Millis,
    scope: Scope,
    sentence: &'static str,
) -> Row {
    Row {
        name,
        unless_set,
        most: MOST,
        scope,
        window: Some(window),
        sentence,
    }
}

impl Bound {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::TurnsOwner,
        Self::TurnsAddress,
        Self::TurnsVisitors,
        Self::TurnsAll,
        Self::WaitingConversation,
        Self::StreamsOwner,
        Self::StreamsAddress,
        Self::StreamsAll,
        Self::FollowsOwner,
        Self::FollowsAddress,
        Self::MessagesOwner,
        Self::MessagesAddress,
        Self::BytesOwner,
        Self::ConversationsOwner,
        Self::ConversationsAddress,
        Self::VisitorsAddress,
        Self::ActionsConversation,
        Self::PlacesTool,
    ];

    #[rustfmt::skip]
    const fn row(self) -> Row {
        use Scope::{Address, All, One};
        match self {
            Self::TurnsOwner => at_once("turns.owner", 4, One, "too many of your messages are being answered"),
            Self::TurnsAddress => at_once("turns.address", 32, Address, "too many messages from your address are being answered"),
            Self::TurnsVisitors => at_once("turns.visitors", 2_048, All, "too many messages of visitors are being answered"),
            Self::TurnsAll => at_once("turns.all", 4_096, All, "too many messages are being answered"),
            // Each of them is ended in one commit by a message that interrupts.
            Self::WaitingConversation => Row { most: 32, ..at_once("waiting.conversation", 8, One, "too many messages of this conversation wait already") },
            Self::StreamsOwner => at_once("streams.owner", 16, One, "you have too many open streams"),
            Self::StreamsAddress => at_once("streams.address", 64, Address, "your address has too many open streams"),
            Self::StreamsAll => at_once("streams.all", 16_384, All, "too many streams are open"),
            Self::FollowsOwner => at_once("follows.owner", 8, One, "you follow conversations in too many streams"),
            Self::FollowsAddress => at_once("follows.address", 32, Address, "your address follows conversations in too many streams"),
            Self::MessagesOwner => rate("messages.owner", 20, MINUTE, One, "you have sent too many messages in a minute"),
            Self::MessagesAddress => rate("messages.address", 120, MINUTE, Address, "your address has sent too many messages in a minute"),
            Self::BytesOwner => Row { most: u64::MAX, ..at_once("bytes.owner", 50_000_000, One, "your conversations take too much room: erase some") },
            Self::ConversationsOwner => rate("conversations.owner", 200, HOUR, One, "you have begun too many conversations in an hour"),
            Self::ConversationsAddress => rate("conversations.address", 200, HOUR, Address, "your address has begun too many conversations in an hour"),
            Self::VisitorsAddress => rate("visitors.address", 60, HOUR, Address, "your address has become too many visitors in an hour"),
            // META names each of them, and has a bounded size.
            Self::ActionsConversation => Row { most: 32, ..at_once("actions.conversation", 32, One, "too many actions of this conversation are open") },
            Self::PlacesTool => at_once("places.tool", 16, One, "too many actions of this tool are tried"),
        }
    }

    /// Its name in settings and refusals.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The bound of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bound| bound.name() == name)
    }

    /// The highest value that it may be set to.
    pub fn most(self) -> u64 {
        self.row().most
    }

    /// Who meets it.
    pub fn scope(self) -> Scope {
        self.row().scope
    }

    /// Of a rate: over which time it counts, in milliseconds.
    pub(crate) fn window(self) -> Option<Millis> {
        self.row().window
    }
}

/// The value of each bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds([u64; Bound::ALL.len()]);

impl Default for Bounds {
    fn default() -> Self {
        Self(Bound::ALL.map(|bound| bound.row().unless_set))
    }
}

impl Bounds {
    /// Almost none, for benchmarks: only those that bound a record stay.
    pub fn off() -> Self {
        Self(Bound::ALL.map(|bound| match bound.row().most {
            MOST.. => u64::MAX,
            _ => bound.row().unless_set,
        }))
    }

    /// The value of one.
    pub fn of(&self, bound: Bound) -> u64 {
        let value = self.0.get(bound as usize).copied().unwrap_or_default();
        // One owner never takes more than a quarter of what all share, and visitors never more than half.
        match bound {
            Bound::TurnsOwner => value.min(self.part_of(Bound::TurnsAll, 4)),
            Bound::TurnsVisitors => value.min(self.part_of(Bound::TurnsAll, 2)),
            Bound::StreamsOwner | Bound::FollowsOwner => {
                value.min(self.part_of(Bound::StreamsAll, 4))
            }
            Bound::TurnsAddress
            | Bound::TurnsAll
            | Bound::WaitingConversation
            | Bound::StreamsAddress
            | Bound::StreamsAll
            | Bound::FollowsAddress
            | Bound::MessagesOwner
            | Bound::MessagesAddress
            | Bound::BytesOwner
            | Bound::ConversationsOwner
            | Bound::ConversationsAddress
            | Bound::VisitorsAddress
            | Bound::ActionsConversation
            | Bound::PlacesTool => value,
        }
    }

    fn part_of(&self, all: Bound, parts: u64) -> u64 {
        (self.of(all) / parts).max(1)
    }

    /// With this value for one.
    #[must_use]
    pub fn with(mut self, bound: Bound, value: u64) -> Self {
        if let Some(place) = self.0.get_mut(bound as usize) {
            *place = value;
        }
        self
    }

    /// With at most this value for one.
    #[must_use]
    pub fn at_most(self, bound: Bound, value: u64) -> Self {
        let now = self.of(bound);
        self.with(bound, now.min(value.max(1)))
    }

    /// The refusal of one more.
    pub fn over(&self, bound: Bound, retry_after: Duration) -> OverBound {
        OverBound {
            bound,
            value: self.of(bound),
            retry_after,
        }
    }
}

/// One more would be over a bound. Nothing was done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} ({} is {value})", bound.row().sentence, bound.name())]
pub struct OverBound {
    /// The bound.
    pub bound: Bound,
    /// Its value.
    pub value: u64,
    /// When to come again.
    pub retry_after: Duration,
}

/// Whom a bound per owner counts: an owner, or a conversation that has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Party {
    /// An owner.
    Owner(Owner),
    /// A conversation without an owner.
    Conversation(ConversationId),
}

impl Party {
    /// The party behind a conversation of this owner.
    pub fn of(owner: &Owner, conversation: &ConversationId) -> Self {
        if owner.is_none() {
            Self::Conversation(conversation.clone())
        } else {
            Self::Owner(owner.clone())
        }
    }

    pub(crate) fn is_visitor(&self) -> bool {
        match self {
            Self::Owner(owner) => owner.subject(crate::principal::Kind::Visitor).is_some(),
            Self::Conversation(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_name_of_its_own_and_a_place_in_the_table() {
        for (place, bound) in Bound::ALL.into_iter().enumerate() {
            assert_eq!(bound as usize, place);
            assert_eq!(Bound::named(bound.name()), Some(bound));
            let changed = Bounds::default().with(bound, 1);
            assert_eq!(changed.of(bound), 1);
        }
        assert_eq!(Bound::named("turns"), None);
    }

    #[test]
    fn one_owner_never_takes_more_than_a_quarter_and_visitors_half() {
        let few = Bounds::default()
            .with(Bound::TurnsAll, 8)
            .with(Bound::StreamsAll, 20);
        assert_eq!(few.of(Bound::TurnsOwner), 2);
        assert_eq!(few.of(Bound::TurnsVisitors), 4);
        assert_eq!(few.of(Bound::StreamsOwner), 5);
        assert_eq!(few.of(Bound::FollowsOwner), 5);
        assert_eq!(Bounds::default().of(Bound::TurnsOwner), 4);
        assert_eq!(
            Bounds::default()
                .with(Bound::TurnsAll, 1)
                .of(Bound::TurnsOwner),
            1
        );
    }

    #[test]
    fn without_bounds_records_stay_bounded() {
        assert_eq!(Bounds::off().of(Bound::ActionsConversation), 32);
        assert_eq!(Bounds::off().of(Bound::WaitingConversation), 8);
        assert_eq!(Bounds::off().of(Bound::MessagesAddress), u64::MAX);
    }

    #[test]
    fn a_refusal_names_its_bound() {
        let over = Bounds::default().over(Bound::TurnsOwner, Duration::from_secs(1));
        let sentence = "too many of your messages are being answered (turns.owner is 4)";
        assert_eq!(over.to_string(), sentence);
    }
}
