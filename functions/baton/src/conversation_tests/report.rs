//! What the command says at a terminal: what it is about to call, and what came of it.

use std::collections::BTreeMap;

use baton_setup::{CastModel, Sandbox};

use super::evidence::short;
use super::rates::Rates;
use super::suite::{CaseResult, OtherModel, Results, RunResult};

/// Units of 10^-12 US dollars in a dollar.
const DOLLAR: f64 = 1e12;

/// What is about to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) team: String,
    pub(super) cases: usize,
    pub(super) runs: u32,
    pub(super) k: u32,
    pub(super) jobs: usize,
    pub(super) threshold: f64,
    /// Models that are no agent's: what they are, their names, and the most calls of all runs.
    pub(super) others: BTreeMap<(&'static str, String), u64>,
    /// Tools by who answers their calls.
    pub(super) office: Vec<String>,
    pub(super) stubbed: Vec<String>,
    pub(super) real: Vec<String>,
    pub(super) unanswered: Vec<String>,
}

impl Plan {
    /// Says what will be called, before anything is.
    pub(super) fn announce(&self, sandbox: &Sandbox) {
        eprintln!("team    {}", self.team);
        for CastModel { role, model } in &sandbox.models {
            eprintln!("model   {role}: {model}");
        }
        for ((what, name), calls) in &self.others {
            eprintln!("model   {what}: {name}, asked {calls} times at most");
        }
        let tell = |what: &str, tools: &[String]| {
            if !tools.is_empty() {
                eprintln!("tools   {what}: {}", tools.join(", "));
            }
        };
        tell("in a back office of each run", &self.office);
        tell("answered by stubs", &self.stubbed);
        tell("without a stub, so a call fails its run", &self.unanswered);
        if self.real.is_empty() {
            eprintln!("        no request goes to a tool's service");
        } else {
            tell(
                "REAL SERVICES WILL BE CALLED, where no stub answers",
                &self.real,
            );
        }
        let (cases, runs, jobs) = (self.cases, self.runs, self.jobs);
        eprintln!("cases   {cases}, runs of each {runs}, side by side {jobs}");
    }
}

/// Says that all runs of a case have ended, for those who wait.
pub(super) fn ended(case: &CaseResult) {
    let (name, rates) = (plain(&case.name), case.rates());
    eprintln!("ended   {name}: {} of {} passed", rates.passed, rates.runs);
}

/// pass^k of so many runs, with its interval.
pub(super) fn figures(rates: Rates, k: u32) -> String {
    let all = rates.pass_all(k).unwrap_or_default();
    let (low, high) = rates.interval_of_all(k);
    format!("{all:.2} [{low:.2}, {high:.2}]")
}

/// One line for each case, and the sums. Whether all are good.
#[expect(clippy::print_stdout, reason = "the report is what was asked for")]
pub(super) fn tell(plan: &Plan, results: &Results) -> bool {
    let k = plan.k;
    let mut below = 0;
    for case in &results.cases {
        let rates = case.rates();
        let is_good = case.is_good(plan);
        let word = if is_good { "ok  " } else { "FAIL" };
        let (name, passed, runs) = (plain(&case.name), rates.passed, rates.runs);
        let figures = figures(rates, k);
        println!("{word} {name}: {passed} of {runs} passed, pass^{k} {figures}");
        if let Some(reason) = case.runs.iter().find_map(RunResult::reason) {
            println!("     {}", plain(reason));
        }
        below += usize::from(!is_good);
    }
    let all = results.cases.len();
    let (good, threshold) = (all - below, plan.threshold);
    println!("{good} of {all} cases have a pass^{k} of {threshold} or more");
    let runs = results.cases.iter().flat_map(|case| &case.runs);
    let tokens: u64 = runs.map(|run| run.usage.tokens()).sum();
    println!("agents took {tokens} tokens");
    for OtherModel {
        name,
        calls,
        usage,
        cost,
    } in &results.others
    {
        let tokens = usage.tokens();
        #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
        let cost = cost.map_or_else(
            || "no [[price]] in the team file".to_owned(),
            |cost| format!("{:.4} US dollars", cost as f64 / DOLLAR),
        );
        println!(
            "judges and simulated customers on {name}: {calls} calls, {tokens} tokens, {cost}"
        );
    }
    below == 0
}

/// Without what a terminal would obey.
fn plain(text: &str) -> String {
    let text = short(text);
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
