//! Takes secrets out of what a service answers, however it spells them: no model must see one, and a service may echo what it was
//! sent. Knows texts only.

/// Stands where a secret was.
const HIDDEN: char = '…';

/// The values to be taken out, with their encodings of whole texts. An encoding of single characters is read while searching.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Vec<char>>);

impl Secrets {
    pub(crate) fn add(&mut self, secret: &str) {
        let bytes = secret.as_bytes();
        let hex = bytes
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let mut spellings = vec![secret.to_owned(), hex];
        for skipped in 0..3 {
            for alphabet in [STANDARD, URL_SAFE] {
                spellings.push(base64_inside(bytes, skipped, alphabet));
            }
        }
        for spelling in spellings {
            let mut spelling: Vec<_> = spelling.chars().collect();
            // A run of backslashes is read as one, because each level of escaping doubles it.
            spelling.dedup_by(|a, b| *a == '\\' && *b == '\\');
            if !self.0.contains(&spelling) {
                self.0.push(spelling);
            }
        }
        // The longest first: a part of it may be another secret.
        self.0
            .sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    }

    /// The text without them.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let after = self
                .0
                .iter()
                .find_map(|spelling| after_secret(rest, spelling));
            rest = if let Some(after) = after {
                shown.push(HIDDEN);
                after
            } else {
                shown.push(next);
                rest.get(next.len_utf8()..).unwrap_or_default()
            };
        }
        shown
    }
}

/// The text behind the secret, if it begins with it.
fn after_secret<'a>(text: &'a str, secret: &[char]) -> Option<&'a str> {
    secret.iter().try_fold(text, |rest, c| after_char(rest, *c))
}

/// The text behind this character, in upper or lower case, plain or escaped as in JSON, a URL or HTML.
fn after_char(text: &str, c: char) -> Option<&str> {
    let mut rest = text.chars();
    match rest.next()? {
        '\\' => after_backslash(text, c),
        '%' => after_percent(text, c).or_else(|| (c == '%').then_some(rest.as_str())),
        '&' => after_entity(text, c).or_else(|| (c == '&').then_some(rest.as_str())),
        '+' if c == ' ' => Some(rest.as_str()),
        found => is_same(found, c).then_some(rest.as_str()),
    }
}

fn is_same(found: char, c: char) -> bool {
    found == c || found.to_lowercase().eq(c.to_lowercase())
}

/// JSON in JSON has several backslashes, one or none of which stands for itself.
fn after_backslash(text: &str, c: char) -> Option<&str> {
    let rest = text.trim_start_matches('\\');
    let coded = rest.strip_prefix(['u', 'x']).and_then(|coded| {
        let length = if rest.starts_with('u') { 4 } else { 2 };
        let (digits, rest) = coded.split_at_checked(length)?;
        is_same(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, c).then_some(rest)
    });
    if coded.is_some() || c == '\\' {
        return coded.or(Some(rest));
    }
    let mut rest = rest.chars();
    is_same(rest.next()?, c).then_some(rest.as_str())
}

/// Each byte of the character in hexadecimal; a percent sign may be encoded itself.
fn after_percent(text: &str, c: char) -> Option<&str> {
    let bytes = |text: &'_ str, c: char| {
        let mut buffer = [0; 4];
        let mut at = 0;
        for byte in c.encode_utf8(&mut buffer).bytes() {
            let rest = text.get(at..)?.strip_prefix('%')?;
            let plain = rest.trim_start_matches("25");
            // `%25` is a percent sign, and `%252f` a slash that is encoded twice.
            let rest = if byte == b'%' && plain.len() + 2 == rest.len() {
                rest
            } else {
                plain
            };
            let (digits, after) = rest.split_at_checked(2)?;
            if u8::from_str_radix(digits, 16).ok()? != byte {
                return None;
            }
            at = text.len() - after.len();
        }
        Some(at)
    };
    let mut cases = c.to_lowercase().chain(c.to_uppercase());
    let at = bytes(text, c).or_else(|| cases.find_map(|case| bytes(text, case)))?;
    text.get(at..)
}

fn after_entity(text: &str, c: char) -> Option<&str> {
    let (name, rest) = text.strip_prefix('&')?.split_once(';')?;
    let found = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        coded => {
            let coded = coded.strip_prefix('#')?;
            let code = match coded.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => coded.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    is_same(found, c).then_some(rest)
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters of base64 (RFC 4648) that these bytes alone decide, where so many others precede them in their group of three.
fn base64_inside(bytes: &[u8], skipped: usize, alphabet: &[u8; 64]) -> String {
    let bits: Vec<_> = std::iter::repeat_n(&0, skipped)
        .chain(bytes)
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let sextets = bits.chunks_exact(6).skip((skipped * 8).div_ceil(6));
    sextets
        .filter_map(|bits| {
            let index = bits
                .iter()
                .fold(0, |index, bit| index << 1 | usize::from(*bit));
            alphabet.get(index).map(|byte| char::from(*byte))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(secret: &str, text: &str) -> String {
        let mut secrets = Secrets::default();
        secrets.add(secret);
        secrets.hide(text)
    }

    #[test]
    fn a_secret_is_hidden_however_it_is_escaped() {
        let secret = "tok-a\"b/c&d\\e f";
        for text in [
            secret,
            "TOK-A\"B/C&D\\E F",
            r#"tok-a\"b/c&d\\e f"#,
            r#"tok-a\"b\/c&d\\e f"#,
            r#"tok-a\\\"b\/c&d\\\\e f"#,
            r"\u0074\u006f\u006B-a\u0022b\u002fc\u0026d\u005Ce f",
            r"\\u0074ok-a\x22b/c&d\\e f",
            "tok-a%22b%2Fc%26d%5Ce+f",
            "tok-a%22b%2fc%26d%5ce%20f",
            "%74%6F%6b%2Da%22b/c&d\\e f",
            "tok-a%2522b%252Fc%2526d%255Ce%2520f",
            "tok-a&quot;b/c&amp;d\\e f",
            "tok-a&#34;b&#x2F;c&amp;d\\e f",
            "746f6b2d6122622f6326645c652066",
            "746F6B2D6122622F6326645C652066",
        ] {
            assert_eq!(hide(secret, text), "…", "{text}");
            let inside = format!("{{\"sent\": \"x{text}y\"}}");
            assert_eq!(hide(secret, &inside), "{\"sent\": \"x…y\"}", "{text}");
        }
    }

    #[test]
    fn a_secret_in_base64_is_hidden_wherever_it_stands_in_it() {
        let secret = "tok-12345678";
        for (text, left) in [
            // Nothing, `a:`, `ab:` and `Bearer ` before it, and something after it.
            ("dG9rLTEyMzQ1Njc4", "…"),
            ("YTp0b2stMTIzNDU2Nzg=", "YTp…g="),
            ("YWI6dG9rLTEyMzQ1Njc4", "YWI6…"),
            ("QmVhcmVyIHRvay0xMjM0NTY3OA==", "QmVhcmVyIH…A=="),
            ("dG9rLTEyMzQ1Njc4OnRva2Vu", "…OnRva2Vu"),
        ] {
            assert_eq!(hide(secret, text), left, "{text}");
        }
        // The alphabet of URLs.
        assert_eq!(hide("???>>>???>>>", "Pz8_Pj4-Pz8_Pj4-"), "…");
        assert_eq!(hide("???>>>???>>>", "Pz8\\/Pj4+Pz8\\/Pj4+"), "…");
    }

    #[test]
    fn of_an_escape_nothing_is_left_that_would_break_the_text() {
        let told = hide(
            "nsecret-9",
            r#"{"a": "\nnsecret-9", "b": "\\nsecret-9", "c": "\"nsecret-9\""}"#,
        );
        assert_eq!(told, r#"{"a": "\n…", "b": "…", "c": "\"…\""}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&told).is_ok());
    }

    #[test]
    fn another_text_is_left_as_it_is() {
        for text in [
            "",
            "tok-1234567",
            "100% of a&b; \\ \\u00",
            "%74%",
            "&#;",
            "größer",
        ] {
            assert_eq!(hide("tok-12345678", text), text);
        }
        assert_eq!(hide("50%off-now", "50%25off-now 50%off-now"), "… …");
        assert_eq!(
            hide("schlüssel", "SCHLÜSSEL schl%C3%BCssel schl\\u00fcssel"),
            "… … …"
        );
    }
}
