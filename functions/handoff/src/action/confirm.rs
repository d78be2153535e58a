//! The customer's answer to the card of an action: what becomes of the action, bound to what the card shows.
//! Knows records and sums; never the way by which the answer came.

use crate::engine::Engine;
use crate::money::{Sums, Till};
use crate::notice::Told;
use crate::ports::{Change, Millis, Price, StoreError};
use crate::record::{APPROVAL_LIFE, ActionRecord, ActionState, Answer, Meta, RESEND, keys};
use crate::team::{ActionOrder, NoticeKind, Over};

/// Why an answer was not applied: what has become of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// The card has other arguments.
    #[error("the action has other arguments than those that you were shown; look at it again")]
    OtherArguments,
    /// The action never needed it.
    #[error("this action does not wait for your confirmation")]
    NotAsked,
    /// It was confirmed before.
    #[error("you have confirmed this already")]
    Confirmed,
    /// It was declined before.
    #[error("you have declined this already")]
    Declined,
    /// Its time is over.
    #[error("the time to confirm this is over; ask for it again")]
    Expired,
    /// The same tool was proposed anew.
    #[error("a newer proposal has taken the place of this one")]
    Withdrawn,
    /// A colleague decided, or its tool is gone.
    #[error("this has been decided otherwise in the meantime")]
    Decided,
}

/// What an answer to a card means.
pub(crate) enum Answered {
    /// It was given before.
    Before,
    /// The commit that applies it, with META as it is to be written.
    Now(Box<ActionRecord>, Vec<Change>),
}

impl Engine {
    /// Applies the customer's answer to the card of this action. `meta` is of the same conversation, and is written in the same
    /// commit, on condition that it has not changed.
    pub(crate) async fn answer_card(
        &self,
        meta: &mut Meta,
        (version, before): (u64, &ActionRecord),
        hash: &str,
        yes: bool,
    ) -> Result<Result<Answered, Stale>, StoreError> {
        let now = self.env.now();
        match check(meta, before, hash, yes, now) {
            Ok(false) => return Ok(Ok(Answered::Before)),
            Ok(true) => {}
            Err(stale) => return Ok(Err(stale)),
        }
        let mut action = before.clone();
        let mut changes = Vec::new();
        if yes {
            changes = self.confirmed(meta, &mut action, now).await?;
        } else {
            action.end_by(Answer::No, now);
        }
        if action.waits_for_customer() {
            // It has a card, or it would not be here.
            return Ok(Err(Stale::NotAsked));
        }
        meta.close_card(&action.id);
        if action.state == ActionState::Proposed {
            let conversation = &action.id.conversation;
            changes.extend(self.notices(meta, conversation, &Told::Waits(&action)));
        }
        changes.push(Change::Replace(
            keys::action(&action.id),
            version,
            action.record(),
        ));
        Ok(Ok(Answered::Now(Box::new(action), changes)))
    }

    /// The action after a yes: on its way, before an operator, or at its end where a limit refuses it by now.
    async fn confirmed(
        &self,
        meta: &mut Meta,
        action: &mut ActionRecord,
        now: Millis,
    ) -> Result<Vec<Change>, StoreError> {
        let Some(card) = &mut action.confirmation else {
            return Ok(Vec::new());
        };
        (card.answer, card.answered_at) = (Some(Answer::Yes), Some(now));
        if card.approval {
            wait_for_operator(action, now);
            return Ok(Vec::new());
        }
        let account = self.account(&action.owner, &action.id.conversation);
        let limit = self.team.money_limit(&action.tool);
        let keys = account.keys(limit);
        // Over the limit where the sums cannot be read.
        let sums = self.read_sums(keys).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the sums of a limit could not be read");
            Sums::default()
        });
        let mut till = Till::open(&account, &sums);
        let price = action.amount_cents.map_or(Price::NoPrice, Price::Known);
        if let Some(limit) = limit
            && let Err(reason) = till.admit(meta, limit, &action.id, &price)
        {
            match limit.over {
                Over::Refuse => {
                    action.become_now(ActionState::Rejected, now);
                    action.result = Some("It is over a limit by now.".to_owned());
                }
                Over::Approval => {
                    action.over = Some(reason);
                    wait_for_operator(action, now);
                }
            }
            return Ok(till.close());
        }
        action.state = ActionState::Queued;
        action.due_at = now + RESEND;
        let tool = self.team.tool(&action.tool);
        if tool.is_none_or(|tool| tool.order == ActionOrder::Kept) {
            meta.place(action);
        }
        Ok(till.close())
    }

    /// After the commit of an answer: sends the action, or has its end reported.
    pub(crate) async fn send_answered(&self, action: &ActionRecord) {
        if action.state == ActionState::Proposed {
            let kind = NoticeKind::ApprovalNeeded;
            self.send_notices(&action.owner, &action.id.conversation, kind)
                .await;
        }
        match action.state {
            ActionState::Queued => self.send_action(&action.owner, &action.id).await,
            ActionState::Done | ActionState::Rejected | ActionState::Unknown => {
                self.send_turns(&action.owner, &action.id).await;
            }
            ActionState::Proposed | ActionState::Running => {}
        }
    }
}

/// An operator decides on the action as it is now, and not as it was before the customer's yes.
fn wait_for_operator(action: &mut ActionRecord, now: Millis) {
    action.fence += 1;
    action.due_at = now + APPROVAL_LIFE;
}

/// Whether the answer is to be applied; `false`: it was before.
fn check(
    meta: &Meta,
    action: &ActionRecord,
    hash: &str,
    yes: bool,
    now: Millis,
) -> Result<bool, Stale> {
    let card = action.confirmation.as_ref().ok_or(Stale::NotAsked)?;
    if action.arguments_hash() != hash && !sabotage!(YesOfAnyArguments) {
        return Err(Stale::OtherArguments);
    }
    match card.answer {
        Some(Answer::Yes) if yes => return Ok(false),
        Some(Answer::No) if !yes => return Ok(false),
        Some(Answer::Yes) => return Err(Stale::Confirmed),
        Some(Answer::No) => return Err(Stale::Declined),
        Some(Answer::Expired) => return Err(Stale::Expired),
        Some(Answer::Withdrawn) => return Err(Stale::Withdrawn),
        None => {}
    }
    if action.state != ActionState::Proposed {
        return Err(Stale::Decided);
    }
    if now >= card.expires_at && !sabotage!(CardNeverExpires) {
        return Err(Stale::Expired);
    }
    // META decides: a card that is not in it was withdrawn, whatever its record says.
    if !meta.cards.iter().any(|card| card.is(&action.id)) {
        return Err(Stale::Withdrawn);
    }
    Ok(true)
}
