//! What a file of conversation tests must be beyond its form: whole, within bounds, and with names that the team has.
//! Knows the file and the team; never how a conversation goes.

use std::ops::Range;

use baton_handoff::MOST_MESSAGE;
use baton_handoff::team::{Team, ToolKind};
use serde_json::Value;
use toml::Spanned;

use super::file::{Case, Expect, Stub, Turn};
use super::mistake::suggestion;
use super::pattern::{Pattern, Source};

/// The most turns of a script, and the most messages of a simulated customer.
const MOST_TURNS: usize = 64;

/// Keywords of JSON Schema by which a call may have arguments beside `properties`.
const OPEN: [&str; 8] = [
    "additionalProperties",
    "patternProperties",
    "unevaluatedProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "$ref",
];

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
            if after.customer.is_some() && !after.arguments.is_any() {
                let sentence = "arguments of after are those of its tool, and it has customer";
                return Err((order.after.span(), sentence.to_owned()));
            }
            let mut tool = after.tool.iter();
            tool.try_for_each(|tool| self.call(tool, &after.arguments))?;
        }
        let records = case.office.orders.iter().chain(&case.office.refunds);
        for record in records.flatten() {
            self.sources(&record.span(), record.get_ref())?;
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
        self.arguments(tool, arguments)?;
        self.sources(&tool.span(), arguments)
    }

    /// The tools of a pattern.
    fn sources(&self, at: &Range<usize>, pattern: &Pattern) -> Result<(), Found> {
        for source in pattern.sources() {
            if let Source::Tool(name) = source {
                self.tool(&Spanned::new(at.clone(), name.clone()))?;
            }
        }
        Ok(())
    }

    /// The names of arguments: one that the tool does not have selects no call, and the file would say nothing.
    fn arguments(&self, tool: &Spanned<String>, arguments: &Pattern) -> Result<(), Found> {
        let Some(known) = self.team.tool(tool.get_ref()) else {
            return Ok(());
        };
        let schema = known.parameters();
        let is_open = |key| schema.get(key).is_some_and(|value| *value != false);
        let properties = schema.get("properties").and_then(Value::as_object);
        let Some(properties) = properties.filter(|_| !OPEN.into_iter().any(is_open)) else {
            return Ok(());
        };
        for name in arguments.names() {
            if !properties.contains_key(name) {
                let names = properties.keys().map(String::as_str);
                let meant = suggestion(name, names).unwrap_or_default();
                let tool_name = tool.get_ref();
                let sentence = format!("the tool {tool_name:?} has no argument {name:?}{meant}");
                return Err((tool.span(), sentence));
            }
        }
        Ok(())
    }

    fn stub(&self, stub: &Stub) -> Result<(), Found> {
        self.tool(&stub.tool)?;
        self.arguments(&stub.tool, &stub.arguments)?;
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
        if of
            .says
            .as_ref()
            .is_some_and(|says| says.0.len() > MOST_MESSAGE)
        {
            let sentence = format!("a message of a customer has {MOST_MESSAGE} bytes at most");
            return Err((turn.span(), sentence));
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
        if self
            .team
            .agents()
            .any(|agent| agent.hand_off(name.get_ref()).is_some())
        {
            let sentence = format!(
                "{:?} is a hand-off, which is no call; hand_offs and most_hand_offs are for those",
                name.get_ref()
            );
            return Err((name.span(), sentence));
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
