//! How full a window is, in tokens as the service counts them, and how much of it a summary takes over.
//! Knows sizes only; never what was said.

use super::past::Past;
use super::window::{newest_first, size_of};
use crate::ids::TurnNumber;
use crate::ports::{Message, ModelRequest, Usage};
use crate::record::journal::JournaledTurn;
use crate::record::{Meta, StepRecord, Summarise, TurnRecord, Window, size};
use crate::team::Limits;

/// Bytes per 100 tokens where no service has counted: English has about 400, other languages and JSON fewer.
const USUAL_RATE: u32 = 300;

/// A count outside of these is not one of text.
const LEAST_RATE: u32 = 150;
pub(super) const MOST_RATE: u32 = 600;

/// The parts of a window, in eighths: it is full at six, and what stays has at most four with its summary, as far as that is
/// known. A summary's text has at most one, and so have the lines about actions.
const FULL: usize = 6;
const STAYS: usize = 3;

/// The text of a summary, and the lines about actions, as stored: about 1,000 tokens each.
const MOST_OF_SUMMARY: usize = 4 * 1024;

/// What a service's count says of its request.
pub(super) fn rate_of(request: &ModelRequest, usage: Usage) -> Option<u32> {
    let messages = request.messages.iter().map(|message| match message {
        Message::System(text) | Message::User(text) => text.len(),
        Message::Assistant { text, calls, .. } => {
            let calls = calls.iter();
            let calls: usize = calls
                .map(|call| call.name.len() + call.arguments.len())
                .sum();
            text.len() + calls
        }
        Message::Tool { result, .. } => result.len(),
    });
    let tools = request.tools.iter();
    let tools =
        tools.map(|tool| tool.name.len() + tool.description.len() + tool.parameters.get().len());
    let bytes: usize = messages.chain(tools).sum();
    let rate = (bytes as u64)
        .saturating_mul(100)
        .checked_div(usage.prompt_tokens)?;
    let rate = u32::try_from(rate).unwrap_or(MOST_RATE);
    Some(rate.clamp(LEAST_RATE, MOST_RATE))
}

/// The rate of the last turn of which it is known.
pub(crate) fn rate(past: &[JournaledTurn]) -> u32 {
    let known = |turn: &JournaledTurn| turn.record.window.map(|window| window.rate);
    let mut rates = past.iter().rev().filter_map(known);
    rates.find(|rate| *rate > 0).unwrap_or(USUAL_RATE)
}

/// The bytes of a window.
pub(crate) fn bytes(limits: &Limits, rate: u32) -> usize {
    let rate = usize::try_from(rate).unwrap_or(usize::MAX);
    limits.window_tokens.saturating_mul(rate) / 100
}

/// The most bytes of a summary's text, and those of its lines about actions.
pub(crate) fn part(limits: &Limits, rate: u32) -> usize {
    (bytes(limits, rate) / 8).min(MOST_OF_SUMMARY)
}

/// What the next turn will find in its window, newest first.
pub(super) struct Filling {
    /// An eighth of the window, in bytes.
    eighth: usize,
    /// The most turns of the window.
    most: usize,
    /// The newest summary that the turn knew, and its bytes.
    summary: (TurnNumber, usize),
    turns: Vec<(TurnNumber, usize)>,
}

impl Filling {
    /// Of the past and the turn that ends.
    pub(super) fn of<'s>(
        limits: &Limits,
        past: &Past,
        (number, record): (TurnNumber, &TurnRecord),
        steps: impl Iterator<Item = &'s StepRecord>,
    ) -> Self {
        let rate = record.window.map(|window| window.rate);
        let rate = rate.filter(|rate| *rate > 0);
        let rate = rate.unwrap_or_else(|| self::rate(&past.turns));
        let earlier = newest_first(&past.turns, record);
        let earlier = earlier.map(|turn| (turn.number, size_of(&turn.record, turn.steps.iter())));
        Self {
            eighth: bytes(limits, rate) / 8,
            most: limits.window_turns,
            summary: past
                .summary
                .as_ref()
                .map_or((0, 0), |summary| (summary.upto, summary.message().len())),
            turns: std::iter::once((number, size_of(record, steps)))
                .chain(earlier)
                .collect(),
        }
    }

    /// Asks for a summary if the window is full and nobody has asked.
    pub(super) fn mark(&self, meta: &mut Meta) {
        if meta.summarise.is_none() {
            meta.summarise = self.surplus(meta.summarised).map(Summarise::upto);
        }
    }

    /// The last turn that a summary should cover, if the turns behind this one fill the window.
    fn surplus(&self, summarised: TurnNumber) -> Option<TurnNumber> {
        let (eighth, turns) = (self.eighth, self.most);
        // One that has come meanwhile is as long as it may be.
        let summary = if self.summary.0 == summarised {
            self.summary.1
        } else {
            2 * eighth
        };
        let behind = || {
            let turns = self.turns.iter();
            turns.take_while(|(number, _)| *number > summarised)
        };
        let all: usize = behind().map(|(_, bytes)| bytes).sum();
        let is_full = summary + all >= FULL * eighth || behind().count() * 8 >= turns * FULL;
        if !is_full {
            return None;
        }
        let (mut bytes, mut count) = (0, 0);
        let mut leave = behind().skip_while(|(_, size)| {
            bytes += size;
            count += 1;
            // The last answer may be asked for anew, with what stands before it.
            count == 1 || (bytes <= STAYS * eighth && count * 2 <= turns)
        });
        leave.next().map(|(number, _)| *number)
    }
}

/// The window of a turn that begins: behind the summary, as many turns as fit.
pub(crate) fn window<'a>(past: &'a Past, now: &'a TurnRecord, limits: &Limits) -> Window {
    let summary = past.summary.as_deref();
    let summarised = summary.map_or(0, |summary| summary.upto);
    let taken = summary.map_or(0, |summary| summary.message().len());
    let room = bytes(limits, rate(&past.turns)).saturating_sub(taken);
    let (mut spent, mut count) = (0, 0);
    let mut behind = newest_first(&past.turns, now)
        .take_while(|turn| turn.number > summarised)
        .map(|turn| {
            spent += size_of(&turn.record, turn.steps.iter());
            count += 1;
            (turn.number, spent <= room && count <= limits.window_turns)
        });
    let too_much = behind.find(|(_, fits)| !fits);
    Window {
        summary: summarised,
        from: 1 + too_much.map_or(summarised, |(number, _)| number),
        rate: 0,
    }
}

/// The longest beginning of a summary's text that there is room for.
pub(crate) fn cut(text: &str, limits: &Limits, rate: u32) -> String {
    size::shorten(text.trim(), part(limits, rate))
}
