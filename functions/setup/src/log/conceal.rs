//! Removes ids of conversations from the log: an id gives access to its conversation, and logs live long.
//!
//! A log line's text comes from many sources: our fields, errors that name a key of the store, libraries' messages about
//! requests. So the whole line is searched for ids: by the words before them, by the form of our ids, and by the form of an
//! action's id. The remaining characters are enough to find the lines of a conversation, and not enough to open it.

/// Characters left of an id, at most half of it.
const KEPT: usize = 8;

/// The words before an id of any form: keys of the store, paths.
const LEADS: [&str; 3] = ["C#", "conversations/", "actions/"];

/// The text with every conversation's id shortened.
pub(super) fn conceal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(is_of_id) {
        let (between, tail) = rest.split_at(begin);
        let end = tail.find(|c| !is_of_id(c)).unwrap_or(tail.len());
        let (word, behind) = tail.split_at(end);
        let (before, _) = text.split_at(text.len() - tail.len());
        out.push_str(between);
        if is_id(before, word, behind) {
            shorten(&mut out, word);
        } else {
            out.push_str(word);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The value of a field with the id of a conversation, shortened.
pub(super) fn conceal_id(value: &str) -> String {
    if value.is_empty() || !value.chars().all(is_of_id) {
        return conceal(value);
    }
    let mut out = String::new();
    shorten(&mut out, value);
    out
}

fn shorten(out: &mut String, id: &str) {
    out.extend(id.chars().take(KEPT.min(id.len() / 2)));
    out.push('…');
}

fn is_of_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_id(before: &str, word: &str, behind: &str) -> bool {
    LEADS.iter().any(|lead| before.ends_with(lead))
        || is_labelled(before)
        || is_action(behind)
        || (has_our_form(word) && !is_hash_of_action(before))
}

/// `conversation=`, `"conversation_id":"`, `x-conversation-id: "` and the like, also where the quotes are escaped.
fn is_labelled(before: &str) -> bool {
    let label = before.trim_end_matches(['"', '\\', '\'', ' ', ':', '=', '(']);
    let (_, marks) = before.split_at(label.len());
    if !marks.contains([':', '=', '(']) {
        return false;
    }
    let label = label.to_ascii_lowercase().replace('-', "_");
    ["conversation", "conversation_id", "conversationid"]
        .iter()
        .any(|name| label.ends_with(name))
}

/// Random ids: 32 hexadecimal digits, as made by the server, or a UUID, as made by browsers.
fn has_our_form(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_hexdigit).count();
    let dashes = word.match_indices('-').map(|(at, _)| at);
    match word.len() {
        32 => digits == 32,
        36 => digits == 32 && dashes.eq([8, 13, 18, 23]),
        _ => false,
    }
}

/// Whether `.TURN.HASH` follows.
fn is_action(behind: &str) -> bool {
    let mut parts = behind.splitn(3, '.');
    let (Some(""), Some(turn), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let hash = hash
        .find(|c| !is_of_id(c))
        .map_or(hash, |end| hash.split_at(end).0);
    is_number(turn) && has_our_form(hash)
}

/// Whether `.TURN.` precedes: an action's hash gives no access.
fn is_hash_of_action(before: &str) -> bool {
    let Some((_, turn)) = before
        .strip_suffix('.')
        .and_then(|before| before.rsplit_once('.'))
    else {
        return false;
    };
    is_number(turn)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn an_id_is_found_by_what_stands_before_it() {
        for (text, concealed) in [
            (
                "the record C#my-own-conversation META cannot be read",
                "the record C#my-own-c… META cannot be read",
            ),
            (
                "GET /conversations/my-own-conversation/turns/2/events",
                "GET /conversations/my-own-c…/turns/2/events",
            ),
            (
                r#"{"conversation_id":"my-own-conversation","message":"x"}"#,
                r#"{"conversation_id":"my-own-c…","message":"x"}"#,
            ),
            (
                r#""{\"conversation\":\"my-own-conversation\"}""#,
                r#""{\"conversation\":\"my-own-c…\"}""#,
            ),
            (
                "turn 3 of conversation=my-own-conversation, lost",
                "turn 3 of conversation=my-own-c…, lost",
            ),
            (
                r#"("x-conversation-id", "my-own-conversation")"#,
                r#"("x-conversation-id", "my-own-conversation")"#,
            ),
            (
                r#"{"x-conversation-id": "my-own-conversation"}"#,
                r#"{"x-conversation-id": "my-own-c…"}"#,
            ),
        ] {
            assert_eq!(conceal(text), concealed);
        }
    }

    #[test]
    fn a_random_id_is_found_wherever_it_stands() {
        for (text, concealed) in [
            (
                "of 0123456789abcdef0123456789abcdef, or",
                "of 01234567…, or",
            ),
            ("of 01234567-89ab-4def-8123-456789abcdef.", "of 01234567…."),
        ] {
            assert_eq!(conceal(text), concealed);
        }
    }

    #[test]
    fn an_action_keeps_what_opens_nothing() {
        for id in ["my-own-conversation", HASH] {
            let short: String = id.chars().take(KEPT.min(id.len() / 2)).collect();
            assert_eq!(
                conceal(&format!("action {id}.12.{HASH}!")),
                format!("action {short}….12.{HASH}!")
            );
        }
    }

    #[test]
    fn at_most_half_of_a_short_id_remains() {
        assert_eq!(conceal_id("c"), "…");
        assert_eq!(conceal_id("c12345"), "c12…");
        assert_eq!(conceal_id("Some(\"C#c12345\")"), "Some(\"C#c12…\")");
    }

    #[test]
    fn text_without_an_id_stays_unchanged() {
        for text in [
            "",
            "transfer_to_issues_and_repairs",
            "conversations were left",
            "the conversation could not be left in time",
            "größer als 1.2.3, C# and F#",
            "GET /conversations?limit=2",
        ] {
            assert_eq!(conceal(text), text);
        }
    }
}
