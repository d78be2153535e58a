//! Compares what a run left behind with what its file expects. Each difference is one sentence: where, what was expected, what was
//! seen. Knows both; never how they came about.

use super::evidence::{CallSeen, Evidence, Fact, short};
use super::file::{CallExpected, Case, Expect};
use super::matching::{effects, records};
use super::mention::stands_in;
use super::ordering::out_of_order;
use super::pattern::Before;
use super::words::Language;
use baton_handoff::team::Team;

/// All differences, in the order of the script.
pub(super) fn differences(case: &Case, evidence: &Evidence, team: &Team) -> Vec<String> {
    let mut found = Vec::new();
    for sentence in &evidence.unanswered {
        found.push(sentence.clone());
    }
    for (number, end) in evidence.ends.iter().enumerate() {
        let turn = case.turns.get(number).map(|turn| &turn.get_ref().expect);
        let nothing = Expect::default();
        let expect = turn.unwrap_or(&nothing);
        let scope = Scope {
            step: Some(number),
            agent: &end.agent,
            waiting: &end.waiting,
        };
        let place = format!("turn {}", number + 1);
        let mut note = |sentence: String| found.push(format!("{place}: {sentence}"));
        for (step, sentence) in &evidence.not_done {
            if *step == number {
                note(sentence.clone());
            }
        }
        for fact in evidence.facts(Some(number)) {
            if let Fact::Failed(sentence) = fact {
                note(sentence);
            }
        }
        let is_silent = evidence.words(Some(number)).trim().is_empty();
        if is_silent && !expect.silent {
            note("the agents said nothing".to_owned());
        }
        compare(expect, &scope, evidence, team)
            .into_iter()
            .for_each(&mut note);
    }
    if evidence.ends.is_empty() {
        found.push("the simulated customer wrote nothing".to_owned());
    }
    let last = evidence.ends.last();
    let scope = Scope {
        step: None,
        agent: last.map_or("", |end| &end.agent),
        waiting: last.map_or(&[], |end| &end.waiting),
    };
    found.extend(compare(&case.expect, &scope, evidence, team));
    found.extend(
        case.orders
            .iter()
            .filter_map(|order| out_of_order(order, evidence)),
    );
    let (missing, extra) = effects(case, evidence);
    found.extend(missing.into_iter().chain(extra));
    let office = &case.office;
    found.extend(records(
        "order",
        office.orders.as_deref(),
        &evidence.orders,
        evidence,
    ));
    found.extend(records(
        "refund",
        office.refunds.as_deref(),
        &evidence.refunds,
        evidence,
    ));
    found
}

/// What a run that broke off did and should not have done. Of what it did not come to nothing can be said.
pub(super) fn of_broken_off(case: &Case, evidence: &Evidence) -> Vec<String> {
    let (_, extra) = effects(case, evidence);
    evidence.unanswered.iter().cloned().chain(extra).collect()
}

/// A step of the script, or the whole conversation, and how it stood at its end.
struct Scope<'a> {
    step: Option<usize>,
    agent: &'a str,
    waiting: &'a [String],
}

fn compare(expect: &Expect, scope: &Scope<'_>, evidence: &Evidence, team: &Team) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(agent) = &expect.agent
        && agent.get_ref() != scope.agent
    {
        let seen = scope.agent;
        found.push(format!(
            "the agent should be {}, and is {seen}",
            agent.get_ref()
        ));
    }
    let facts = evidence.facts(scope.step);
    let earlier = scope
        .step
        .map_or_else(Vec::new, |step| evidence.facts_before(step));
    // Hand-offs are calls for a model only.
    let is_hand_off = |name: &str| team.agents().any(|agent| agent.hand_off(name).is_some());
    let mut calls = Vec::new();
    for (at, fact) in facts.iter().enumerate() {
        if let Fact::Call(call) = fact
            && !is_hand_off(call.name)
        {
            let here = facts.get(..at).unwrap_or_default();
            let before: Vec<_> = earlier.iter().chain(here).cloned().collect();
            calls.push((call.clone(), Evidence::before(&before)));
        }
    }
    found.extend(missing_call(&expect.calls, &calls, expect.exactly));
    for tool in &expect.no_calls {
        if let Some(call) = calls.iter().find(|(call, _)| call.name == tool.get_ref()) {
            let call = &call.0;
            found.push(format!("{} was called, and should not be", called(call)));
        }
    }
    found.extend(hand_offs(expect, &facts));
    if let Some(waiting) = &expect.waiting {
        let mut expected: Vec<_> = waiting.iter().map(|tool| tool.get_ref().as_str()).collect();
        let mut seen: Vec<_> = scope.waiting.iter().map(String::as_str).collect();
        expected.sort_unstable();
        seen.sort_unstable();
        if expected != seen {
            let (expected, seen) = (list(&expected), list(&seen));
            found.push(format!(
                "{expected} should wait for a yes, and {seen} waits"
            ));
        }
    }
    found.extend(words(expect, &evidence.words(scope.step)));
    found.extend(made_up(expect, &earlier, &facts));
    found
}

pub(super) fn called(call: &CallSeen<'_>) -> String {
    format!("{} {}", call.name, short(&call.arguments.to_string()))
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.join(", ")
}

/// The first expected call that is not among the calls behind those before it.
fn missing_call(
    expected: &[CallExpected],
    calls: &[(CallSeen<'_>, Before)],
    exactly: bool,
) -> Option<String> {
    let mut rest = calls.iter();
    for call in expected {
        let fits = |(seen, before): &(CallSeen<'_>, Before)| {
            seen.name == call.tool.get_ref()
                && call.arguments.fits(&seen.arguments, before)
                && call
                    .outcome
                    .is_none_or(|outcome| outcome.as_str() == seen.outcome)
        };
        if !rest.any(fits) {
            let outcome = call.outcome.map_or_else(String::new, |outcome| {
                format!(" with the outcome {}", outcome.as_str())
            });
            let arguments = if call.arguments.is_any() {
                String::new()
            } else {
                format!(" {}", call.arguments)
            };
            let tool = call.tool.get_ref();
            let seen: Vec<_> = calls
                .iter()
                .map(|(it, _)| format!("{} → {}", called(it), it.outcome))
                .collect();
            let seen: Vec<_> = seen.iter().map(String::as_str).collect();
            let seen = list(&seen);
            return Some(format!(
                "{tool}{arguments}{outcome} should be called here, and these were: {seen}"
            ));
        }
    }
    if exactly && calls.len() != expected.len() {
        let seen: Vec<_> = calls.iter().map(|(it, _)| called(it)).collect();
        let seen: Vec<_> = seen.iter().map(String::as_str).collect();
        let (count, seen) = (expected.len(), list(&seen));
        return Some(format!(
            "there should be {count} calls exactly, and these were: {seen}"
        ));
    }
    None
}

fn hand_offs(expect: &Expect, facts: &[Fact<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    let targets = facts.iter().filter_map(|fact| match fact {
        Fact::HandOff { to, .. } => Some(*to),
        Fact::Customer(_)
        | Fact::Answered(_)
        | Fact::Agent(_)
        | Fact::Call(_)
        | Fact::Action(_)
        | Fact::Failed(_) => None,
    });
    let seen: Vec<_> = targets.collect();
    if let Some(expected) = &expect.hand_offs {
        let expected: Vec<_> = expected
            .iter()
            .map(|agent| agent.get_ref().as_str())
            .collect();
        if expected != seen {
            let (expected, seen) = (list(&expected), list(&seen));
            found.push(format!(
                "the hand-offs should be to {expected}, and were to {seen}"
            ));
        }
    }
    if let Some(most) = expect.most_hand_offs
        && seen.len() > most
    {
        let count = seen.len();
        found.push(format!(
            "there should be {most} hand-offs at most, and were {count}"
        ));
    }
    found
}

fn words(expect: &Expect, words: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |sentence: String| found.push(format!("{sentence}: {:?}", short(words)));
    for text in expect
        .contains
        .iter()
        .map(|text| &text.0)
        .filter(|text| !words.contains(*text))
    {
        note(format!("the agents should say {text:?}, and said"));
    }
    for text in expect
        .lacks
        .iter()
        .map(|text| &text.0)
        .filter(|text| words.contains(*text))
    {
        note(format!("the agents should not say {text:?}, and said"));
    }
    for regex in expect
        .matches
        .iter()
        .filter(|regex| !regex.0.is_match(words))
    {
        note(format!(
            "the agents' words should match /{}/, and were",
            regex.0
        ));
    }
    for regex in expect
        .matches_not
        .iter()
        .filter(|regex| regex.0.is_match(words))
    {
        note(format!(
            "the agents' words should not match /{}/, and were",
            regex.0
        ));
    }
    if let Some(language) = expect.language {
        let expected = language.code();
        match Language::of(words) {
            Some(seen) if seen == language => {}
            Some(seen) => {
                let seen = seen.code();
                note(format!("the language should be {expected}, and is {seen}"));
            }
            None => note(format!(
                "the language should be {expected}, and cannot be told"
            )),
        }
    }
    found
}

/// What the agents said that no tool and no customer said before.
fn made_up(expect: &Expect, earlier: &[Fact<'_>], facts: &[Fact<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    if expect.from_results.is_empty() {
        return found;
    }
    for (at, fact) in facts.iter().enumerate() {
        let Fact::Agent(words) = fact else { continue };
        let here = facts.get(..at).unwrap_or_default();
        let known: Vec<_> = earlier.iter().chain(here).cloned().collect();
        let Before {
            customer, results, ..
        } = Evidence::before(&known);
        let known = || results.iter().map(|(_, result)| result).chain([&customer]);
        for said in expect
            .from_results
            .iter()
            .flat_map(|regex| regex.0.find_iter(words))
        {
            let said = said.as_str();
            if !known().any(|known| stands_in(&said.into(), known)) {
                found.push(format!(
                    "the agents said {said:?}, which stands in no result of a tool before"
                ));
            }
        }
    }
    found
}
