//! A trace as a picture of text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::ids::SpanContext;
use super::names;
use super::span::{Span, Trace, Value};
use crate::ports::Millis;

/// The width of the bars.
const BARS: usize = 40;

impl Trace {
    /// Draws the spans as a tree, each with its begin, its length and a bar. A bar shows the order of begins and ends, not their
    /// distances: otherwise an approval that took a day would leave nothing to see of all else.
    pub fn draw(&self) -> String {
        let moments = self.spans.iter().flat_map(|span| [span.start, span.end]);
        let moments: Vec<_> = moments.collect::<BTreeSet<_>>().into_iter().collect();
        let origin = moments.first().copied().unwrap_or_default();
        let roots = self.spans.iter().filter(|span| self.is_root(span));
        let mut lines = Vec::new();
        for root in roots {
            self.lines_of(root, "", "", &mut lines);
        }
        let widest = lines.iter().map(|(text, _)| text.chars().count()).max();
        let width = widest.unwrap_or_default();
        let mut drawn = String::new();
        for (text, span) in lines {
            let bar = bar(span, &moments);
            let start = lasting(span.start - origin);
            let took = lasting(span.end - span.start);
            // Writing to a string cannot fail.
            let _written = writeln!(
                drawn,
                "{text:width$}  {start:>8} {took:>8}  {}",
                bar.trim_end()
            );
            for event in &span.events {
                let moment = lasting(event.at.saturating_sub(origin));
                let what = format!("{}· {}", " ".repeat(indent_of(&text)), event.name);
                let _written = writeln!(drawn, "{what:width$}  {moment:>8}");
            }
        }
        drawn
    }

    /// The turn itself; and what belongs to another turn's trace.
    fn is_root(&self, span: &Span) -> bool {
        let parent = span.parent;
        parent.is_none_or(|parent| self.spans.iter().all(|other| other.context != parent))
    }

    fn lines_of<'a>(
        &'a self,
        span: &'a Span,
        first: &str,
        others: &str,
        lines: &mut Vec<(String, &'a Span)>,
    ) {
        lines.push((format!("{first}{}", titled(span)), span));
        let parts: Vec<_> = self.parts_of(span.context).collect();
        for (at, part) in parts.iter().enumerate() {
            let (corner, line) = if at + 1 == parts.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            let (first, others) = (format!("{others}{corner}"), format!("{others}{line}"));
            self.lines_of(part, &first, &others, lines);
        }
    }

    /// Its parts in the order in which they began.
    fn parts_of(&self, context: SpanContext) -> impl Iterator<Item = &Span> {
        let parts = self.spans.iter();
        let mut parts: Vec<_> = parts.filter(|span| span.parent == Some(context)).collect();
        parts.sort_by_key(|span| span.start);
        parts.into_iter()
    }
}

/// Its name, and what matters most about it.
fn titled(span: &Span) -> String {
    let mut title = span.name.clone();
    let text = |name| match span.attribute(name) {
        Some(Value::Text(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    if let (Some(from), Some(to)) = (text(names::HAND_OFF_FROM), text(names::HAND_OFF_TO)) {
        let _written = write!(title, " {from} → {to}");
    }
    for name in [names::ORIGIN, names::STATE, names::DECISION] {
        if let Some(text) = text(name) {
            let _written = write!(title, ", {text}");
        }
    }
    match &span.error {
        Some(error) if !title.ends_with(error) => {
            let _written = write!(title, ", {error}");
        }
        Some(_) | None => {}
    }
    let number = |name| match span.attribute(name) {
        Some(Value::Number(number)) => *number,
        Some(_) | None => 0,
    };
    let (asked, answered) = (number(names::INPUT_TOKENS), number(names::OUTPUT_TOKENS));
    if asked + answered > 0 {
        let _written = write!(title, ", {asked}+{answered} tokens");
    }
    if let Some(Value::Number(picos)) = span.attribute(names::COST) {
        let _written = write!(title, ", ${}", dollars(*picos));
    }
    title
}

/// US dollars from units of 10^-12, to six digits.
fn dollars(picos: i64) -> String {
    let micros = (picos + 500_000) / 1_000_000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn indent_of(line: &str) -> usize {
    line.chars()
        .take_while(|c| matches!(c, ' ' | '│' | '├' | '└' | '─'))
        .count()
}

fn bar(span: &Span, moments: &[Millis]) -> String {
    let last = moments.len().saturating_sub(1).max(1);
    let column = |moment: Millis| {
        let rank = moments.partition_point(|other| *other < moment);
        rank * (BARS - 1) / last
    };
    let (from, to) = (column(span.start), column(span.end));
    let cell = |at| {
        if (from..=to).contains(&at) {
            '█'
        } else {
            ' '
        }
    };
    (0..BARS).map(cell).collect()
}

/// A time as people say it.
fn lasting(milliseconds: Millis) -> String {
    let tenths = |unit: Millis, name: &str| {
        let tenths = milliseconds * 10 / unit;
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    };
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => tenths(1_000, "s"),
        60_000..3_600_000 => tenths(60_000, "min"),
        _ => tenths(3_600_000, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_money_are_short() {
        let times = [0, 999, 1_000, 61_000, 90_000_000].map(lasting);
        assert_eq!(times, ["0 ms", "999 ms", "1.0 s", "1.0 min", "25.0 h"]);
        assert_eq!(dollars(1_234_567_890_123), "1.234568");
        assert_eq!(dollars(499_999), "0.000000");
    }
}
