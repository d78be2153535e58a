//! The card by which a customer confirms an action, as the team file says it.
//! Knows the tool's parameters and the words of a yes; never who answers.

use std::time::Duration;

use serde_json::Value;
use toml::Spanned;

use super::canonical::canonical;
use super::file::ConfirmFile;
use super::mistake::{Located, Mistake};
use super::parameters::Parameters;
use super::show::{Field, picked};
use super::{in_range, not_empty};
use crate::text::visible_line;

/// The longest life of a card, in minutes: three days, as an approval has.
const MINUTES: (i64, i64) = (1, 3 * 24 * 60);

const DEFAULT_LIFE: Duration = Duration::from_hours(1);

/// How much of an argument stands in a title, in characters.
const IN_TITLE: usize = 100;

/// How a customer is asked to confirm an action of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    title: Vec<Piece>,
    /// The arguments on the card. None: all of them.
    show: Option<Vec<Field>>,
    /// Messages that confirm the card, in the form of [`word`].
    yes: Vec<String>,
    /// Messages that decline it.
    no: Vec<String>,
    /// How long it can be confirmed.
    pub life: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Amount,
    Argument(String),
}

impl Confirm {
    /// `has_amount`: what a call is worth can be told.
    pub(super) fn declare(
        tool: &str,
        parameters: &Parameters,
        has_amount: bool,
        file: ConfirmFile,
    ) -> Result<Self, Located> {
        let at = file.title.span();
        let title = not_empty(file.title, || format!("the title of confirm of {tool:?}"))?;
        let title = pieces(&title).ok_or_else(|| {
            let tool = tool.to_owned();
            Mistake::TitleBrackets { tool }.at(at.clone())
        })?;
        for piece in &title {
            let name = match piece {
                Piece::Text(_) => continue,
                Piece::Amount if has_amount => continue,
                Piece::Amount => "amount",
                Piece::Argument(name) if parameters.is_always_there(name) => continue,
                Piece::Argument(name) => name,
            };
            let (tool, name) = (tool.to_owned(), name.to_owned());
            return Err(Mistake::TitleName { tool, name }.at(at));
        }
        let show = match file.show {
            Some(names) => Some(shown(tool, parameters, names)?),
            None => None,
        };
        let life = in_range("minutes", file.minutes, MINUTES)?;
        let yes = words(tool, file.yes, &[])?;
        Ok(Self {
            title,
            show,
            no: words(tool, file.no, &yes)?,
            yes,
            life: life.map_or(DEFAULT_LIFE, Duration::from_mins),
        })
    }

    /// The question on the card of a call.
    pub(crate) fn title(&self, arguments: &Value, amount_cents: Option<u64>) -> String {
        let worded = self.title.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Amount => amount_cents.map_or_else(|| "an unknown amount".to_owned(), dollars),
            Piece::Argument(name) => worded(arguments.get(name)),
        });
        worded.collect()
    }

    /// The arguments on the card of a call with these, as a JSON object.
    pub(crate) fn shown(&self, arguments: &str) -> String {
        match &self.show {
            None => arguments.to_owned(),
            Some(fields) => picked(fields, arguments).unwrap_or_else(|| "{}".to_owned()),
        }
    }

    /// Whether this message, as a whole, answers the card: with a yes, or with a no.
    pub(crate) fn answer(&self, message: &str) -> Option<bool> {
        if self.yes.is_empty() && self.no.is_empty() {
            return None;
        }
        let said = word(message);
        if self.yes.contains(&said) {
            Some(true)
        } else {
            self.no.contains(&said).then_some(false)
        }
    }
}

/// `$1,234.50`.
pub(crate) fn dollars(cents: u64) -> String {
    let whole = (cents / 100).to_string();
    let mut grouped = String::with_capacity(whole.len() + 8);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("${grouped}.{:02}", cents % 100)
}

/// A message as it is compared with the words of the file: trimmed, in lower case, without punctuation at its end.
fn word(message: &str) -> String {
    let end = |c: char| c.is_whitespace() || matches!(c, '.' | '!' | '?' | ',' | ';' | ':' | '…');
    message.trim_start().trim_end_matches(end).to_lowercase()
}

fn words(
    tool: &str,
    words: Vec<Spanned<String>>,
    others: &[String],
) -> Result<Vec<String>, Located> {
    let mut read = Vec::with_capacity(words.len());
    for spanned in words {
        let said = word(spanned.get_ref());
        if said.is_empty() || others.contains(&said) {
            let (tool, said) = (tool.to_owned(), spanned.get_ref().clone());
            return Err(Mistake::ConfirmWord { tool, word: said }.at(spanned.span()));
        }
        read.push(said);
    }
    Ok(read)
}

fn shown(
    tool: &str,
    parameters: &Parameters,
    names: Vec<Spanned<String>>,
) -> Result<Vec<Field>, Located> {
    let mut fields = Vec::with_capacity(names.len());
    for name in names {
        let at = name.span();
        let field = Field::parse(tool, name)?;
        if let Some(name) = field.name()
            && parameters.property(name).is_none()
        {
            let (tool, name) = (tool.to_owned(), name.to_owned());
            return Err(Mistake::TitleName { tool, name }.at(at));
        }
        fields.push(field);
    }
    Ok(fields)
}

/// The title's text and names in braces. None: a brace without the other one.
fn pieces(title: &str) -> Option<Vec<Piece>> {
    let mut found = Vec::new();
    let mut rest = title;
    while let Some((text, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}')?;
        if text.contains('}') || name.contains('{') {
            return None;
        }
        found.push(Piece::Text(text.to_owned()));
        found.push(match name.trim() {
            "amount" => Piece::Amount,
            other => Piece::Argument(other.to_owned()),
        });
        rest = behind;
    }
    if rest.contains('}') {
        return None;
    }
    found.push(Piece::Text(rest.to_owned()));
    Some(found)
}

/// An argument in a sentence. What a model wrote has one line, and no character that nobody sees.
fn worded(value: Option<&Value>) -> String {
    let text = match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)),
        ) => canonical(other.clone()).to_string(),
    };
    let line = visible_line(&text);
    match line.char_indices().nth(IN_TITLE) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_as_money() {
        assert_eq!(dollars(74_900), "$749.00");
        assert_eq!(dollars(5), "$0.05");
        assert_eq!(dollars(123_456_789), "$1,234,567.89");
        assert_eq!(dollars(100_000), "$1,000.00");
    }

    #[test]
    fn a_word_is_the_whole_message_in_whatever_case_and_with_whatever_end() {
        for said in ["yes", " Yes! ", "YES.", "yes…\n"] {
            assert_eq!(word(said), "yes", "{said:?}");
        }
        for other in ["yes please", "oh yes", "no"] {
            assert_ne!(word(other), "yes", "{other:?}");
        }
    }

    #[test]
    fn a_title_has_names_in_braces() {
        let found = pieces("Refund of {amount} for {item_id}?").unwrap();
        assert_eq!(
            found,
            [
                Piece::Text("Refund of ".to_owned()),
                Piece::Amount,
                Piece::Text(" for ".to_owned()),
                Piece::Argument("item_id".to_owned()),
                Piece::Text("?".to_owned()),
            ]
        );
        for bad in ["{", "}", "{a", "a}", "{a{b}}"] {
            assert_eq!(pieces(bad), None, "{bad:?}");
        }
    }
}
