//! Titles of conversations, for clients that ask a model for one beside each first message. By code, from the customer's first words:
//! nothing is recorded, and no model is paid for what a list of conversations shows.

use std::fmt::Write as _;

use serde_json::json;

/// Words and characters of a title.
const WORDS: usize = 7;
const CHARACTERS: usize = 60;

/// What is said where no title can be made.
const UNTITLED: &str = "Conversation";

/// The answer to a request for a title, tags or questions that might follow.
pub(super) fn of(asked: &str) -> String {
    // Open WebUI shows the form of the answer that it wants.
    let wants = |name: &str| asked.contains(&format!("\"{name}\":"));
    if wants("follow_ups") {
        return json!({ "follow_ups": [] }).to_string();
    }
    if wants("tags") {
        return json!({ "tags": ["Support"] }).to_string();
    }
    let title = title(first_words(asked));
    if wants("title") {
        json!({ "title": title }).to_string()
    } else {
        title
    }
}

/// What the customer said first, where a request quotes a conversation; else all of it.
fn first_words(asked: &str) -> &str {
    let quoted = asked.split_once("<chat_history>").map(|(_, quoted)| quoted);
    let quoted = quoted.or_else(|| asked.split_once("Conversation:").map(|(_, quoted)| quoted));
    let Some(quoted) = quoted else {
        return asked;
    };
    let quoted = quoted.split("</chat_history>").next().unwrap_or(quoted);
    for speaker in ["USER:", "User:"] {
        if let Some((_, said)) = quoted.split_once(speaker) {
            let lines = said.trim_start().lines();
            return lines
                .map(str::trim)
                .find(|line| !line.is_empty())
                .unwrap_or_default();
        }
    }
    quoted.trim()
}

fn title(said: &str) -> String {
    let mut title = String::new();
    for word in said.split_whitespace().take(WORDS) {
        let gap = if title.is_empty() { "" } else { " " };
        if title.chars().count() + gap.len() + word.chars().count() > CHARACTERS {
            break;
        }
        // Writing to a string cannot fail.
        let _ = write!(title, "{gap}{word}");
    }
    let title = title.trim_end_matches(|last: char| last.is_ascii_punctuation());
    if title.is_empty() {
        UNTITLED.to_owned()
    } else {
        title.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_customers_first_words() {
        assert_eq!(
            of("My rocket-powered unicycle exploded."),
            "My rocket-powered unicycle exploded"
        );
        assert_eq!(of("أريد استرداد المال 💸"), "أريد استرداد المال 💸");
        assert_eq!(of(" … "), "…");
        assert_eq!(of(""), UNTITLED);
        assert_eq!(of(&"x".repeat(100)), UNTITLED);
    }

    #[test]
    fn of_a_quoted_conversation_it_is_the_first_message() {
        let webui = "### Task:\nGenerate a title.\n### Output:\nJSON format: { \"title\": \"your title\" }\n### Chat History:\n\
            <chat_history>\nUSER: I want a refund\nASSISTANT: For what?\n</chat_history>";
        assert_eq!(of(webui), r#"{"title":"I want a refund"}"#);
        let tags = webui.replace("title", "tags");
        assert_eq!(of(&tags), r#"{"tags":["Support"]}"#);
        let librechat =
            "Provide a concise title.\n\nConversation:\nUser: I want a refund\nAI: For what?";
        assert_eq!(of(librechat), "I want a refund");
    }
}
