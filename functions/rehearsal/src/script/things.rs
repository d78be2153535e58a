//! Names of things in what a customer writes: "my rocket-powered unicycle exploded". No grammar, only words that begin
//! and end a name.

use super::words::{DEFECT, Words, split};

/// Words that end the name of a thing: "my giant magnet | was …".
const AFTER_A_THING: &[&str] = &[
    "is",
    "was",
    "were",
    "are",
    "be",
    "has",
    "have",
    "had",
    "does",
    "doesn't",
    "do",
    "don't",
    "did",
    "didn't",
    "won't",
    "will",
    "would",
    "can",
    "can't",
    "cannot",
    "could",
    "and",
    "or",
    "but",
    "that",
    "which",
    "who",
    "with",
    "without",
    "from",
    "i",
    "i'd",
    "i'm",
    "you",
    "it",
    "he",
    "she",
    "they",
    "we",
    "just",
    "keeps",
    "keep",
    "kept",
    "never",
    "not",
    "no",
    "stopped",
    "arrived",
    "came",
    "went",
    "got",
    "for",
    "to",
    "in",
    "into",
    "on",
    "at",
    "of",
    "when",
    "while",
    "because",
    "since",
    "after",
    "before",
    "please",
    "again",
    "back",
    "today",
    "yesterday",
    "now",
    "blew",
    "hit",
    "bit",
    "so",
    "my",
    "our",
    "a",
    "an",
    "the",
    "this",
    "your",
    "still",
    "only",
    "as",
    "if",
    "refunded",
    "repaired",
    "caught",
    "fell",
    "by",
    "makes",
    "ran",
    "about",
    "if",
    "there",
    "then",
    "too",
    "every",
    "during",
    "turned",
    "went",
];
const NO_THING: &[&str] = &[
    "money",
    "refund*",
    "order*",
    "problem*",
    "issue*",
    "question*",
    "name",
    "friend*",
    "help",
    "price*",
    "roadrunner*",
    "road",
    "bird*",
    "department",
    "agent",
    "warranty",
    "lot",
    "bit",
    "moment",
    "look",
    "way",
    "one",
    "ones",
    "thing",
    "things",
    "something",
    "anything",
    "product*",
    "number",
    "purchase",
    "hand*",
    "account",
    "same",
    "time",
    "customer*",
    "cartoon",
];
const BEFORE_A_NAME: &[&str] = &[
    "new",
    "brand",
    "brand-new",
    "old",
    "acme",
    "acme's",
    "whole",
    "entire",
    "own",
    "fine",
    "good",
];

/// The thing of which a customer says that it is theirs: "my rocket-powered unicycle exploded".
pub(super) fn own_thing(text: &str) -> Option<String> {
    thing(text, &["my", "our"]).or_else(|| {
        thing(
            text,
            &["the", "your", "this", "an", "a", "bought", "ordered"],
        )
    })
}

/// The thing that a customer wants: "I would like an anvil".
pub(super) fn wanted_thing(text: &str) -> Option<String> {
    thing(
        text,
        &[
            "a", "an", "some", "another", "one", "two", "three", "buy", "order", "purchase", "the",
            "your",
        ],
    )
}

fn thing(text: &str, openings: &[&str]) -> Option<String> {
    text.split(['.', ',', ';', ':', '!', '?', '\n', '(', ')', '"'])
        .find_map(|clause| {
            let words: Vec<String> = split(clause).collect();
            (0..words.len())
                .filter(|at| {
                    words
                        .get(*at)
                        .is_some_and(|word| openings.contains(&word.as_str()))
                })
                .find_map(|at| {
                    let name = words
                        .iter()
                        .skip(at + 1)
                        .skip_while(|word| BEFORE_A_NAME.contains(&word.as_str()));
                    let name: Vec<&str> = name
                        .map(String::as_str)
                        .take_while(|word| !ends_a_thing(word))
                        .take(4)
                        .collect();
                    let name = name.join(" ");
                    (!name.is_empty() && !Words::of(&name).any(NO_THING)).then_some(name)
                })
        })
}

fn ends_a_thing(word: &str) -> bool {
    AFTER_A_THING.contains(&word) || Words::of(word).any(DEFECT)
}

/// "rocket-powered unicycle" as a product is written: "Rocket-Powered Unicycle".
pub(super) fn title(name: &str) -> String {
    let mut opens = true;
    name.chars()
        .flat_map(|c| {
            let written = if opens {
                c.to_uppercase().collect::<Vec<_>>()
            } else {
                vec![c]
            };
            opens = !c.is_alphanumeric() && c != '\'';
            written
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thing_is_found_in_what_customers_write() {
        for (text, thing) in [
            (
                "My rocket-powered unicycle exploded, I want my money back",
                Some("rocket-powered unicycle"),
            ),
            (
                "hi. the ACME giant magnet doesn’t work at all",
                Some("giant magnet"),
            ),
            (
                "I want my money back for my new jet skates!",
                Some("jet skates"),
            ),
            ("it exploded", None),
            ("I have a problem with my order", None),
        ] {
            assert_eq!(own_thing(text).as_deref(), thing, "{text}");
        }
        assert_eq!(
            wanted_thing("I'd like to buy an anvil, please").as_deref(),
            Some("anvil")
        );
        assert_eq!(wanted_thing("How do I catch a roadrunner?"), None);
        assert_eq!(title("rocket-powered unicycle"), "Rocket-Powered Unicycle");
    }
}
