//! Characters that a reader does not see. They hide words from people that models read, and turn lines of a terminal around.

use std::borrow::Cow;

/// Whether this is a character without a look of its own (the categories Cc and Cf of Unicode, and others that show nothing). White
/// space is not.
pub fn is_invisible(c: char) -> bool {
    if c.is_control() {
        return !c.is_whitespace();
    }
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        // Tags, and selectors of variants: a byte of any text each.
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}'
        // Fillers of Hangul, which are letters.
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// Whether a reader sees nothing of it.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// The text without what a reader does not see. Line breaks and tabs stay; two other characters stay where words and emoji need
/// them.
pub fn visible(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) || matches!(byte, b'\n' | b'\t');
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let before = kept.chars().next_back();
        let after = chars.peek().copied();
        match c {
            '\n' | '\t' => kept.push(c),
            '\u{2028}' | '\u{2029}' => kept.push(' '),
            _ if c.is_control() => {}
            _ if !is_invisible(c) || is_needed(before, c, after) => kept.push(c),
            _ => {}
        }
    }
    Cow::Owned(kept)
}

/// The same, in one line.
pub fn visible_line(text: &str) -> String {
    visible(text).replace(['\n', '\t'], " ")
}

/// Joiners are spelling in Persian, in Indian scripts and in emoji, and an emoji may have a selector of its colour. One of them
/// between two characters hides nothing; a row of them is a message.
fn is_needed(before: Option<char>, c: char, after: Option<char>) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !is_invisible(c));
    match c {
        '\u{200c}' | '\u{200d}' => {
            (is_letter(before) || before == Some('\u{fe0f}')) && is_letter(after)
        }
        '\u{fe0e}' | '\u{fe0f}' => is_letter(before),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_does_not_see_goes_and_all_else_stays() {
        for (text, seen) in [
            ("plain\n\ttext", "plain\n\ttext"),
            ("Grüße, 漢字, العربية", "Grüße, 漢字, العربية"),
            ("a\u{202e}b\u{200b}c\u{2066}d\u{feff}", "abcd"),
            ("\u{1b}[31mred\u{7}\0\u{9b}", "[31mred"),
            ("one\r\ntwo\u{2028}three\u{85}", "one\ntwo three"),
            ("hid\u{e0041}\u{e0042}den", "hidden"),
            ("a\u{200d}b", "ab"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
            ("می\u{200c}\u{200d}\u{200c}خ", "می\u{200c}خ"),
            (
                "👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥",
                "👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥",
            ),
            ("❤\u{fe0f}\u{fe0e}\u{fe0f}", "❤\u{fe0f}"),
        ] {
            assert_eq!(visible(text), seen, "{text:?}");
        }
        assert_eq!(visible_line("one\ntwo\u{202e}"), "one two");
    }

    #[test]
    fn a_text_is_blank_if_a_reader_sees_nothing() {
        for text in [
            "",
            " \t\n\u{a0}",
            "\0",
            "\u{200b}\u{feff} ",
            "\u{3164}",
            "\u{e0041}",
        ] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in [".", "\u{200b}a", "👍"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
