//! The report in JUnit's XML, as CI services read it: a suite for each case, a test case for each run.

use std::fmt::Write as _;

use super::markup::escaped;
use super::report::Plan;
use super::suite::{CaseResult, Results, RunResult};

/// The whole document.
pub(super) fn document(plan: &Plan, results: &Results) -> String {
    let cases = &results.cases;
    let sum = |of: &dyn Fn(&CaseResult) -> usize| cases.iter().map(of).sum::<usize>();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
        escaped(&plan.team),
        sum(&|case| case.runs.len()),
        sum(&|case| failures(plan, case)),
        sum(&|case| errors(plan, case)),
    );
    for case in cases {
        suite(&mut xml, plan, case);
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// None for a case at its threshold: CI would take one for a failure of all.
fn failures(plan: &Plan, case: &CaseResult) -> usize {
    let failed = |run: &&RunResult| run.trouble.is_none() && !run.has_passed();
    if case.is_good(plan) {
        return 0;
    }
    case.runs.iter().filter(failed).count()
}

fn errors(plan: &Plan, case: &CaseResult) -> usize {
    if case.is_good(plan) {
        return 0;
    }
    case.runs.iter().filter(|run| run.trouble.is_some()).count()
}

fn suite(xml: &mut String, plan: &Plan, case: &CaseResult) {
    let (name, file) = (escaped(&case.name), escaped(&case.file));
    let seconds: f64 = case.runs.iter().map(|run| run.seconds).sum();
    let (tests, failures, errors) = (case.runs.len(), failures(plan, case), errors(plan, case));
    let _always = writeln!(
        xml,
        "  <testsuite name=\"{name}\" file=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\">"
    );
    for (number, run) in case.runs.iter().enumerate() {
        let (number, seconds) = (number + 1, run.seconds);
        let _always = write!(
            xml,
            "    <testcase name=\"run {number}\" classname=\"{name}\" file=\"{file}\" time=\"{seconds:.3}\""
        );
        let Some(reason) = run.reason() else {
            xml.push_str("/>\n");
            continue;
        };
        let element = if run.trouble.is_some() {
            "error"
        } else {
            "failure"
        };
        let details: Vec<_> = run
            .differences
            .iter()
            .chain(&run.transcript)
            .cloned()
            .collect();
        if case.is_good(plan) {
            let text = escaped(&format!("{reason}\n{}", details.join("\n")));
            let _always = writeln!(
                xml,
                ">\n      <system-out>{text}</system-out>\n    </testcase>"
            );
            continue;
        }
        let (reason, details) = (escaped(reason), escaped(&details.join("\n")));
        let _always = writeln!(
            xml,
            ">\n      <{element} message=\"{reason}\">{details}</{element}>\n    </testcase>"
        );
    }
    xml.push_str("  </testsuite>\n");
}
