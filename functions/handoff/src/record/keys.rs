//! The keys of one conversation's records.

use crate::ids::{ActionId, ConversationId, MessageId, TurnNumber};
use crate::ports::Key;
use crate::principal::Owner;

/// The partition of a conversation.
pub fn partition(conversation: &ConversationId) -> String {
    format!("C#{conversation}")
}

/// Its META record.
pub fn meta(conversation: &ConversationId) -> Key {
    Key::new(partition(conversation), "META")
}

/// The record that remembers a client's message id.
pub(crate) fn message(conversation: &ConversationId, id: &MessageId) -> Key {
    Key::new(partition(conversation), format!("M#{id}"))
}

/// The common prefix of the sort keys of a turn and of all its records.
pub(crate) fn turn_prefix(turn: TurnNumber) -> String {
    format!("T#{turn:010}")
}

/// A turn.
pub fn turn(conversation: &ConversationId, turn: TurnNumber) -> Key {
    Key::new(partition(conversation), turn_prefix(turn))
}

/// A step of a turn.
pub fn step(conversation: &ConversationId, turn: TurnNumber, step: u32) -> Key {
    Key::new(
        partition(conversation),
        format!("{}#S#{step:04}", turn_prefix(turn)),
    )
}

/// An action of a turn.
pub fn action(action: &ActionId) -> Key {
    Key::new(
        partition(&action.conversation),
        format!("{}#A#{}", turn_prefix(action.turn), action.hash()),
    )
}

/// The common prefix of the sort keys of a conversation's summaries.
pub(crate) const SUMMARIES: &str = "Z#";

/// A summary of the turns up to this one.
pub fn summary(conversation: &ConversationId, upto: TurnNumber) -> Key {
    Key::new(partition(conversation), format!("{SUMMARIES}{upto:010}"))
}

/// The last turn that the summary at this sort key covers.
pub(crate) fn parse_summary(sort: &str) -> Option<TurnNumber> {
    sort.strip_prefix(SUMMARIES)?.parse().ok()
}

/// The common prefix of the sort keys of the endpoints that clients have brought.
pub(crate) const PUSHES: &str = "P#";

/// The endpoint that a client has brought for this turn.
pub(crate) fn push(conversation: &ConversationId, turn: TurnNumber) -> Key {
    Key::new(partition(conversation), format!("{PUSHES}{turn:010}"))
}

/// The turn of the endpoint at this sort key.
pub(crate) fn parse_push(sort: &str) -> Option<TurnNumber> {
    sort.strip_prefix(PUSHES)?.parse().ok()
}

/// What an owner's actions have moved on a day under limits on money.
pub(crate) fn spent_by(owner: &Owner, day: u32) -> Key {
    Key::new(format!("L#{owner}#{day}"), "SPENT")
}

/// A share of what all actions of a tenant have moved on a day. An owner has a slash in it, and a tenant has none.
pub(crate) fn spent_in(tenant: &str, day: u32, share: u32) -> Key {
    Key::new(format!("L#{tenant}#{day}#{share}"), "SPENT")
}

/// Whether this is the sort key of an action.
pub(crate) fn is_action(sort: &str) -> bool {
    matches!(parse_turn_part(sort), Some((_, TurnPart::Action(_))))
}

/// The kind of a sort key under `T#`.
pub enum TurnPart<'a> {
    /// The turn itself.
    Turn,
    /// A step with its number.
    Step(u32),
    /// An action with its hash.
    Action(&'a str),
}

/// Parses a sort key under `T#`.
pub fn parse_turn_part(sort: &str) -> Option<(TurnNumber, TurnPart<'_>)> {
    let mut parts = sort.strip_prefix("T#")?.splitn(3, '#');
    let turn = parts.next()?.parse().ok()?;
    let part = match (parts.next(), parts.next()) {
        (None, _) => TurnPart::Turn,
        (Some("S"), Some(step)) => TurnPart::Step(step.parse().ok()?),
        (Some("A"), Some(hash)) => TurnPart::Action(hash),
        (Some(_), _) => return None,
    };
    Some((turn, part))
}
