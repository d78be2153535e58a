//! What is printed: tables as they are measured, then each promise beside what was measured.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// For scale, from an earlier measurement on two busy cores; given, not measured here.
const GIVEN: &str = "\
given, not measured in this run (two busy cores): the original spends 16 ms CPU per turn, tops out near 60 turns/s and
starts in 1.3 s or more; a plain relay spends 0.26 ms, reaches 4,000 turns/s and has its first text after 0.5 ms";
/// Of the errors of one measurement.
const ERRORS_SHOWN: usize = 3;
/// Everything was answered right, but a promise is not kept.
const MISSED: u8 = 2;

/// One line, now.
pub(crate) fn say(line: &str) {
    // Who closed the pipe does not want to read it.
    let _closed = writeln!(io::stdout().lock(), "{}", line.trim_end());
}

/// What the figures depend on.
pub(crate) fn conditions(quick: bool) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let mut line = format!("{cores} cores, load {load} at the start");
    if quick {
        line.push_str("; a quick run: it shows that everything works, not how fast");
    }
    if cfg!(debug_assertions) {
        line.push_str("; A DEBUG BUILD, figures mean nothing");
    }
    line
}

/// A promise and what was measured.
struct Figure {
    what: String,
    value: String,
    target: String,
    kept: bool,
}

/// Everything that the end of a run is decided by.
#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
    errors: usize,
}

impl Report {
    /// `value` must be at most `target`.
    pub(crate) fn at_most(&mut self, what: impl Into<String>, value: f64, target: f64, unit: &str) {
        self.figures.push(Figure {
            what: what.into(),
            value: format!("{value:.2}{unit}"),
            target: format!("at most {target:.2}{unit}"),
            kept: value <= target,
        });
    }

    /// `value` must be at least `target`.
    pub(crate) fn at_least(
        &mut self,
        what: impl Into<String>,
        value: f64,
        target: f64,
        unit: &str,
    ) {
        self.figures.push(Figure {
            what: what.into(),
            value: format!("{value:.2}{unit}"),
            target: format!("at least {target:.2}{unit}"),
            kept: value >= target,
        });
    }

    /// `value` must be exactly `target`.
    pub(crate) fn exactly(&mut self, what: impl Into<String>, value: usize, target: usize) {
        self.figures.push(Figure {
            what: what.into(),
            value: value.to_string(),
            target: target.to_string(),
            kept: value == target,
        });
    }

    /// Counts them and shows the first.
    pub(crate) fn errors(&mut self, server: &str, errors: &[String]) {
        self.errors += errors.len();
        for error in errors.iter().take(ERRORS_SHOWN) {
            say(&format!("  error of {server}: {error}"));
        }
        if errors.len() > ERRORS_SHOWN {
            say(&format!("  … {} errors of {server}", errors.len()));
        }
    }

    /// The table of promises, and the exit status.
    pub(crate) fn conclude(&self) -> ExitCode {
        let rows = self.figures.iter().map(|figure| {
            let verdict = if figure.kept { "ok" } else { "MISSED" };
            vec![
                figure.what.clone(),
                figure.value.clone(),
                figure.target.clone(),
                verdict.to_owned(),
            ]
        });
        let mut table = Table::new(&["figure", "value", "target", ""]);
        rows.for_each(|row| table.row(row));
        say(&format!("\n{table}\n{GIVEN}"));
        if self.errors > 0 {
            say(&format!("{} errors", self.errors));
        }
        self.verdict()
    }

    fn verdict(&self) -> ExitCode {
        if self.errors > 0 {
            return ExitCode::FAILURE;
        }
        if self.figures.iter().any(|figure| !figure.kept) {
            return ExitCode::from(MISSED);
        }
        ExitCode::SUCCESS
    }
}

/// Text in columns: the first to the left, the others to the right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self {
            rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()],
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        widths
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    write!(line, "{cell:<width$}")?;
                } else {
                    write!(line, "  {cell:>width$}")?;
                }
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_stands_in_columns() {
        let mut table = Table::new(&["a", "bb"]);
        table.row(vec!["ccc".into(), "d".into()]);
        assert_eq!(table.to_string(), "a    bb\nccc   d\n");
    }

    #[test]
    fn an_error_is_worse_than_a_missed_figure() {
        let mut report = Report::default();
        report.at_most("a", 1.0, 2.0, " ms");
        assert_eq!(report.verdict(), ExitCode::SUCCESS);
        report.exactly("b", 1, 2);
        assert_eq!(report.verdict(), ExitCode::from(MISSED));
        report.errors("Baton", &["cut".to_owned()]);
        assert_eq!(report.verdict(), ExitCode::FAILURE);
    }
}
