//! Text in XML and HTML: every character that would be markup, or that XML does not have, is replaced.

/// Text between tags, and in attributes with double quotes. XML 1.0 has no control characters but tab and line breaks
/// (production 2, Char), not even as references: those become U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // As references, since a reader makes blanks of them in attributes, and of `\r` a line feed.
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_in_a_text_is_markup_or_forbidden() {
        let text = "a<b> & \"c\" 'd'\u{0}\u{8}\u{1b}[31m\u{b}\u{fffe}\u{85}é😀\n\r\t";
        let expected = "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;\u{fffd}\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}é😀&#10;&#13;&#9;";
        assert_eq!(escaped(text), expected);
    }
}
