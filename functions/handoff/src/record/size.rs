//! Size limits of records. Text is counted as stored, in JSON: a control character takes six bytes there.
//!
//! Together these limits keep every record and every commit within the store's limits; a test adds them up. So a turn can always
//! be recorded and can always end, whatever text a model, a tool or a customer wrote.

mod cut;

/// The step and the actions of a response must fit one commit.
pub(crate) const MAX_CALLS: usize = 16;

/// The text of one response, as stored.
pub(crate) const RESPONSE_TEXT: usize = 108 * 1024;

/// The arguments of one call, as the model wrote them and as stored.
pub(crate) const ARGUMENTS: usize = 32 * 1024;

/// The arguments of all calls of one response, as stored.
pub(crate) const ALL_ARGUMENTS: usize = 128 * 1024;

/// The id or the name of a call, as stored. Names of tools have 64 bytes at most; some services write ids of a hundred.
pub(crate) const CALL_NAME: usize = 256;

/// What a service wants back with a response, as stored. It shares the room of the response's text and arguments.
pub(crate) const OPAQUE: usize = 64 * 1024;

/// The service's id of a response, as stored.
pub(crate) const RESPONSE_ID: usize = 128;

/// All results of one response together, as stored.
pub(crate) const RESULTS: usize = 32 * 1024;

/// The least share of one result, however many calls there are.
pub(crate) const RESULT_LEAST: usize = 2 * 1024;

/// Late results in one request to the model, as stored. Further ones wait for the next request.
pub(crate) const LATE_RESULTS: usize = 40 * 1024;

/// Everything in a late result except its text: ids, the tool's name, the state.
pub(crate) const LATE_RESULT_FRAME: usize = 512;

/// A customer's message, in bytes of text.
pub const MESSAGE: usize = 32 * 1024;

/// What a client brings with a message, as stored. It takes its room from the message's.
pub(crate) const CLIENT: usize = 64 * 1024;

/// Tools that a client brings.
pub(crate) const CLIENT_TOOLS: usize = 16;

/// Their definitions together, as stored.
pub(crate) const CLIENT_DEFINITIONS: usize = 16 * 1024;

/// Accepted actions of one conversation with an unreported end. A model cannot have more of them open.
pub(crate) const OPEN_ACTIONS: usize = 32;

/// The same with actions that an operator settled, whose end is reported once more.
pub(crate) const PENDING_REPORTS: usize = 64;

/// Marks of successes that tools with `after` need, of one conversation. The oldest is forgotten first: then the earlier tool has to
/// be called again.
pub(crate) const MARKS: usize = 32;

/// Actions that one turn may accept, in all its steps.
pub(crate) const ACTIONS_IN_TURN: usize = 16;

/// Failed calls that a step names. What further ones took is added to the last.
pub(crate) const MOST_FAILED_CALLS: usize = 8;

/// The question and the arguments on a customer's card, as stored.
pub(crate) const CARD: usize = 4 * 1024;

/// The bytes of a text inside a JSON string.
pub(crate) fn stored_len(text: &str) -> usize {
    text.bytes().map(stored_len_of_byte).sum()
}

/// What serde_json writes for a byte of UTF-8 (RFC 8259, section 7): the short escapes where there are some.
fn stored_len_of_byte(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

/// The longest prefix of the text that takes at most this many bytes as stored; it ends at a character.
pub(crate) fn prefix_within(text: &str, bound: usize) -> &str {
    let mut taken = 0;
    let over = text.bytes().position(|byte| {
        taken += stored_len_of_byte(byte);
        taken > bound
    });
    let end = over.map_or(text.len(), |at| text.floor_char_boundary(at));
    text.get(..end).unwrap_or_default()
}

/// The text within the bound: of JSON what fits, as JSON; of any other text its prefix and the size of the rest. That sentence is
/// not counted.
pub(crate) fn shorten(text: &str, bound: usize) -> String {
    let head = prefix_within(text, bound);
    if head.len() == text.len() {
        return text.to_owned();
    }
    if let Some(shorter) = cut::cut(text, bound) {
        return shorter;
    }
    format!(
        "{head} [… shortened: {} of {} bytes left out]",
        text.len() - head.len(),
        text.len()
    )
}

/// The limit of each of `calls` results, as stored.
pub(crate) fn result_bound(calls: usize) -> usize {
    (RESULTS / calls.max(1)).max(RESULT_LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureCode;
    use crate::ids::{ActionId, ConversationId, MessageId};
    use crate::money::MOST_OPEN;
    use crate::ports::{Millis, ToolCall, Usage};
    use crate::principal::{Kind, Owner, Principal, Subject, Tenant};
    use crate::record::{
        AcceptedAction, ActionApproval, ActionRecord, ActionState, Amount, Answer, Asked,
        CallResult, ClientAnswer, ClientCall, Confirmation, Counted, DaySpent, Decided, Decision,
        EndedAction, FailedCall, FromClient, LateResult, Meta, OfferedTool, Opaque, OpenCard,
        Origin, Partial, Reservation, Running, Settlement, Share, Spending, Spent, StepRecord,
        Summarise, ToolOutcome, TurnRecord, TurnState, WaitingForClient,
    };
    use crate::speaker::{Claims, MOST_CLAIMS, Speaker};
    use crate::trace::SpanContext;

    #[test]
    fn the_stored_length_is_what_json_takes() {
        let every: String = (0..0x300).filter_map(char::from_u32).collect();
        for text in [every.as_str(), "", "\"\\\n\u{1}ä🙂"] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(stored_len(text), json.len() - 2, "{text:?}");
        }
    }

    const RECORD: usize = 350 * 1024;

    /// Text of this stored size in as few bytes as possible: the worst case for a limit on text.
    fn worst(stored: usize) -> String {
        "\u{1}".repeat(stored / 6)
    }

    fn action_id(number: usize) -> ActionId {
        let conversation = ConversationId::parse(&"c".repeat(128)).unwrap();
        ActionId::new(conversation, u32::MAX, "t", &number.to_string(), 0)
    }

    fn results(number: usize) -> CallResult {
        let action = action_id(number);
        CallResult {
            call: worst(CALL_NAME),
            outcome: ToolOutcome::HandedOff,
            result: shorten(&worst(RECORD), result_bound(MAX_CALLS)),
            at: Millis::MAX,
            milliseconds: u64::MAX,
            ended: Some(EndedAction {
                action,
                state: ActionState::Rejected,
            }),
            handed_to: Some("a".repeat(64)),
        }
    }

    /// A step with the most that a response, its calls and late results may hold.
    fn largest_step() -> StepRecord {
        let calls = (0..MAX_CALLS).map(|_| ToolCall {
            id: worst(CALL_NAME),
            name: worst(CALL_NAME),
            arguments: worst(ALL_ARGUMENTS / MAX_CALLS),
        });
        let actions = (0..MAX_CALLS).map(|number| AcceptedAction {
            call: worst(CALL_NAME),
            action: action_id(number),
            state: ActionState::Proposed,
            asks: true,
        });
        let late = LateResult {
            action: action_id(0),
            tool: "t".repeat(64),
            state: ActionState::Rejected,
            result: worst(LATE_RESULTS),
        };
        StepRecord {
            agent: "a".repeat(64),
            fence: u64::MAX,
            // The opaque part takes its room from the text.
            text: worst(RESPONSE_TEXT - OPAQUE),
            calls: calls.collect(),
            actions: actions.collect(),
            // A call is in one of these three lists; two of them full are more than that.
            refused: Vec::new(),
            client: (0..MAX_CALLS).map(|_| client_call()).collect(),
            results: (0..MAX_CALLS).map(results).collect(),
            late_results: vec![late],
            usage: Usage::default(),
            cost: Some(u64::MAX),
            asked: largest_asked(),
            opaque: Some(Opaque {
                text: worst(OPAQUE),
                prefix: Some("0".repeat(32)),
            }),
        }
    }

    fn client_call() -> ClientCall {
        ClientCall {
            call: worst(CALL_NAME),
            name: "t".repeat(64),
        }
    }

    /// The most that a client brings, with as much of a message as there is room for beside it.
    fn largest_from_client() -> (String, FromClient) {
        let tools = (0..CLIENT_TOOLS).map(|_| OfferedTool {
            name: "t".repeat(64),
            other_name: Some("t".repeat(64)),
            description: worst(CLIENT_DEFINITIONS / CLIENT_TOOLS),
            parameters: serde_json::json!({}),
        });
        let results = (0..MAX_CALLS).map(|_| ClientAnswer {
            call: worst(CALL_NAME),
            name: "t".repeat(64),
            outcome: ToolOutcome::Error,
            result: shorten(&worst(RECORD), result_bound(MAX_CALLS)),
            milliseconds: Millis::MAX,
        });
        let from_client = FromClient {
            tools: tools.collect(),
            results: results.collect(),
        };
        (worst(6 * MESSAGE - CLIENT), from_client)
    }

    fn largest_asked() -> Asked {
        let most = Usage {
            prompt_tokens: u64::MAX,
            completion_tokens: u64::MAX,
            cached_tokens: u64::MAX,
            cache_write_tokens: u64::MAX,
        };
        let failed = FailedCall {
            model: "m".repeat(64),
            why: FailureCode::RecoveredTooOften,
            usage: most,
            cost: Some(u64::MAX),
        };
        Asked {
            model: "m".repeat(64),
            response: worst(RESPONSE_ID),
            tries: u32::MAX,
            at: Millis::MAX,
            first_after: Millis::MAX,
            end_after: Millis::MAX,
            shortened: true,
            failed: vec![failed; MOST_FAILED_CALLS],
        }
    }

    fn largest_owner() -> Owner {
        let tenant = Tenant::parse(&"t".repeat(64)).unwrap();
        let subject = Subject::parse(&"\"".repeat(255)).unwrap();
        Principal::new(tenant, Kind::Customer, subject).owner()
    }

    fn largest_speaker() -> Speaker {
        let claim = "c".repeat(MOST_CLAIMS - 8);
        Speaker {
            customer: Some(Subject::parse(&"\"".repeat(255)).unwrap()),
            claims: Claims::new(serde_json::Map::from_iter([("c".to_owned(), claim.into())]))
                .unwrap(),
        }
    }

    fn largest_meta() -> Meta {
        let mut meta = Meta::new(largest_owner(), "a".repeat(64), Millis::MAX);
        meta.title = "\u{1}".repeat(80);
        meta.running = Some(Running {
            turn: u32::MAX,
            holder: "h".repeat(128),
            until: Millis::MAX / 2,
            recoveries: u32::MAX,
            handed_over: u32::MAX,
            writes: u64::MAX,
        });
        meta.waiting = vec![u32::MAX; 9];
        meta.pending_reports = (0..PENDING_REPORTS).map(action_id).collect();
        meta.last_placed = Some(action_id(0));
        let mark = crate::team::Mark::largest();
        meta.satisfied = vec![mark; MARKS];
        let hash = "0".repeat(32);
        for limit in 0..8_usize {
            let counted = (0..MOST_OPEN / 8).map(|_| Counted {
                turn: u32::MAX,
                hash: hash.clone(),
                cents: u64::MAX,
                day: u32::MAX,
            });
            let spent = Spent {
                cents: u64::MAX,
                open: counted.collect(),
            };
            meta.spent.insert(format!("{limit:032}"), spent);
        }
        meta.cards = (0..OPEN_ACTIONS)
            .map(|_| OpenCard {
                turn: u32::MAX,
                hash: hash.clone(),
                tool: "t".repeat(64),
                passed: true,
            })
            .collect();
        meta.waiting_for_client = Some(WaitingForClient {
            turn: u32::MAX,
            calls: (0..MAX_CALLS).map(|_| client_call()).collect(),
            until: Millis::MAX,
        });
        let amount = Amount {
            tokens: u64::MAX,
            cost: u64::MAX,
        };
        let reserved = Some(Reservation {
            amount,
            at: Millis::MAX,
            owner: true,
            slice: Some("f".repeat(32)),
        });
        meta.spending = Some(Spending {
            used: amount,
            reserved: reserved.clone(),
            summary: reserved,
        });
        meta.summarised = u32::MAX;
        meta.pushes = vec![u32::MAX; 10];
        meta.summarise = Some(Summarise {
            upto: u32::MAX,
            holder: "h".repeat(128),
            until: Millis::MAX / 2,
            tries: u32::MAX,
        });
        meta
    }

    /// Canonical JSON may spell a number with four times as many digits as the model did.
    fn largest_action(number: usize) -> ActionRecord {
        let approval = ActionApproval {
            by: Subject::parse(&"\"".repeat(255)).unwrap(),
            at: Millis::MAX,
        };
        ActionRecord {
            id: action_id(number),
            owner: largest_owner(),
            speaker: largest_speaker(),
            tool: "t".repeat(64),
            arguments: "1".repeat(4 * ARGUMENTS),
            amount_cents: Some(u64::MAX),
            over: Some("o".repeat(300)),
            confirmation: Some(Box::new(Confirmation {
                title: worst(CARD / 2),
                shown: worst(CARD / 2),
                expires_at: Millis::MAX,
                approval: true,
                answer: Some(Answer::Withdrawn),
                answered_at: Some(Millis::MAX),
            })),
            agent: "a".repeat(64),
            state: ActionState::Rejected,
            accepted_at: Millis::MAX,
            ended_at: Some(Millis::MAX),
            due_at: Millis::MAX,
            attempts: u32::MAX,
            first_try_at: Some(Millis::MAX),
            tried_before: true,
            awaited_until: Some(Millis::MAX),
            place: u64::MAX,
            after: Some(action_id(number)),
            fence: u64::MAX,
            holder: "h".repeat(128),
            result: Some(shorten(&worst(RECORD), result_bound(1))),
            reason: Some(worst(6 * 2_000)),
            reason_for_customer: Some(worst(6 * 2_000)),
            approvals: vec![approval.clone(), approval],
            decided: Some(Decided {
                decision: Decision::Settle(Settlement::Rejected),
                by: Subject::parse(&"\"".repeat(255)).unwrap(),
                at: Millis::MAX,
            }),
            receipt: u32::MAX,
        }
    }

    #[test]
    fn no_record_exceeds_a_stores_limit() {
        let step = largest_step().record().body.len();
        assert!(step <= RECORD, "a step takes {step}");
        let action = largest_action(0).record().body.len();
        assert!(action <= RECORD, "an action takes {action}");
        let meta = largest_meta().record().body.len();
        assert!(meta <= 32 * 1024, "META takes {meta}");

        let mut turn = TurnRecord::accepted(Origin::Customer, worst(6 * MESSAGE), Millis::MAX);
        turn.speaker = largest_speaker();
        turn.state = TurnState::Failed;
        turn.failure = Some(FailureCode::RecoveredTooOften);
        turn.message_id = Some(MessageId::parse(&"m".repeat(128)).unwrap());
        turn.results = (0..MAX_CALLS).map(results).collect();
        turn.failed = largest_step().asked.failed;
        turn.caller = Some(SpanContext::of_turn(&action_id(0).conversation, u32::MAX));
        turn.partial = Some(Partial {
            agent: "a".repeat(64),
            text: worst(RESPONSE_TEXT),
        });
        let bytes = turn.record().body.len();
        assert!(bytes <= RECORD, "a turn takes {bytes}");
        (turn.message, turn.client) = largest_from_client();
        let bytes = turn.record().body.len();
        assert!(
            bytes <= RECORD,
            "a turn with tools of its client takes {bytes}"
        );
    }

    #[test]
    fn the_largest_commit_is_well_within_a_stores_limit() {
        // A step with its actions. All arguments together are as long as the step allows, in their longest spelling.
        let arguments = 4 * ALL_ARGUMENTS;
        let actions: usize = (0..MAX_CALLS)
            .map(|number| {
                let mut action = largest_action(number);
                action.arguments.clear();
                (action.result, action.reason) = (None, None);
                action.reason_for_customer = None;
                action.record().body.len()
            })
            .sum();
        let step = largest_step().record().body.len();
        let meta = largest_meta().record().body.len();
        // The cards that the new ones withdraw: question, shown arguments, arguments, and the frame of an action.
        let withdrawn = (OPEN_ACTIONS - MAX_CALLS) * (3 * CARD + 4 * 1024);
        // Sums of a customer's day and of the shares of the tenant's, and two of each of the day before.
        let mut day = DaySpent::default();
        for limit in 0..8 {
            let share = Share {
                cents: u64::MAX,
                moved: i64::MIN,
            };
            day.0.insert(format!("{limit:032}"), share);
        }
        let days = 1 + 8 + 2;
        let days = days * day.record(1).body.len();
        let bytes = step + meta + actions + arguments + withdrawn + days;
        assert!(bytes < 2 * 1024 * 1024, "{bytes} bytes");
        const { assert!(2 + OPEN_ACTIONS + 1 + 8 + 2 < 64) };

        // A message that interrupts: its commit ends the waiting turns.
        let waiting = TurnRecord::accepted(Origin::Customer, worst(6 * MESSAGE), Millis::MAX);
        let bytes = 9 * waiting.record().body.len() + meta;
        assert!(bytes < 2 * 1024 * 1024, "{bytes} bytes");
    }

    #[test]
    fn a_beginning_fits_its_bound_and_ends_at_a_character() {
        assert_eq!(prefix_within("ab\u{1}c", 8), "ab\u{1}");
        assert_eq!(prefix_within("ab\u{1}c", 7), "ab");
        assert_eq!(prefix_within("äöü", 3), "ä");
        assert_eq!(prefix_within("abc", 3), "abc");
    }

    #[test]
    fn a_long_text_is_shortened_visibly() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(shorten("äöüß", 3), "ä [… shortened: 6 of 8 bytes left out]");
    }
}
