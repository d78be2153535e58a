//! The retry rules of an action: its number of attempts, the age of its idempotency key and the outcome of its last attempt.
//! Knows the record and the tool; never the store or the worker.

use std::time::Duration;

use crate::ports::{Millis, Outcome, ToolRequest, jitter, millis};
use crate::record::{ActionRecord, ActionState};

/// How often an action is tried before a person must look.
const MAX_ATTEMPTS: u32 = 10;

/// The longest pause before the first retry. The limit doubles with each further retry.
pub(crate) const FIRST_RETRY: Millis = 500;

/// No retry waits longer than this, unless the service asks for it.
const LONGEST_RETRY: Millis = 300_000;

/// The longest pause that a service may ask for: it must not be able to postpone an action for ever.
const LONGEST_ASKED: Millis = 3_600_000;

/// The effect of an outcome on the record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The action has ended.
    For(ActionState, String),
    /// Its service reports the end, within this time.
    Reported(Duration),
    /// Try it again. The service may have asked for a minimum pause.
    Again(String, Option<Duration>),
}

/// The effect of an outcome on an action. `first_try`: no earlier attempt can have reached the service. `remembers_refusals`: the
/// service also refuses an earlier attempt that arrives later.
pub(crate) fn ended(outcome: Outcome, first_try: bool, remembers_refusals: bool) -> Ended {
    let refusal_is_final = first_try || remembers_refusals || sabotage!(RefusalForgetsTries);
    match outcome {
        Outcome::Done(result) => Ended::For(ActionState::Done, result),
        Outcome::Begun(within) => Ended::Reported(within),
        Outcome::Rejected(reason) if refusal_is_final => Ended::For(ActionState::Rejected, reason),
        // A customer would read "rejected", and then the earlier attempt would take effect.
        Outcome::Rejected(reason) => Ended::For(
            ActionState::Unknown,
            format!(
                "an earlier try was not answered and may still be carried out; the last one was refused: {reason}"
            ),
        ),
        Outcome::Unknown(reason) => Ended::For(ActionState::Unknown, reason),
        Outcome::Conflict(reason, _) if first_try => Ended::For(ActionState::Rejected, reason),
        Outcome::Conflict(_, after) => Ended::Again(
            "the service has a conflict, maybe with an earlier try".to_owned(),
            after,
        ),
        Outcome::NotSent(reason) => Ended::Again(reason, None),
        Outcome::Busy(reason, after) | Outcome::Retry(reason, after) => Ended::Again(reason, after),
    }
}

/// The state and the reason of an action that must not be tried any more; `None` while it may.
pub(crate) fn spent(
    action: &ActionRecord,
    request: &ToolRequest,
    now: Millis,
    claim_margin: Millis,
) -> Option<(ActionState, String)> {
    let retries = request.tool.runs.retries;
    let enough = action.attempts >= MAX_ATTEMPTS;
    let tried = || format!("it was tried {} times", action.attempts);
    let Some(first_try_at) = action.first_try_at else {
        // The service was not reached. Without idempotency keys the attempts before an operator's decision count: the operator
        // saw no effect so far, and one may still come.
        let state = if action.tried_before {
            ActionState::Unknown
        } else {
            ActionState::Rejected
        };
        return enough.then(|| (state, "the service could not be reached".to_owned()));
    };
    let through = now.saturating_sub(first_try_at) + claim_of(request, claim_margin);
    let reason = if enough {
        tried()
    } else if !retries.has_keys {
        "it was tried, and the service could not tell a second try from a second action".to_owned()
    } else if retries.key_life.is_some_and(|life| through > millis(life)) {
        "the service may have forgotten the first try by the end of another one".to_owned()
    } else if through > millis(request.tool.retry) {
        format!("{}, and nothing is tried for longer", tried())
    } else {
        return None;
    };
    Some((ActionState::Unknown, reason))
}

/// The pause before the next attempt. Full jitter, so that actions that failed together are not retried together.
pub(crate) fn wait(attempts: u32, asked: Option<Duration>, random: u128) -> Millis {
    let ceiling = (FIRST_RETRY << attempts.min(12)).min(LONGEST_RETRY);
    let asked = asked.map_or(0, |asked| millis(asked).min(LONGEST_ASKED));
    millis(jitter(Duration::from_millis(ceiling), random)).max(asked)
}

/// How long a claim lasts: the call, and the time to record its outcome.
pub(crate) fn claim_of(request: &ToolRequest, margin: Millis) -> Millis {
    timeout_of(request) + margin
}

pub(crate) fn timeout_of(request: &ToolRequest) -> Millis {
    millis(request.tool.timeout)
}

/// When a caller cancels a call: a little after the call's own time-out. A process that was suspended still gets the time to read
/// an answer that has arrived.
pub(crate) fn given_up_after(request: &ToolRequest) -> Millis {
    timeout_of(request) + 1_500
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ids::{ActionId, ConversationId};
    use crate::ports::CallContext;
    use crate::principal::Owner;
    use crate::speaker::Speaker;
    use crate::team::{Service, Team};

    const HOUR: Millis = 3_600_000;
    const MARGIN: Millis = 15_000;
    const ACCEPTED: Millis = 1_790_000_000_000;

    fn request(service: &str) -> ToolRequest {
        let text = format!(
            r#"name = "Shop"
entry = "Front"
[[agent]]
name = "Front"
instructions = "Help."
tools = ["book"]
[[tool]]
name = "book"
kind = "action"
description = "Books."
[tool.service]
{service}
"#
        );
        let team = Team::parse("team.toml", &text, &[&Service]).unwrap();
        let tool = team.tool("book").unwrap().clone();
        ToolRequest {
            arguments: Arc::new(tool.check("{}").unwrap()),
            tool,
            context: CallContext::new(Owner::none(), ConversationId::parse("c").unwrap(), 1),
        }
    }

    fn tried(attempts: u32, first_try_at: Option<Millis>) -> ActionRecord {
        ActionRecord {
            id: ActionId::new(ConversationId::parse("c").unwrap(), 1, "book", "{}", 0),
            owner: Owner::none(),
            speaker: Speaker::default(),
            tool: "book".to_owned(),
            arguments: "{}".to_owned(),
            amount_cents: None,
            over: None,
            confirmation: None,
            agent: "Front".to_owned(),
            state: ActionState::Queued,
            accepted_at: ACCEPTED,
            ended_at: None,
            due_at: ACCEPTED,
            attempts,
            first_try_at,
            tried_before: false,
            awaited_until: None,
            place: 0,
            after: None,
            fence: 1,
            holder: String::new(),
            result: None,
            reason: None,
            reason_for_customer: None,
            approvals: Vec::new(),
            decided: None,
            receipt: 0,
        }
    }

    fn state_at(action: &ActionRecord, request: &ToolRequest, now: Millis) -> Option<ActionState> {
        spent(action, request, now, MARGIN).map(|(state, _)| state)
    }

    #[test]
    fn the_life_of_a_key_counts_from_the_first_try_and_not_from_acceptance() {
        let request = request("key_life_minutes = 30");
        let approved = ACCEPTED + 70 * HOUR;
        assert_eq!(state_at(&tried(0, None), &request, approved), None);
        let action = tried(1, Some(approved));
        assert_eq!(state_at(&action, &request, approved + HOUR / 4), None);
        // Time for the call and the record of its outcome must remain: 10 s and 15 s.
        let last = approved + HOUR / 2 - 25_000;
        assert_eq!(state_at(&action, &request, last), None);
        assert_eq!(
            state_at(&action, &request, last + 1),
            Some(ActionState::Unknown)
        );
    }

    #[test]
    fn a_service_without_keys_is_tried_again_only_if_nothing_was_sent() {
        let request = request("keys = false");
        assert_eq!(state_at(&tried(3, None), &request, ACCEPTED), None);
        assert_eq!(
            state_at(&tried(1, Some(ACCEPTED)), &request, ACCEPTED),
            Some(ActionState::Unknown)
        );
    }

    #[test]
    fn an_action_ends_rejected_if_no_attempt_can_have_arrived_and_unknown_otherwise() {
        let request = request("");
        assert_eq!(
            state_at(&tried(10, None), &request, ACCEPTED),
            Some(ActionState::Rejected)
        );
        assert_eq!(
            state_at(&tried(10, Some(ACCEPTED)), &request, ACCEPTED),
            Some(ActionState::Unknown)
        );
    }

    #[test]
    fn trying_ends_after_an_hour_where_the_key_lives_longer() {
        let request = request("");
        let action = tried(3, Some(ACCEPTED));
        let last = ACCEPTED + HOUR - 25_000;
        assert_eq!(state_at(&action, &request, last), None);
        assert_eq!(
            state_at(&action, &request, last + 1),
            Some(ActionState::Unknown)
        );
    }

    #[test]
    fn a_conflict_is_final_only_on_the_first_attempt() {
        let conflict = || Outcome::Conflict("taken".to_owned(), None);
        assert_eq!(
            ended(conflict(), true, true),
            Ended::For(ActionState::Rejected, "taken".to_owned())
        );
        assert!(matches!(
            ended(conflict(), false, true),
            Ended::Again(_, None)
        ));
    }

    #[test]
    fn a_refusal_is_not_final_while_an_earlier_attempt_may_arrive() {
        let state = |first_try, remembers| match ended(
            Outcome::Rejected("no".to_owned()),
            first_try,
            remembers,
        ) {
            Ended::For(state, reason) => {
                assert!(reason.ends_with("no"), "{reason}");
                state
            }
            Ended::Again(..) | Ended::Reported(_) => panic!("a refusal is the end"),
        };
        assert_eq!(state(true, false), ActionState::Rejected);
        assert_eq!(state(false, true), ActionState::Rejected);
        assert_eq!(state(false, false), ActionState::Unknown);
    }

    #[test]
    fn a_service_may_ask_for_an_hour_at_most() {
        let asked = |seconds| wait(1, Some(Duration::from_secs(seconds)), 0);
        assert_eq!(asked(90), 90_000);
        assert_eq!(asked(u64::MAX), HOUR);
        let most = Duration::from_millis(2 * FIRST_RETRY).as_nanos();
        assert_eq!(wait(1, None, most), 2 * FIRST_RETRY);
    }
}
