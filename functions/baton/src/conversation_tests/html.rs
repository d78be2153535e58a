//! The report as one page that needs nothing else: no script, no picture, no address.

use std::fmt::Write as _;

use super::markup::escaped;
use super::report::{Plan, figures};
use super::suite::{CaseResult, Results, RunResult};

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Conversation tests</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top; }
.good { color: #06610f; }
.bad { color: #a11; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f4f4; padding: .6rem; }
summary { cursor: pointer; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818; }
  pre { background: #262626; }
  .good { color: #7d7; }
  .bad { color: #f88; }
}
</style>
</head>
<body>
"#;

/// The whole document.
pub(super) fn document(plan: &Plan, results: &Results) -> String {
    let mut html = HEAD.to_owned();
    let good = results
        .cases
        .iter()
        .filter(|case| case.is_good(plan))
        .count();
    let (team, all, threshold) = (escaped(&plan.team), results.cases.len(), plan.threshold);
    let k = plan.k;
    let _always = write!(
        html,
        "<h1>Conversation tests: {team}</h1>\n<p>{good} of {all} cases have a pass^{k} of {threshold} or more. The intervals are 95 % \
         (Wilson).</p>\n<table>\n<tr><th>Case</th><th>Passed</th><th>pass^{k}</th><th>First difference</th></tr>\n"
    );
    for case in &results.cases {
        row(&mut html, plan, case);
    }
    html.push_str("</table>\n");
    for case in &results.cases {
        details(&mut html, case);
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn row(html: &mut String, plan: &Plan, case: &CaseResult) {
    let rates = case.rates();
    let class = if case.is_good(plan) { "good" } else { "bad" };
    let reason = case
        .runs
        .iter()
        .find_map(RunResult::reason)
        .unwrap_or_default();
    let (name, file, reason) = (escaped(&case.name), escaped(&case.file), escaped(reason));
    let (passed, runs, figures) = (rates.passed, rates.runs, escaped(&figures(rates, plan.k)));
    let _always = writeln!(
        html,
        "<tr><td><b class=\"{class}\">{name}</b><br>{file}</td><td>{passed} of {runs}</td><td>{figures}</td><td>{reason}</td></tr>"
    );
}

fn details(html: &mut String, case: &CaseResult) {
    let shown = case.runs.iter().enumerate();
    let shown = shown.filter(|(_, run)| !run.transcript.is_empty() || !run.has_passed());
    let _always = writeln!(html, "<h2>{}</h2>", escaped(&case.name));
    for (number, run) in shown {
        let class = if run.has_passed() { "good" } else { "bad" };
        let word = if run.has_passed() { "passed" } else { "failed" };
        let (number, seconds, tokens) = (number + 1, run.seconds, run.usage.tokens());
        let _always = writeln!(
            html,
            "<details><summary>Run {number}: <b class=\"{class}\">{word}</b>, {seconds:.1} s, {tokens} tokens</summary>"
        );
        let differences = run.trouble.iter().chain(&run.differences);
        let items = differences.map(|line| format!("<li>{}</li>", escaped(line)));
        let items: String = items.collect();
        if !items.is_empty() {
            let _always = writeln!(html, "<ul>{items}</ul>");
        }
        let lines = escaped(&run.transcript.join("\n"));
        let _always = writeln!(html, "<pre>{lines}</pre></details>");
    }
}
