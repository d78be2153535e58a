//! Whether an action is tried again, and when: how often it was tried, since when the other side may know its key, and what
//! came of the last try. Knows the record and the tool; never the store, nor who tries.

use std::time::Duration;

use crate::ports::{Millis, Outcome, ToolRequest, jitter, millis};
use crate::record::{ActionRecord, ActionState};

/// How often an action is tried before a person must look.
const MAX_ATTEMPTS: u32 = 10;

/// The first retry comes within this time, each further one within twice the time of the one before.
pub(crate) const FIRST_RETRY: Millis = 500;

/// No retry waits longer than this, unless the service asks for it.
const LONGEST_RETRY: Millis = 300_000;

/// What a service may ask for at most: it must not be able to put an action off for ever.
const LONGEST_ASKED: Millis = 3_600_000;

/// What a try comes to, for the record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is over.
    For(ActionState, String),
    /// It is to be tried again, after this long at the earliest where the service asked for it.
    Again(String, Option<Duration>),
}

/// What an outcome means for an action. `first_try`: no earlier try may have reached the other side. `remembers_refusals`: the
/// other side refuses an earlier try that arrives later too.
pub(crate) fn ended(outcome: Outcome, first_try: bool, remembers_refusals: bool) -> Ended {
    let refusal_is_final = first_try || remembers_refusals || sabotage!(RefusalForgetsTries);
    match outcome {
        Outcome::Done(result) => Ended::For(ActionState::Done, result),
        Outcome::Rejected(reason) if refusal_is_final => Ended::For(ActionState::Rejected, reason),
        // "Rejected" would be said to a customer, and then the earlier try would have its effect.
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

/// How an action ends that must not be tried any more, and why; none while it may.
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
        // The service was not reached. Without keys the tries before a person's decision count: that person said there was no effect,
        // not that none can come.
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

/// How long to wait before the next try. Full jitter, so that actions that failed together do not come back together.
pub(crate) fn wait(attempts: u32, asked: Option<Duration>, random: u128) -> Millis {
    let ceiling = (FIRST_RETRY << attempts.min(12)).min(LONGEST_RETRY);
    let asked = asked.map_or(0, |asked| millis(asked).min(LONGEST_ASKED));
    millis(jitter(Duration::from_millis(ceiling), random)).max(asked)
}

/// How long a claim holds: the call, and the time to record what came of it.
pub(crate) fn claim_of(request: &ToolRequest, margin: Millis) -> Millis {
    timeout_of(request) + margin
}

pub(crate) fn timeout_of(request: &ToolRequest) -> Millis {
    millis(request.tool.timeout)
}

/// When a call is given up from outside: a little after it should have given up by itself. A tool that reads what has arrived
/// while the process stood still then has the time for it.
pub(crate) fn given_up_after(request: &ToolRequest) -> Millis {
    timeout_of(request) + 1_500
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ids::{ActionId, ConversationId};
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
            conversation: ConversationId::parse("c").unwrap(),
        }
    }

    fn tried(attempts: u32, first_try_at: Option<Millis>) -> ActionRecord {
        ActionRecord {
            id: ActionId::new(ConversationId::parse("c").unwrap(), 1, "book", "{}", 0),
            owner: "local".to_owned(),
            tool: "book".to_owned(),
            arguments: "{}".to_owned(),
            amount_cents: None,
            agent: "Front".to_owned(),
            state: ActionState::Queued,
            accepted_at: ACCEPTED,
            due_at: ACCEPTED,
            attempts,
            first_try_at,
            tried_before: false,
            place: 0,
            after: None,
            fence: 1,
            holder: String::new(),
            result: None,
            reason: None,
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
        // The call and the record of its outcome still have to fit: 10 s and 15 s.
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
    fn what_never_reached_its_service_is_rejected_in_the_end_and_what_may_have_is_unknown() {
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
    fn a_conflict_is_a_refusal_only_when_there_was_no_earlier_try() {
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
    fn a_refusal_behind_a_try_that_may_still_arrive_is_not_final() {
        let state = |first_try, remembers| match ended(
            Outcome::Rejected("no".to_owned()),
            first_try,
            remembers,
        ) {
            Ended::For(state, reason) => {
                assert!(reason.ends_with("no"), "{reason}");
                state
            }
            Ended::Again(..) => panic!("a refusal is not tried again"),
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
