//! The acceptance of a response's actions: what each is worth, who must agree to it, and whether limits let it be.
//! Decides by code alone, and for approval or refusal where something cannot be told.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::calls::Planned;
use super::play::Play;
use super::price::{needs_approval, price};
use crate::bounds::Bound;
use crate::drive::lease::{Beside, Need};
use crate::engine::Engine;
use crate::ids::ActionId;
use crate::money::{Account, Sums, Till};
use crate::ports::{Change, Key, Millis, Price, ToolRequest, millis};
use crate::record::{
    APPROVAL_LIFE, ActionRecord, ActionState, Answer, CallResult, Confirmation, LateResult, Meta,
    NotAccepted, OpenCard, RESEND, RefusedCall, decode, keys, size,
};
use crate::team::{ActionOrder, Confirm, Over};

/// The result of a call that became no action.
pub(super) fn sentence(why: NotAccepted) -> &'static str {
    match why {
        NotAccepted::TooManyOpen => {
            "Not done: too many earlier actions of this conversation are still pending. Tell the customer so, and \
             that it can be asked for again when some of them are finished."
        }
        NotAccepted::TooManyInTurn => {
            "Not done: this answer has as many actions as one answer may have. Tell the customer what was done and \
             what was not, and that the rest can be asked for in a new message."
        }
        NotAccepted::OverLimit => {
            "Not done: it is over a limit, which holds in parts too. Tell the customer that it cannot be done here, \
             and do not try it again."
        }
        NotAccepted::TooLongToShow => {
            "Not done: the customer would have to confirm it, and its arguments are too long to be shown. Call it \
             again with shorter ones."
        }
        NotAccepted::Repeats => {
            "Not done: it repeats an earlier call of this answer, and what was called between them was not done. Call it \
             again if it is to be done once more."
        }
    }
}

/// Calls that become no action.
type Refused = Vec<(ActionId, NotAccepted)>;

/// An action that a response asks for, before limits have their say.
struct Draft {
    record: ActionRecord,
    price: Price,
    /// An operator must approve it, whatever limits say.
    approval: bool,
    ordered: bool,
    /// An earlier call of the turn has the same tool and identity, and other ordered calls stand between them.
    repeats: bool,
}

/// The actions that a commit of a step accepts, decided anew for each attempt.
pub(super) struct Acceptance<'a> {
    engine: &'a Engine,
    account: Account,
    drafts: Vec<Draft>,
    /// Calls that are refused whatever META says.
    refused: Refused,
    /// The records of open cards that the drafts withdraw.
    withdraws: Vec<Key>,
    sums: Vec<Key>,
    /// Something is given back, or withdrawn.
    need: Need,
    now: Millis,
}

/// The decision of one attempt.
#[derive(Default)]
pub(super) struct Accepted {
    /// The records of the new actions.
    pub(super) new: Vec<ActionRecord>,
    refused: Refused,
}

impl<'a> Acceptance<'a> {
    /// Prices the new actions among these calls.
    pub(super) async fn of(play: &Play<'a>, planned: &[Planned]) -> Self {
        let engine = play.engine;
        let meta = play.lease.meta().await;
        let account = engine.account(&play.claim.owner, &play.claim.conversation);
        let now = engine.env.now();
        let (new, mut refused) = play.select(planned, &meta);
        let prices = join_all(new.iter().map(|request| price(engine, &request.1))).await;
        let mut drafts = Vec::with_capacity(new.len());
        for ((id, request), price) in new.into_iter().zip(prices) {
            match play.draft(id.clone(), &request, price, now) {
                Ok(draft) if draft.repeats && !refused.is_empty() => {
                    refused.push((id, NotAccepted::Repeats));
                }
                Ok(draft) => drafts.push(draft),
                Err(why) => refused.push((id, why)),
            }
        }
        let asking: BTreeSet<&str> = drafts
            .iter()
            .filter(|draft| draft.record.confirmation.is_some())
            .map(|draft| draft.record.tool.as_str())
            .collect();
        let withdraws: Vec<_> = meta
            .cards
            .iter()
            .filter(|card| asking.contains(card.tool.as_str()))
            .map(|card| card.action(&play.claim.conversation))
            .map(|id| keys::action(&id))
            .collect();
        let limits = drafts
            .iter()
            .filter_map(|draft| engine.team.money_limit(&draft.record.tool));
        let sums = account.keys(limits);
        let need = if withdraws.is_empty() {
            Need::Wanted
        } else {
            Need::Required
        };
        Self {
            engine,
            account,
            drafts,
            refused,
            withdraws,
            sums,
            need,
            now,
        }
    }

    /// Also gives back what these results have ended without effect.
    pub(super) fn with_ends(mut self, ends: &Ends) -> Self {
        if !ends.keys.is_empty() {
            self.need = Need::Required;
            self.sums.extend(ends.keys.iter().cloned());
            self.sums.sort_unstable();
            self.sums.dedup();
        }
        self
    }

    /// The keys of the records that decide, and whether the commit can do without them.
    pub(super) fn beside(&self) -> (Vec<Key>, Need) {
        let keys = self.sums.iter().chain(&self.withdraws);
        (keys.cloned().collect(), self.need)
    }

    /// The actions that may be accepted.
    pub(super) fn ids(&self) -> impl Iterator<Item = &ActionId> {
        self.drafts.iter().map(|draft| &draft.record.id)
    }

    /// Opens the sums of an attempt.
    pub(super) fn till(&self, beside: &Beside) -> Till<'_> {
        Till::open(&self.account, &Sums::beside(&self.sums, beside))
    }

    /// Decides, and writes into META what follows. Returns the changes of other records, without those of the till.
    pub(super) fn decide(
        &self,
        meta: &mut Meta,
        till: &mut Till<'_>,
        beside: &Beside,
    ) -> (Accepted, Vec<Change>) {
        let mut changes = self.withdraw(meta, beside);
        let mut accepted = Accepted {
            refused: self.refused.clone(),
            ..Accepted::default()
        };
        let outside = sabotage!(LimitOutsideOfCommit).then(|| meta.clone());
        for draft in &self.drafts {
            let mut action = draft.record.clone();
            if draft.repeats && !accepted.refused.is_empty() {
                // Without what was refused it would be the earlier action, and not a new one.
                accepted.refused.push((action.id, NotAccepted::Repeats));
                continue;
            }
            if let Some(limit) = self.engine.team.money_limit(&action.tool) {
                let fits = match &outside {
                    Some(seen) => self.till(beside).fits(seen, limit, &draft.price),
                    None => till.fits(meta, limit, &draft.price),
                };
                let waits = draft.approval || action.confirmation.is_some();
                match (fits, &draft.price) {
                    (Err(reason), _) if limit.over == Over::Refuse => {
                        tracing::warn!(tool = action.tool, %reason, "an action was not accepted");
                        accepted.refused.push((action.id, NotAccepted::OverLimit));
                        continue;
                    }
                    (Err(reason), _) => {
                        tracing::info!(tool = action.tool, %reason, "an operator must approve an action");
                        action.over = Some(reason);
                    }
                    // Where somebody has to agree it is counted when the last one does.
                    (Ok(()), Price::Known(cents)) if !waits => {
                        till.count(meta, limit, &action.id, *cents);
                    }
                    (Ok(()), _) => {}
                }
            }
            let approval = draft.approval || action.over.is_some();
            if let Some(card) = &mut action.confirmation {
                card.approval = approval;
                (action.state, action.due_at) = (ActionState::Proposed, card.expires_at);
                meta.cards.push(OpenCard::of(&action.id, &action.tool));
            } else if approval {
                (action.state, action.due_at) = (ActionState::Proposed, self.now + APPROVAL_LIFE);
            } else if draft.ordered {
                meta.place(&mut action);
            }
            meta.pending_reports.push(action.id.clone());
            changes.push(Change::Create(keys::action(&action.id), action.record()));
            accepted.new.push(action);
        }
        (accepted, changes)
    }

    /// Ends the open cards of earlier responses that new ones replace.
    fn withdraw(&self, meta: &mut Meta, beside: &Beside) -> Vec<Change> {
        let is_asked = |card: &OpenCard| {
            let drafts = self.drafts.iter().map(|draft| &draft.record);
            let mut asking = drafts.filter(|record| record.confirmation.is_some());
            asking.any(|record| record.tool == card.tool)
        };
        if !sabotage!(CardNotWithdrawn) {
            meta.cards.retain(|card| !is_asked(card));
        }
        let Beside::Read(read) = beside else {
            return Vec::new();
        };
        let cards = read.iter().skip(self.sums.len()).flatten();
        let withdrawn = cards.filter_map(|stored| {
            let mut action: ActionRecord = decode(stored).ok()?;
            if !action.waits_for_customer() || sabotage!(CardNotWithdrawn) {
                return None;
            }
            action.end_by(Answer::Withdrawn, self.now);
            Some(Change::Replace(
                stored.key.clone(),
                stored.version,
                action.record(),
            ))
        });
        withdrawn.collect()
    }
}

impl Accepted {
    /// Marks the calls that became no action, and returns them for the step.
    pub(super) fn refuse(
        &self,
        calls: &[crate::ports::ToolCall],
        planned: &[Planned],
    ) -> Vec<RefusedCall> {
        let refused = calls.iter().zip(planned).filter_map(|(call, plan)| {
            let Planned::Action(id, _) = plan else {
                return None;
            };
            let (_, why) = self.refused.iter().find(|(refused, _)| refused == id)?;
            Some(RefusedCall {
                call: call.id.clone(),
                why: *why,
            })
        });
        refused.collect()
    }

    /// The plans of the calls, those that became no action as mistakes.
    pub(super) fn planned(&self, mut planned: Vec<Planned>) -> Vec<Planned> {
        for plan in &mut planned {
            let Planned::Action(id, _) = plan else {
                continue;
            };
            if let Some((_, why)) = self.refused.iter().find(|(refused, _)| refused == id) {
                *plan = Planned::Wrong(sentence(*why).to_owned());
            }
        }
        planned
    }
}

impl Play<'_> {
    /// The actions of these plans that are new in the turn, as many as there is room for, and the others.
    fn select(&self, planned: &[Planned], meta: &Meta) -> (Vec<(ActionId, ToolRequest)>, Refused) {
        let open = open_actions(self.engine).saturating_sub(meta.pending_reports.len());
        let own = |action: &&ActionRecord| action.id.turn == self.number;
        let in_turn = self.actions.iter().filter(own).count();
        let (mut new, mut refused) = (Vec::new(), Vec::new());
        for plan in planned {
            let Planned::Action(id, request) = plan else {
                continue;
            };
            let is_known = self.actions.iter().any(|action| action.id == *id)
                || new.iter().any(|(known, _)| known == id)
                || refused.iter().any(|(known, _)| known == id);
            if is_known {
                continue;
            }
            let why = if new.len() >= open && !sabotage!(UntoldUnbounded) {
                NotAccepted::TooManyOpen
            } else if in_turn + new.len() >= size::ACTIONS_IN_TURN {
                NotAccepted::TooManyInTurn
            } else {
                new.push((id.clone(), request.clone()));
                continue;
            };
            tracing::warn!(tool = request.tool.name, ?why, "an action was not accepted");
            refused.push((id.clone(), why));
        }
        (new, refused)
    }

    fn draft(
        &self,
        id: ActionId,
        request: &ToolRequest,
        price: Price,
        now: Millis,
    ) -> Result<Draft, NotAccepted> {
        let tool = &request.tool;
        let amount_cents = match price {
            Price::Known(cents) => Some(cents),
            Price::NoPrice | Price::CannotTell(_) => None,
        };
        let confirmation = match &tool.confirm {
            Some(confirm) => Some(Box::new(ask(confirm, request, amount_cents, now)?)),
            None => None,
        };
        let identity = tool.identity_of(&request.arguments);
        let first = ActionId::new(id.conversation.clone(), id.turn, &tool.name, &identity, 0);
        Ok(Draft {
            repeats: first != id,
            approval: needs_approval(&tool.approval, &price),
            ordered: tool.order == ActionOrder::Kept,
            price,
            record: ActionRecord {
                id,
                owner: self.claim.owner.clone(),
                speaker: request.context.speaker.clone(),
                tool: tool.name.clone(),
                arguments: request.arguments.canonical().to_owned(),
                amount_cents,
                over: None,
                confirmation,
                agent: self.agent.name.clone(),
                state: ActionState::Queued,
                accepted_at: now,
                ended_at: None,
                due_at: now + RESEND,
                attempts: 0,
                first_try_at: None,
                tried_before: false,
                awaited_until: None,
                place: 0,
                after: None,
                fence: 0,
                holder: String::new(),
                result: None,
                reason: None,
                reason_for_customer: None,
                approvals: Vec::new(),
                decided: None,
                receipt: 0,
            },
        })
    }
}

/// How many actions of a conversation may be open. A record has room for so many at most.
fn open_actions(engine: &Engine) -> usize {
    let set = usize::try_from(engine.bounds.of(Bound::ActionsConversation));
    set.unwrap_or(size::OPEN_ACTIONS).min(size::OPEN_ACTIONS)
}

/// The card of an action. What the customer agrees to is shown whole, or not asked.
fn ask(
    confirm: &Confirm,
    request: &ToolRequest,
    amount_cents: Option<u64>,
    now: Millis,
) -> Result<Confirmation, NotAccepted> {
    let title = confirm.title(request.arguments.as_value(), amount_cents);
    let shown = confirm.shown(request.arguments.canonical());
    let card = size::stored_len(&title) + size::stored_len(&shown);
    // What is not shown is bounded too: a commit may have to end many cards.
    if card.max(size::stored_len(request.arguments.canonical())) > size::CARD {
        return Err(NotAccepted::TooLongToShow);
    }
    Ok(Confirmation {
        title,
        shown,
        expires_at: now + millis(confirm.life),
        approval: false,
        answer: None,
        answered_at: None,
    })
}

/// Actions whose end without effect a commit reports, with the sums of days that have their amounts.
pub(super) struct Ends {
    keys: Vec<Key>,
}

impl Play<'_> {
    /// What the next commit gives back. META is read again first: an approval since may have counted an action.
    pub(super) async fn ends(
        &self,
        results: &[CallResult],
        late: &[LateResult],
    ) -> Result<Ends, crate::drive::lease::Trouble> {
        let ended = results.iter().filter_map(|result| result.ended.as_ref());
        let ended = ended.map(|ended| (&ended.action, ended.state));
        let late = late.iter().map(|late| (&late.action, late.state));
        let rejected: Vec<_> = ended
            .chain(late)
            .filter(|(_, state)| *state == ActionState::Rejected)
            .map(|(action, _)| action)
            .collect();
        if rejected.is_empty() || !self.engine.team.has_day_limits() {
            return Ok(Ends { keys: Vec::new() });
        }
        self.lease.refresh().await?;
        let meta = self.lease.meta().await;
        let account = self
            .engine
            .account(&self.claim.owner, &self.claim.conversation);
        let mut keys = account.keys_of(&meta, rejected.into_iter());
        keys.sort_unstable();
        keys.dedup();
        Ok(Ends { keys })
    }

    /// The commit that reports these ends and accepts nothing.
    pub(super) fn acceptance_of_nothing(&self, ends: &Ends) -> Acceptance<'_> {
        let engine = self.engine;
        let nothing = Acceptance {
            engine,
            account: engine.account(&self.claim.owner, &self.claim.conversation),
            drafts: Vec::new(),
            refused: Vec::new(),
            withdraws: Vec::new(),
            sums: Vec::new(),
            need: Need::Wanted,
            now: engine.env.now(),
        };
        nothing.with_ends(ends)
    }
}
