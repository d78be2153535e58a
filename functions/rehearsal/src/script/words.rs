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
pub(super) const DEFECT: &[&str] = &[
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

/// The words of a text in lower case; apostrophes and hyphens belong to them.
pub(super) fn split(text: &str) -> impl Iterator<Item = String> {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let words: Vec<String> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '-')
        .map(|word| word.trim_matches(['\'', '-']).to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

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
