//! Makes the summary of the turns that leave a conversation's window: beside its turns, without its lease, one at a time.
//!
//! The commit that ends a turn asks for it in META. A worker takes the request, asks the model, and writes the summary in one
//! commit with META, so that an erasure, and whoever took the request later, wins. A turn that runs meanwhile keeps its window.
//! Knows records and a model; never how a turn runs.

mod ask;
mod facts;

use crate::budget::{Posting, Reserved, Spent, Written, most_input};
use crate::engine::models::Chosen;
use crate::engine::{Engine, MAX_TRIES};
use crate::ids::{ConversationId, TurnNumber};
use crate::ports::{Change, CommitError, Millis, StoreError};
use crate::record::journal::{JournaledTurn, read_meta, read_turns};
use crate::record::{Caller, Meta, Summarise, SummaryRecord, keys};
use crate::team::DEPLOYMENT_MODEL;
use crate::turn::{fill, window};

use self::ask::Asked;
use self::facts::Facts;

/// How long a process has a request for itself: longer than a model is waited for.
const CLAIM: Millis = 90_000;

/// How many processes may end while they make one summary.
const MOST_TRIES: u32 = 3;

/// What a summary is made of.
struct Material {
    upto: TurnNumber,
    before: Option<SummaryRecord>,
    facts: Facts,
    /// The turns that it covers beside those of the summary before, oldest first.
    turns: Vec<JournaledTurn>,
    /// As in [`fill::rate`].
    rate: u32,
}

impl Engine {
    /// Makes the summary that the conversation asks for, if it does and nobody else makes it.
    pub(crate) async fn summarise(&self, conversation: &ConversationId) {
        if self.is_draining() {
            return;
        }
        if let Err(error) = self.try_to_summarise(conversation).await {
            tracing::warn!(%conversation, %error, "a conversation was not summarised; the sweep finds it");
        }
    }

    async fn try_to_summarise(&self, conversation: &ConversationId) -> Result<(), StoreError> {
        let Some((version, meta)) = self.wanted(conversation).await? else {
            return Ok(());
        };
        let Some(model) = self.summary_model() else {
            tracing::error!(model = ?self.team.limits.summary_model, "no model has the name of the model for summaries");
            return self.forgo(conversation, (version, meta)).await;
        };
        let material = self.material(conversation, &meta).await?;
        let request = ask::request(&material, &self.team.limits);
        let input = most_input(&request);
        let Some((version, meta)) = self
            .take(conversation, (version, meta), Some((&model, input)))
            .await?
        else {
            return Ok(());
        };
        let asked = tokio::select! {
            biased;
            () = self.drained() => return Ok(()),
            asked = ask::ask(self, &model, request) => asked,
        };
        let summary = self.summary_of(material, &model, &asked);
        if let Some(problem) = &asked.problem {
            tracing::warn!(%conversation, %problem, "a conversation could not be summarised; the end of a later turn asks again");
        }
        self.finish(conversation, (version, meta), summary, asked.spent)
            .await
    }

    /// Takes the request out of META: no model makes the summary.
    pub(crate) async fn forgo(
        &self,
        conversation: &ConversationId,
        read: (u64, Meta),
    ) -> Result<(), StoreError> {
        self.take(conversation, read, None).await.map(drop)
    }

    /// META, if it asks for a summary that nobody makes.
    async fn wanted(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<(u64, Meta)>, StoreError> {
        let read = read_meta(&*self.store, conversation).await?;
        let now = self.env.now();
        let is_free = |wanted: &Summarise| wanted.until <= now || self.has_ended(&wanted.holder);
        Ok(read.filter(|(_, meta)| meta.summarise.as_ref().is_some_and(is_free)))
    }

    fn summary_model(&self) -> Option<Chosen> {
        let name = self.team.limits.summary_model.as_deref()?;
        let (name, model) = if name == DEPLOYMENT_MODEL {
            (self.model.name(), self.model.clone())
        } else {
            (name, self.model.named(name)?)
        };
        Some(Chosen {
            name: name.into(),
            model,
            has_others: false,
        })
    }

    async fn material(
        &self,
        conversation: &ConversationId,
        meta: &Meta,
    ) -> Result<Material, StoreError> {
        let upto = meta.summarise.as_ref().map_or(0, |wanted| wanted.upto);
        let before = meta.summarised;
        // With the turn behind them: it may say the last of them anew.
        let (turns, before) = futures_util::join!(
            read_turns(
                &*self.store,
                conversation,
                Some(upto.saturating_add(2)),
                window::extent(&self.team.limits)
            ),
            self.summary_at(conversation, before),
        );
        let (mut turns, before) = (turns?, before?);
        turns.retain(|turn| {
            let covered = before.as_ref().map_or(0, |before| before.upto);
            turn.number > covered && turn.number >= meta.erased_below
        });
        let rate = fill::rate(&turns);
        let room = fill::part(&self.team.limits, rate);
        let facts = Facts::gather(self, before.as_ref(), &turns, upto, room).await?;
        Ok(Material {
            upto,
            before,
            facts,
            turns,
            rate,
        })
    }

    /// Takes the request, in a commit that also reserves for the call of this model with so much input. `None`: somebody else has
    /// it, or no call is made and it is out of META.
    async fn take(
        &self,
        conversation: &ConversationId,
        read: (u64, Meta),
        call: Option<(&Chosen, u64)>,
    ) -> Result<Option<(u64, Meta)>, StoreError> {
        let holder = self.new_holder();
        let Some(upto) = read.1.summarise.as_ref().map(|wanted| wanted.upto) else {
            return Ok(None);
        };
        let (mut version, mut before) = read;
        for attempt in 0..MAX_TRIES {
            let mut meta = before;
            let tries = meta.summarise.as_ref().map_or(0, |wanted| wanted.tries);
            let next = call.filter(|_| tries < MOST_TRIES);
            let mut reserved = self
                .reserve_call_for(Caller::Summary, conversation, &mut meta, next)
                .await?;
            let begins = next.is_some() && reserved.covers;
            meta.summarise = begins.then(|| Summarise {
                upto,
                holder: holder.clone(),
                until: self.env.now() + CLAIM,
                tries: tries + 1,
            });
            let mut changes = std::mem::take(&mut reserved.posted.changes);
            changes.push(Change::Replace(
                keys::meta(conversation),
                version,
                meta.record(),
            ));
            match self.store.commit(changes).await {
                Ok(()) => {
                    self.reserved(reserved, Written::Yes);
                    if call.is_some() && !begins {
                        tracing::warn!(%conversation, tries, "a conversation is not summarised now: a budget has no room, or processes ended over it");
                    }
                    return Ok(begins.then_some((version + 1, meta)));
                }
                Err(CommitError::Conflict) => self.reserved(reserved, Written::No),
                Err(CommitError::Ambiguous(_)) => {
                    if let Some(taken) = self.is_taken(conversation, &holder, &reserved).await? {
                        self.reserved(reserved, Written::Yes);
                        return Ok(Some(taken));
                    }
                    self.reserved(reserved, Written::InDoubt);
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    self.reserved(reserved, Written::No);
                    return Err(StoreError::Unavailable(error.to_string()));
                }
            }
            self.back_off(attempt).await;
            let wanted = self.wanted(conversation).await?;
            let same = |meta: &Meta| meta.summarise.as_ref().map(|wanted| wanted.upto);
            match wanted.filter(|(_, meta)| same(meta) == Some(upto)) {
                Some(wanted) => (version, before) = wanted,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// META, if an unconfirmed commit has taken the request.
    async fn is_taken(
        &self,
        conversation: &ConversationId,
        holder: &str,
        reserved: &Reserved,
    ) -> Result<Option<(u64, Meta)>, StoreError> {
        let now = read_meta(&*self.store, conversation).await;
        let now = now.inspect_err(|_| self.not_posted(&reserved.posted))?;
        Ok(now.filter(|(_, meta)| is_ours(meta, holder)))
    }

    /// The record of what a model has said.
    fn summary_of(
        &self,
        material: Material,
        model: &Chosen,
        asked: &Asked,
    ) -> Option<SummaryRecord> {
        let text = asked.text.as_deref()?;
        Some(SummaryRecord {
            upto: material.upto,
            text: fill::cut(text, &self.team.limits, material.rate),
            done: material.facts.done,
            open: material.facts.open,
            model: model.name.to_string(),
            usage: asked.usage,
            cost: self.cost_of(&*model.model, asked.usage),
            at: self.env.now(),
        })
    }

    /// The commit behind the call: the summary, if there is one, and what it took. Nothing, if the request is not ours any more.
    async fn finish(
        &self,
        conversation: &ConversationId,
        (mut version, mut before): (u64, Meta),
        mut summary: Option<SummaryRecord>,
        spent: Spent,
    ) -> Result<(), StoreError> {
        let taken = before.summarise.take();
        let holder = taken.as_ref().map_or("", |taken| taken.holder.as_str());
        let posting = Posting {
            spent,
            reserve: None,
        };
        for attempt in 0..MAX_TRIES {
            let mut meta = before.clone();
            meta.summarise = None;
            let mut posted = self
                .post_for(&[Caller::Summary], conversation, &mut meta, &posting)
                .await?;
            let mut changes = std::mem::take(&mut posted.changes);
            if let Some(summary) = &summary {
                let record = summary.record();
                meta.bytes = meta.bytes.saturating_add(record.body.len() as u64);
                meta.summarised = summary.upto;
                changes.push(Change::Create(
                    keys::summary(conversation, summary.upto),
                    record,
                ));
            }
            if !(sabotage!(SummaryOfErased) && attempt > 0) {
                changes.push(Change::Replace(
                    keys::meta(conversation),
                    version,
                    meta.record(),
                ));
            }
            match self.store.commit(changes).await {
                Ok(()) => {
                    self.posted(posted);
                    return Ok(());
                }
                Err(CommitError::Refused(detail)) if summary.is_some() => {
                    tracing::error!(%conversation, %detail, "a summary cannot be stored");
                    summary = None;
                }
                Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                    tracing::debug!(%conversation, %error, "a summary is not written yet");
                }
                Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                    self.not_posted(&posted);
                }
            }
            self.back_off(attempt).await;
            match read_meta(&*self.store, conversation).await? {
                // Erased, taken by another process, or written by the attempt before.
                Some((_, meta)) if !is_ours(&meta, holder) && !sabotage!(SummaryOfErased) => {
                    return Ok(());
                }
                Some(now) => (version, before) = now,
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

fn is_ours(meta: &Meta, holder: &str) -> bool {
    let wanted = meta.summarise.as_ref();
    wanted.is_some_and(|wanted| wanted.holder == holder)
}
