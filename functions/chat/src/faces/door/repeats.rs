//! What makes a repeated message known as one: its id, and what is said once more under a derived one.

use baton_handoff::event::EventKind;
use baton_handoff::ids::{ConversationId, MessageId, TurnNumber};
use baton_handoff::{Accepted, Conversation, Seen, Submission, TurnLog};
use sha2::{Digest, Sha256};

use crate::edge::error::ApiError;
use crate::routes::turn_reference;

/// How often the same words are said again that have failed. Each is a read more.
const MOST_FAILURES: usize = 8;

/// What makes a repeated message known as one.
pub(crate) enum Id {
    /// The client's own name for it.
    Given(MessageId),
    /// Conversation, number of user messages in the request, and text: the same in the automatic repeats of a client that sends
    /// the history with each message.
    Derived {
        /// The number of user messages.
        users: usize,
    },
    /// Conversation, the turn that the client answers, and text: the same in each repeat of a client that names that turn.
    Behind {
        /// The turn; 0 before the first.
        turn: TurnNumber,
    },
    /// Nothing: a repeat is a second message.
    None,
}

impl Id {
    /// The id of these words. `again`: the turns that have failed for them so far.
    pub(super) fn of(
        &self,
        conversation: &ConversationId,
        words: &Submission,
        again: &[TurnNumber],
    ) -> Option<MessageId> {
        match self {
            Self::Given(id) => Some(id.clone()),
            Self::Derived { users } => derived(conversation, &users.to_string(), words, again),
            Self::Behind { turn } => derived(conversation, &format!("behind {turn}"), words, again),
            Self::None => None,
        }
    }
}

/// `d_` and the first 128 bits of a hash.
fn derived(
    conversation: &ConversationId,
    place: &str,
    words: &Submission,
    again: &[TurnNumber],
) -> Option<MessageId> {
    let mut hasher = Sha256::new();
    let numbers = again.iter().map(ToString::to_string);
    let calls = words.client.results.iter();
    let parts = [conversation.to_string(), place.to_owned()]
        .into_iter()
        .chain([words.message.clone()])
        .chain(calls.map(|result| result.call.clone()))
        .chain(numbers);
    for part in parts {
        // Its length first: parts that meet elsewhere are other parts.
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let bits = digest.iter().take(16);
    let bits = bits.fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    // It is a valid id.
    MessageId::parse(&format!("d_{bits:032x}")).ok()
}

/// Whether the turn is over, and the same words may be said once more: it failed in a way that may pass, and accepted nothing.
fn may_be_said_again(log: &TurnLog) -> bool {
    let mut may = false;
    let mut accepted = false;
    log.read_now(Seen::default(), |unread| {
        unread.for_each(|event| {
            accepted |= matches!(event.kind, EventKind::ActionQueued(_));
            if let EventKind::TurnFailed(code) = event.kind {
                may = code.retryable();
            }
        });
    });
    may && !accepted
}

/// Has the message recorded. Under a derived id a person who tries again after a failure sends what an automatic repeat would send:
/// what failed, and may be tried again, is said once more.
pub(super) async fn submit(
    opened: &Conversation,
    mut submission: Submission,
    id: &Id,
) -> Result<Accepted, ApiError> {
    let mut failed = Vec::new();
    loop {
        let accepted = opened.submit(submission.clone()).await.map_err(|refusal| {
            ApiError::from_refusal(&refusal, |turn| turn_reference(opened.id(), turn))
        })?;
        let is_derived = matches!(id, Id::Derived { .. } | Id::Behind { .. });
        if !is_derived || failed.len() == MOST_FAILURES || !may_be_said_again(&accepted.log) {
            return Ok(accepted);
        }
        failed.push(accepted.turn);
        submission.message_id = id.of(opened.id(), &submission, &failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_that_of_conversation_number_and_text() {
        let of = |conversation, users, text: &str, again: &[TurnNumber]| {
            let conversation = ConversationId::parse(conversation).unwrap();
            let words = Submission {
                message: text.to_owned(),
                ..Submission::default()
            };
            derived(&conversation, users, &words, again).unwrap()
        };
        let first = of("c", "1", "hello", &[]);
        assert_eq!(first, of("c", "1", "hello", &[]));
        for other in [
            of("d", "1", "hello", &[]),
            of("c", "2", "hello", &[]),
            of("c", "1", "hello!", &[]),
            of("c1", "1", "hello", &[]),
            of("c", "1", "hello", &[7]),
        ] {
            assert_ne!(first, other);
        }
    }

    #[tokio::test]
    async fn only_what_failed_for_a_while_and_accepted_nothing_is_said_again() {
        use baton_handoff::event::{ActionQueued, Event};
        use baton_handoff::failure::FailureCode;
        use baton_handoff::ids::ActionId;
        use baton_handoff::record::ActionState;

        let may = |kinds: Vec<EventKind>| {
            let log = TurnLog::default();
            for (offset, kind) in kinds.into_iter().enumerate() {
                log.push(Event {
                    position: format!("1.1.1.{offset}").parse().unwrap(),
                    agent: "".into(),
                    kind,
                });
            }
            may_be_said_again(&log)
        };
        let queued = || {
            EventKind::ActionQueued(Box::new(ActionQueued {
                action: ActionId::parse("c1.1.0a").unwrap(),
                call: "call_1".into(),
                name: "execute_order".into(),
                state: ActionState::Queued,
            }))
        };
        let failed = EventKind::TurnFailed;
        assert!(may(vec![failed(FailureCode::ModelCut)]));
        assert!(!may(vec![queued(), failed(FailureCode::ModelCut)]));
        assert!(!may(vec![failed(FailureCode::StepLimit)]));
        assert!(!may(vec![EventKind::TurnCompleted]));
        assert!(!may(vec![]));
    }
}
