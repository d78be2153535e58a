//! What a customer means: English words, looked for one by one. Knows no conversation.

/// A text in lower case, one blank between words and around: so that a word and a phrase are found the same way.
pub(super) struct Words(String);

/// Which department a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Sales,
    Repairs,
}

impl Topic {
    pub(super) fn is_repairs(self) -> bool {
        match self {
            Self::Repairs => true,
            Self::Sales => false,
        }
    }
}

/// What a message says to a yes-or-no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    Unclear,
}

// A `*` stands for any end of the word.
const REFUND: &[&str] = &[
    "refund*",
    "money back",
    "reimburse*",
    "compensat*",
    "return it",
    "return my",
    "return the",
    "return this",
    "to return",
    "send it back",
    "give it back",
    "replacement",
];
const DEFECT: &[&str] = &[
    "broke*",
    "breaks",
    "breaking",
    "explod*",
    "defect*",
    "fault*",
    "crack*",
    "doesn't work",
    "does not work",
    "don't work",
    "do not work",
    "didn't work",
    "isn't working",
    "not working",
    "stopped working",
    "no longer works",
    "doesn't start",
    "won't*",
    "fail*",
    "malfunction*",
    "repair*",
    "fix*",
    "leak*",
    "burn*",
    "melt*",
    "damage*",
    "complain*",
    "issue*",
    "wrong",
    "missing",
    "never arrived",
    "blew up",
    "caught fire",
    "fell apart",
];
/// Defects that nobody means when they talk of a roadrunner.
const SERIOUS: &[&str] = &[
    "explod*",
    "broken",
    "defect*",
    "faulty",
    "doesn't work",
    "does not work",
    "not working",
    "stopped working",
    "repair*",
    "complain*",
    "damage*",
    "malfunction*",
    "blew up",
];
const BUYING: &[&str] = &[
    "buy",
    "buying",
    "purchase",
    "purchasing",
    "order a",
    "order an",
    "order another",
    "order some",
    "order one",
    "order two",
    "like to order",
    "want to order",
    "can i order",
    "place an order",
    "how much is",
    "how much are",
    "how much does",
    "price of",
    "sell me",
    "do you sell",
    "for sale",
];
const SHOPPING: &[&str] = &[
    "order*",
    "price*",
    "pricing",
    "cost*",
    "anvil*",
    "rocket*",
    "roadrunner*",
    "road runner*",
    "catch*",
    "trap*",
    "product*",
    "catalog*",
    "sales",
    "offer*",
    "sell*",
    "dynamite",
    "tnt",
    "magnet*",
    "catapult*",
    "shop*",
    "recommend*",
];
const YES: &[&str] = &[
    "yes",
    "yeah",
    "yep",
    "yup",
    "sure",
    "ok",
    "okay",
    "deal",
    "please",
    "agreed",
    "agree",
    "go ahead",
    "do it",
    "accept",
    "i'll take",
    "i take",
    "fine",
    "absolutely",
    "of course",
    "definitely",
    "certainly",
    "y",
    "why not",
    "no problem",
    "sounds good",
];
const NO: &[&str] = &[
    "no",
    "nope",
    "nah",
    "not",
    "never",
    "don't",
    "didn't",
    "doesn't",
    "won't",
    "too expensive",
    "too much",
    "n",
    "still*",
    "cancel",
];
const NOT_A_NO: &[&str] = &["no problem", "why not", "no worries", "don't mind"];
const PARTING: &[&str] = &[
    "thanks",
    "thank you",
    "bye",
    "goodbye",
    "that's all",
    "that is all",
    "nothing else",
    "cheers",
    "no more",
];

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let mut words = String::from(" ");
        for word in split(text) {
            words.push_str(&word);
            words.push(' ');
        }
        Self(words)
    }

    /// Whether one of these words or phrases is there.
    pub(super) fn any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| match phrase.strip_suffix('*') {
            Some(opening) => self.0.contains(&format!(" {opening}")),
            None => self.0.contains(&format!(" {phrase} ")),
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_whitespace()
    }

    /// The department, where the message tells.
    pub(super) fn topic(&self) -> Option<Topic> {
        if self.any(REFUND) || self.any(DEFECT) {
            Some(Topic::Repairs)
        } else if self.any(BUYING) || self.any(SHOPPING) {
            Some(Topic::Sales)
        } else {
            None
        }
    }

    pub(super) fn wants_refund(&self) -> bool {
        self.any(REFUND)
    }

    pub(super) fn tells_defect(&self) -> bool {
        self.any(DEFECT)
    }

    /// Whether a salesman should pass this customer on.
    pub(super) fn is_no_matter_of_sales(&self) -> bool {
        self.wants_refund() || (self.any(SERIOUS) && !self.tells_of_roadrunners())
    }

    /// Whether a repairer should pass this customer on: they mention products all the time, so only a wish counts.
    pub(super) fn wants_to_buy(&self) -> bool {
        self.any(BUYING) && !self.wants_refund() && !self.tells_defect()
    }

    pub(super) fn tells_of_roadrunners(&self) -> bool {
        self.any(&["roadrunner*", "road runner*", "bird*"])
    }

    pub(super) fn asks_for_reception(&self) -> bool {
        self.any(&[
            "triage",
            "reception",
            "another department",
            "other department",
            "someone else",
            "somebody else",
        ])
    }

    pub(super) fn answer(&self) -> Answer {
        let no = self.any(NO) && !self.any(NOT_A_NO);
        match (no, self.any(YES)) {
            (true, _) => Answer::No,
            (false, true) => Answer::Yes,
            (false, false) => Answer::Unclear,
        }
    }

    pub(super) fn parts(&self) -> bool {
        self.any(PARTING)
    }
}

fn split(text: &str) -> impl Iterator<Item = String> {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let words: Vec<String> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '-')
        .map(|word| word.trim_matches(['\'', '-']).to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    words.into_iter()
}

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

    #[test]
    fn a_complaint_about_a_product_belongs_to_repairs() {
        for (text, topic) in [
            ("I want to buy an anvil", Some(Topic::Sales)),
            ("What helps against roadrunners?", Some(Topic::Sales)),
            ("The anvil I bought is broken", Some(Topic::Repairs)),
            ("I want my money back", Some(Topic::Repairs)),
            ("good morning", None),
        ] {
            assert_eq!(Words::of(text).topic(), topic, "{text}");
        }
    }

    #[test]
    fn yes_and_no_are_told_apart() {
        for (text, answer) in [
            ("Yes!", Answer::Yes),
            ("no problem, go ahead", Answer::Yes),
            ("No, that did not help", Answer::No),
            ("that's too expensive", Answer::No),
            ("what colours are there?", Answer::Unclear),
        ] {
            assert_eq!(Words::of(text).answer(), answer, "{text}");
        }
    }
}
