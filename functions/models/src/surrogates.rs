//! Characters that a service cut in two: each half comes as an escape (`\ud83d`) in an event of its own, which is no JSON text.
//! Knows JSON and UTF-16; no wire format.
//!
//! A half is read as a character of the private plane 16 that nobody uses, and [`Halves`] puts two such characters in a row together
//! again, or makes one that stays alone a replacement character.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// The stand-in of U+D800. The 2,048 halves fill the end of the last plane.
const FIRST: u32 = 0x0010_F800;
/// Every stand-in begins with this byte, and hardly any other character.
const MARK: u8 = 0xF4;

/// Reads a value from JSON in which a character may be cut.
pub fn read_json<T: DeserializeOwned>(data: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(data).or_else(|error| match whole(data) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(mended) => serde_json::from_str(&mended),
    })
}

/// The text with a stand-in for each half that is alone.
fn whole(data: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let mut rest = data;
    let mut skipped = 0;
    while let Some(at) = rest.get(skipped..).and_then(|text| text.find('\\')) {
        let at = at + skipped;
        let unit = |at: usize| {
            let digits = rest.get(at..at + 6)?.strip_prefix("\\u")?;
            u32::from_str_radix(digits, 16).ok()
        };
        let half = unit(at).filter(|unit| (0xD800..0xE000).contains(unit));
        let Some(half) = half else {
            // An escape of another kind; an escaped backslash escapes nothing behind it.
            skipped = at + 2;
            continue;
        };
        let has_second =
            half < 0xDC00 && unit(at + 6).is_some_and(|unit| (0xDC00..0xE000).contains(&unit));
        if has_second {
            skipped = at + 12;
            continue;
        }
        mended.push_str(rest.get(..at).unwrap_or_default());
        mended.extend(char::from_u32(FIRST + half - 0xD800));
        rest = rest.get(at + 6..).unwrap_or_default();
        skipped = 0;
    }
    if rest.len() == data.len() {
        return Cow::Borrowed(data);
    }
    mended.push_str(rest);
    Cow::Owned(mended)
}

/// The last half of a text that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    first: Option<u32>,
}

impl Halves {
    /// The piece with its characters put together; the beginning of one stays here.
    pub(crate) fn join(&mut self, piece: String) -> String {
        if self.first.is_none() && !piece.as_bytes().contains(&MARK) {
            return piece;
        }
        let mut text = String::with_capacity(piece.len());
        for letter in piece.chars() {
            let half = u32::from(letter).checked_sub(FIRST);
            match (self.first.take(), half) {
                (Some(first), Some(second @ 0x400..)) => {
                    let both = 0x1_0000 + (first << 10) + (second - 0x400);
                    text.extend(char::from_u32(both));
                }
                (before, half) => {
                    if before.is_some() {
                        text.push(char::REPLACEMENT_CHARACTER);
                    }
                    match half {
                        Some(first @ ..0x400) => self.first = Some(first),
                        Some(_) => text.push(char::REPLACEMENT_CHARACTER),
                        None => text.push(letter),
                    }
                }
            }
        }
        text
    }

    /// What the end of the text leaves of a character.
    pub(crate) fn end(&mut self) -> Option<char> {
        self.first.take().map(|_| char::REPLACEMENT_CHARACTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> String {
        let mut halves = Halves::default();
        let mut text = String::new();
        for piece in pieces {
            let piece: String = read_json(&format!("\"{piece}\"")).unwrap();
            text.push_str(&halves.join(piece));
        }
        text.extend(halves.end());
        text
    }

    #[test]
    fn a_character_survives_being_cut_between_two_texts() {
        for (pieces, text) in [
            (&["a \\ud83d", "\\ude80 b"][..], "a 🚀 b"),
            (&["\\uD83D", "", "\\uDE80"], "🚀"),
            (&["\\ud83d\\ude80\\ud83d", "\\ude80"], "🚀🚀"),
            (&["\\ud83d", "b"], "\u{fffd}b"),
            (&["a", "\\ude80"], "a\u{fffd}"),
            (&["a\\ud83d"], "a\u{fffd}"),
            (&["\\ud83d\\ud83d\\ude80"], "\u{fffd}🚀"),
            (&["\\\\ud83d \\n\\ud83d", "\\ude80"], "\\ud83d \n🚀"),
            (&["\\udbff", "\\udfff"], "\u{10ffff}"),
        ] {
            assert_eq!(read(pieces), text, "{pieces:?}");
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for data in ["\"\\u12\"", "\"a", "{\"a\":\"\\ud83d\"", "\\"] {
            assert!(read_json::<serde_json::Value>(data).is_err(), "{data}");
        }
    }
}
