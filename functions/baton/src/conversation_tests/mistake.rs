//! Mistakes in a file of conversation tests, each one sentence for its author: `FILE:LINE: sentence.`
//! Knows TOML's errors and names; never what a key means.

use std::fmt;
use std::ops::Range;

/// How alike two names are, from 0 to 1, before one is suggested for the other.
const ALIKE: f64 = 0.75;

/// A mistake with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    file: String,
    line: usize,
    sentence: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A suggestion is a question.
        let stop = if self.sentence.ends_with('?') {
            ""
        } else {
            "."
        };
        write!(out, "{}:{}: {}{stop}", self.file, self.line, self.sentence)
    }
}

impl std::error::Error for Mistake {}

impl Mistake {
    /// A sentence about a part of the text.
    pub(super) fn at(
        file: &str,
        text: &str,
        at: Range<usize>,
        sentence: impl Into<String>,
    ) -> Self {
        let before = text.as_bytes().iter().take(at.start);
        Self {
            file: file.to_owned(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
            sentence: sentence.into(),
        }
    }

    /// What the parser found.
    pub(super) fn of_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let lines: Vec<_> = error.message().lines().map(str::trim).collect();
        // The file's author knows keys and values, not our fields and variants.
        let mut sentence = lines
            .join(", ")
            .replace("unknown field", "unknown key")
            .replace("missing field", "missing key")
            .replace("unknown variant", "unknown value")
            .replace("expected i64", "expected a whole number")
            .replace("expected u32", "expected a whole number")
            .replace("expected struct", "expected a table, not")
            .replace(
                "invalid type: map, expected a sequence",
                "expected a list; a section of a list has two brackets, as in [[turn]]",
            )
            .replace("expected a sequence", "expected a list, as in [\"…\"]");
        if let Some(meant) = meant_of(&sentence) {
            sentence.push_str(&meant);
        }
        Self::at(file, text, error.span().unwrap_or_default(), sentence)
    }
}

/// The suggestion behind a sentence "unknown key `a`, expected one of `b`, `c`".
fn meant_of(sentence: &str) -> Option<String> {
    if !sentence.starts_with("unknown ") {
        return None;
    }
    let mut quoted = sentence.split('`').skip(1).step_by(2);
    let wrong = quoted.next()?;
    suggestion(wrong, quoted)
}

/// "; is … meant?", if one of the names is like this one.
pub(super) fn suggestion<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let alike = |name: &&str| strsim::jaro_winkler(wrong, name);
    let best = names.max_by(|one, other| alike(one).total_cmp(&alike(other)))?;
    (alike(&best) >= ALIKE).then(|| format!("; is `{best}` meant?"))
}
