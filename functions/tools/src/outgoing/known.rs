//! What Baton itself knows of a call and fills into it: in the address, headers and body. A model neither chooses nor sees it.
//! Knows names and values only; never a socket.

use std::fmt;

use baton_handoff::ports::CallContext;
use reqwest::header::HeaderValue;
use serde_json::Value;

/// What the team file may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// The verified customer's id.
    Customer,
    /// A claim of the verified customer, by name or by a path with dots.
    Claim(String),
    /// The conversation's id.
    Conversation,
    /// The number of the turn.
    Turn,
}

const CLAIMS: &str = "customer.claims.";

impl Known {
    /// All of them, worded for a sentence.
    pub(crate) const NAMES: &str =
        "one of {customer.id}, {customer.claims.NAME}, {conversation.id} and {turn}";

    /// Reads a name from between braces.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "customer.id" => Some(Self::Customer),
            "conversation.id" => Some(Self::Conversation),
            "turn" => Some(Self::Turn),
            other => {
                let claim = other.strip_prefix(CLAIMS)?;
                (!claim.is_empty()).then(|| Self::Claim(claim.to_owned()))
            }
        }
    }

    /// The name between braces.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Customer => "customer.id".to_owned(),
            Self::Claim(claim) => format!("{CLAIMS}{claim}"),
            Self::Conversation => "conversation.id".to_owned(),
            Self::Turn => "turn".to_owned(),
        }
    }

    /// The value in this call. Err completes the sentence "TOOL was not called: …".
    pub(crate) fn value(&self, context: &CallContext) -> Result<Value, String> {
        Ok(match self {
            Self::Conversation => Value::from(context.conversation.as_str()),
            Self::Turn => Value::from(context.turn),
            Self::Customer | Self::Claim(_) => {
                let customer = context.customer().ok_or_else(|| {
                    format!("it needs {self}, and this customer has not signed in")
                })?;
                match self {
                    Self::Claim(claim) => {
                        let value = context.speaker.claims.get(claim);
                        let known = value.filter(|value| !value.is_null()).cloned();
                        known.ok_or_else(|| format!("it needs {self}, which is not known"))?
                    }
                    Self::Customer | Self::Conversation | Self::Turn => Value::from(customer),
                }
            }
        })
    }

    /// The value as a text for an address or a header.
    pub(crate) fn text(&self, context: &CallContext) -> Result<String, String> {
        match self.value(context)? {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(truth) => Ok(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(format!(
                "it needs {self}, which is no text, number or truth value"
            )),
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer => f.write_str("the customer's id"),
            Self::Claim(claim) => write!(f, "the customer's claim {claim}"),
            Self::Conversation => f.write_str("the conversation's id"),
            Self::Turn => f.write_str("the number of the turn"),
        }
    }
}

/// A text of the team file with places for what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Known(Known),
}

impl Template {
    /// Reads the text. Braces around anything but a name stand for themselves, as in JSON. Err completes the sentence "header …".
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            literal.push_str(before);
            let name = after.split_once('}').filter(|(name, _)| is_name(name));
            let Some((name, behind)) = name else {
                literal.push('{');
                rest = after;
                continue;
            };
            let known = Known::parse(name).ok_or_else(|| {
                format!(
                    "has {{{name}}}, which is not {}; a parameter stands in the URL or in the body",
                    Known::NAMES
                )
            })?;
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
            pieces.push(Piece::Known(known));
            rest = behind;
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Self(pieces))
    }

    /// Whether nothing has to be filled in.
    pub(crate) fn is_literal(&self) -> bool {
        let is_known = |piece: &Piece| matches!(piece, Piece::Known(_));
        !self.0.iter().any(is_known)
    }

    /// The value in this call: what is known as it is, where the text is nothing else; otherwise a text.
    pub(crate) fn value(&self, context: &CallContext) -> Result<Value, String> {
        match self.0.as_slice() {
            [Piece::Known(known)] => known.value(context),
            _ => self.text(context).map(Value::String),
        }
    }

    /// The value of a header: printable ASCII, so that no value ends the header or means something else elsewhere.
    pub(crate) fn header(&self, context: &CallContext) -> Result<HeaderValue, String> {
        for piece in &self.0 {
            if let Piece::Known(known) = piece
                && !known.text(context)?.bytes().all(is_printable)
            {
                return Err(format!(
                    "{known} is not printable ASCII, which its header needs"
                ));
            }
        }
        let text = self.text(context)?;
        let mut value =
            HeaderValue::try_from(text).map_err(|_| "a header cannot hold its value".to_owned())?;
        // A customer's data, which must not enter logs.
        value.set_sensitive(true);
        Ok(value)
    }

    fn text(&self, context: &CallContext) -> Result<String, String> {
        self.0.iter().try_fold(String::new(), |mut text, piece| {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Known(known) => text.push_str(&known.text(context)?),
            }
            Ok(text)
        })
    }
}

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// A name as in URLs, or one that begins like ours; JSON has quotes there.
fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && (name.chars().all(is_part) || name.starts_with(CLAIMS))
}
