//! What a file of conversation tests must be beyond its form: whole, within bounds, and with names that the team has.
//! Knows the file and the team; never how a conversation goes.

use std::ops::Range;

use baton_handoff::team::{Team, ToolKind};
use toml::Spanned;

use super::file::{Case, Expect, Stub, Turn};
use super::mistake::suggestion;
use super::pattern::{Pattern, Source};

/// The most turns of a script, and the most messages of a simulated customer.
const MOST_TURNS: usize = 64;

/// The most entries of any list in a file.
const MOST_ENTRIES: usize = 256;

/// The most votes on a rubric.
const MOST_VOTES: u32 = 15;

/// A place, and what is wrong there.
pub(super) type Found = (Range<usize>, String);

/// The first mistake of a case.
pub(super) fn case(case: &Case, team: &Team) -> Result<(), Found> {
    Check { team }.case(case)
}

struct Check<'a> {
    team: &'a Team,
}

impl Check<'_> {
    fn case(&self, case: &Case) -> Result<(), Found> {
        let whole = || 0..0;
        if case.simulated.is_some() != case.turns.is_empty() {
            let sentence = "the file needs either [[turn]]s, one at least, or [simulated]";
            return Err((whole(), sentence.to_owned()));
        }
        if case.turns.len() > MOST_TURNS {
            return Err((whole(), format!("a script has {MOST_TURNS} turns at most")));
        }
        let lists = [case.stubs.len(), case.orders.len(), case.effects.len()];
        if lists.iter().any(|entries| *entries > MOST_ENTRIES) {
            return Err((
                whole(),
                format!("a list has {MOST_ENTRIES} entries at most"),
            ));
        }
        if let Some(simulated) = &case.simulated {
            let of = simulated.get_ref();
            if !(1..=MOST_TURNS).contains(&of.turns) {
                let sentence = format!("turns of [simulated] must be from 1 to {MOST_TURNS}");
                return Err((simulated.span(), sentence));
            }
            self.model(of.model.as_ref())?;
        }
        let votes = &case.judge.votes;
        if votes.get_ref().is_multiple_of(2) || *votes.get_ref() > MOST_VOTES {
            let sentence = format!("votes must be odd and {MOST_VOTES} at most");
            return Err((votes.span(), sentence));
        }
        self.model(case.judge.model.as_ref())?;
        for stub in &case.stubs {
            self.stub(stub)?;
        }
        for turn in &case.turns {
            self.turn(turn)?;
        }
        self.expect(&case.expect)?;
        for order in &case.orders {
            self.call(&order.tool, &order.arguments)?;
            let after = order.after.get_ref();
            if after.customer.is_some() == after.tool.is_some()
                || after.to.is_some() && after.customer.is_none()
            {
                let sentence = "after needs either customer (with or without to) or tool";
                return Err((order.after.span(), sentence.to_owned()));
            }
            let mut tool = after.tool.iter();
            tool.try_for_each(|tool| self.call(tool, &after.arguments))?;
        }
        let mut effects = case.effects.iter();
        effects.try_for_each(|effect| {
            self.action(&effect.tool)?;
            self.call(&effect.tool, &effect.arguments)
        })
    }

    /// A tool with a pattern of its arguments.
    fn call(&self, tool: &Spanned<String>, arguments: &Pattern) -> Result<(), Found> {
        self.tool(tool)?;
        for source in arguments.sources() {
            if let Source::Tool(name) = source {
                self.tool(&Spanned::new(tool.span(), name.clone()))?;
            }
        }
        Ok(())
    }

    fn stub(&self, stub: &Stub) -> Result<(), Found> {
        self.tool(&stub.tool)?;
        if !stub.arguments.sources().is_empty() {
            let sentence = "the arguments of a stub cannot have said_by and found_by: a stub knows its own call only";
            return Err((stub.tool.span(), sentence.to_owned()));
        }
        let answers = [
            stub.result.is_some(),
            stub.error.is_some(),
            stub.unknown.is_some(),
        ];
        if answers.iter().filter(|has| **has).count() != 1 {
            let sentence = "a stub needs one of result, error and unknown";
            return Err((stub.tool.span(), sentence.to_owned()));
        }
        if stub.unknown.is_some() {
            self.action(&stub.tool)?;
        }
        Ok(())
    }

    fn turn(&self, turn: &Spanned<Turn>) -> Result<(), Found> {
        let of = turn.get_ref();
        let happens = [
            of.says.is_some(),
            of.confirm.is_some(),
            of.approve.is_some(),
            of.reject.is_some(),
        ];
        if happens.iter().filter(|has| **has).count() != 1 {
            let sentence = "a turn needs one of says, confirm, approve and reject";
            return Err((turn.span(), sentence.to_owned()));
        }
        let mut decided = of.approve.iter().chain(&of.reject);
        decided.try_for_each(|tool| self.action(tool))?;
        self.expect(&of.expect)
    }

    fn expect(&self, expect: &Expect) -> Result<(), Found> {
        let mut agents = expect.agent.iter().chain(expect.hand_offs.iter().flatten());
        agents.try_for_each(|agent| self.agent(agent))?;
        let mut calls = expect.calls.iter();
        calls.try_for_each(|call| self.call(&call.tool, &call.arguments))?;
        expect
            .no_calls
            .iter()
            .try_for_each(|tool| self.tool(tool))?;
        let mut waiting = expect.waiting.iter().flatten();
        waiting.try_for_each(|tool| self.action(tool))
    }

    fn tool(&self, name: &Spanned<String>) -> Result<(), Found> {
        if self.team.tool(name.get_ref()).is_some() {
            return Ok(());
        }
        let names = self.team.tools().map(|tool| tool.name.as_str());
        Err(unknown("tool", name, names))
    }

    fn action(&self, name: &Spanned<String>) -> Result<(), Found> {
        self.tool(name)?;
        let tool = self.team.tool(name.get_ref());
        if tool.is_some_and(|tool| tool.kind == ToolKind::Action) {
            return Ok(());
        }
        let sentence = format!(
            "the tool {:?} is a lookup, and this is for actions",
            name.get_ref()
        );
        Err((name.span(), sentence))
    }

    fn agent(&self, name: &Spanned<String>) -> Result<(), Found> {
        if self.team.agent(name.get_ref()).is_some() {
            return Ok(());
        }
        let names = self.team.agents().map(|agent| agent.name.as_str());
        Err(unknown("agent", name, names))
    }

    fn model(&self, name: Option<&Spanned<String>>) -> Result<(), Found> {
        let mut models = self.team.models().iter().map(|model| model.name.as_str());
        match name {
            Some(name) if !models.any(|model| model == name.get_ref()) => {
                let names = self.team.models().iter().map(|model| model.name.as_str());
                Err(unknown("model", name, names))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn unknown<'a>(what: &str, name: &Spanned<String>, names: impl Iterator<Item = &'a str>) -> Found {
    let meant = suggestion(name.get_ref(), names).unwrap_or_default();
    let sentence = format!("the team has no {what} {:?}{meant}", name.get_ref());
    (name.span(), sentence)
}
