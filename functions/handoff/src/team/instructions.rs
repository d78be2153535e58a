//! The instructions of an agent, with places for what is known of a turn.
//! Knows the file and the names of what is known; never a conversation.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;

use super::mistake::Located;
use super::{Files, not_empty};
use crate::ports::Millis;
use crate::text::visible_line;
use crate::{Claims, Day};

/// The longest value of a customer, in characters: a name is no place for a text of its own.
const LONGEST_VALUE: usize = 200;

/// Stands for what is not known, so that no sentence has a hole.
const UNKNOWN: &str = "unknown";

const CLAIMS: &str = "customer.claims.";

const NAMES: &str =
    "{today}, {weekday}, {tenant}, {customer.id}, {customer.name} and {customer.claims.NAME}";

/// Instructions: text, and places that code fills in each turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instructions(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Today,
    Weekday,
    Tenant,
    CustomerId,
    /// A claim of the verified customer.
    Claim(String),
}

/// What is known of a turn. Recorded with it, so that a turn that another process takes over has the same.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// When the turn was accepted.
    pub accepted_at: Millis,
    /// The tenant.
    pub tenant: &'a str,
    /// The verified customer's id.
    pub customer: Option<&'a str>,
    /// The verified customer's claims.
    pub claims: &'a Claims,
}

impl Instructions {
    /// The text as a whole, where nothing has to be filled in.
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text of this turn.
    pub fn fill(&self, facts: Facts<'_>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                // Writing to a string cannot fail.
                Piece::Today => {
                    let _ = write!(text, "{}", Day::of(facts.accepted_at));
                }
                Piece::Weekday => text.push_str(weekday(facts.accepted_at)),
                Piece::Tenant => text.push_str(&value(facts.tenant)),
                Piece::CustomerId => text.push_str(&facts.customer.map_or(UNKNOWN.into(), value)),
                Piece::Claim(name) => text.push_str(&claim(facts, name)),
            }
        }
        text
    }

    /// The claims of customers in it.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Claim(name) => Some(name.as_str()),
            Piece::Text(_) | Piece::Today | Piece::Weekday | Piece::Tenant | Piece::CustomerId => {
                None
            }
        })
    }

    /// `text` or the text of `file`; None where there is neither. `of` completes "the instructions …".
    pub(super) fn declare(
        of: &str,
        text: Option<Spanned<String>>,
        file: Option<Spanned<String>>,
        files: Files<'_>,
    ) -> Result<Option<Self>, Located> {
        let what = format!("the instructions {of}");
        let (text, at, what) = match (text, file) {
            (None, None) => return Ok(None),
            (Some(_), Some(file)) => {
                let sentence = format!("{what} stand here and in this file; one of both is right");
                return Err(Located::new(sentence, file.span()));
            }
            (Some(text), None) => {
                let at = text.span();
                (not_empty(text, || what.clone())?, at, what)
            }
            (None, Some(file)) => {
                let at = file.span();
                let what = format!("{what} in {:?}", file.get_ref());
                let text = read(files, &file)?;
                (
                    not_empty(Spanned::new(at.clone(), text), || what.clone())?,
                    at,
                    what,
                )
            }
        };
        Self::parse(&what, &text, at).map(Some)
    }

    /// Braces around anything but a name stand for themselves, as in JSON.
    fn parse(what: &str, text: &str, at: Range<usize>) -> Result<Self, Located> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            literal.push_str(before);
            // `{{today}}` is the text `{today}`.
            let doubled = after
                .strip_prefix('{')
                .and_then(|after| after.split_once("}}"))
                .filter(|(name, _)| is_name(name));
            if let Some((name, behind)) = doubled {
                let _ = write!(literal, "{{{name}}}");
                rest = behind;
                continue;
            }
            let name = after.split_once('}').filter(|(name, _)| is_name(name));
            let Some((name, behind)) = name else {
                literal.push('{');
                rest = after;
                continue;
            };
            let piece = Piece::of(name).ok_or_else(|| {
                let sentence = format!(
                    "{what} have {{{name}}}, and known are {NAMES}; {{{{{name}}}}} stands for the word in braces"
                );
                Located::new(sentence, at.clone())
            })?;
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
            pieces.push(piece);
            rest = behind;
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Self(pieces))
    }

    /// The shared instructions, and behind them an agent's own.
    pub(super) fn behind(self, shared: Option<&Self>) -> Self {
        let Some(shared) = shared else { return self };
        let parts = [
            shared.0.clone(),
            vec![Piece::Text("\n\n".to_owned())],
            self.0,
        ];
        let mut pieces: Vec<Piece> = Vec::new();
        for piece in parts.into_iter().flatten() {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => pieces.push(piece),
            }
        }
        Self(pieces)
    }
}

impl Piece {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "today" => Self::Today,
            "weekday" => Self::Weekday,
            "tenant" => Self::Tenant,
            "customer.id" => Self::CustomerId,
            "customer.name" => Self::Claim("name".to_owned()),
            other => Self::Claim(other.strip_prefix(CLAIMS)?.to_owned()),
        })
    }
}

/// A text of a file beside the team file.
pub(super) fn read(files: Files<'_>, path: &Spanned<String>) -> Result<String, Located> {
    files(path.get_ref()).map_err(|reason| {
        let sentence = format!("the file {:?} cannot be read: {reason}", path.get_ref());
        Located::new(sentence, path.span())
    })
}

fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let claim = name.strip_prefix(CLAIMS);
    begins && (name.chars().all(is_part) || claim.is_some_and(|claim| !claim.is_empty()))
}

/// A claim is the customer's data, and may be the customer's own words: one line, and not a long one.
fn claim(facts: Facts<'_>, name: &str) -> String {
    let found = facts.customer.and_then(|_| facts.claims.get(name));
    match found {
        Some(Value::String(text)) => value(text),
        Some(Value::Null) | None => UNKNOWN.to_owned(),
        Some(other) => value(&other.to_string()),
    }
}

fn value(text: &str) -> String {
    let line = visible_line(text);
    let line = line.trim();
    match line.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None if line.is_empty() => UNKNOWN.to_owned(),
        None => line.to_owned(),
    }
}

/// The day of the week of a moment, in UTC like the day itself.
fn weekday(at: Millis) -> &'static str {
    const DAY: Millis = 24 * 60 * 60 * 1000;
    // The first day of 1970 was a Thursday.
    match (at / DAY + 3) % 7 {
        0 => "Monday",
        1 => "Tuesday",
        2 => "Wednesday",
        3 => "Thursday",
        4 => "Friday",
        5 => "Saturday",
        _ => "Sunday",
    }
}
