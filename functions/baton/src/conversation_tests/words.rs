//! What code can tell of words: a customer's yes, and the language of a text.
//! Knows words of a few languages; never a model.

use serde::Deserialize;

/// Words and phrases of a customer's yes, in lower case.
const YES: &[&str] = &[
    "yes",
    "yeah",
    "yep",
    "yup",
    "sure",
    "ok",
    "okay",
    "please do",
    "yes please",
    "agreed",
    "i agree",
    "go ahead",
    "do it",
    "deal",
    "of course",
    "certainly",
    "absolutely",
    "i take it",
    "i'll take it",
    "confirmed",
    "i confirm",
    "ja",
    "gerne",
    "einverstanden",
    "natürlich",
    "oui",
    "d'accord",
    "bien sûr",
    "sí",
    "claro",
    "de acuerdo",
    "sì",
    "certo",
    "sim",
    "tak",
    "да",
    "так",
];

/// Words of a no: with one of them a text is no yes.
const NO: &[&str] = &[
    "no",
    "not",
    "nope",
    "never",
    "don't",
    "do not",
    "won't",
    "cancel",
    "stop",
    "rather not",
    "nein",
    "nicht",
    "kein",
    "keine",
    "niemals",
    "non",
    "ne",
    "pas",
    "jamais",
    "nunca",
    "não",
    "nie",
    "нет",
    "не",
    "никогда",
    "ні",
    "ніколи",
    "nee",
    "niet",
    "geen",
    "nooit",
    "nej",
    "inte",
    "aldrig",
    "ikke",
    "nei",
    "aldri",
    "ingen",
    "dont",
    "nah",
    "cannot",
    "can't",
    "keinen",
    "keinem",
    "tampoco",
    "jamás",
    "annuler",
];

/// Words beside a yes or a no that change nothing of it.
const POLITE: &[&str] = &[
    "please",
    "thanks",
    "thank you",
    "bitte",
    "danke",
    "vielen dank",
    "merci",
    "s'il vous plaît",
    "por favor",
    "gracias",
    "grazie",
    "per favore",
    "obrigado",
    "obrigada",
    "graag",
    "alstublieft",
    "dank u",
    "tack",
    "tak",
    "takk",
    "dziękuję",
    "proszę",
    "спасибо",
    "пожалуйста",
    "дякую",
    "будь ласка",
];

/// A language that code can recognise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    /// English.
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Italian.
    It,
    /// Portuguese.
    Pt,
    /// Dutch.
    Nl,
    /// Polish.
    Pl,
    /// Russian.
    Ru,
    /// Ukrainian.
    Uk,
    /// Greek.
    El,
    /// Arabic.
    Ar,
    /// Hebrew.
    He,
    /// Hindi.
    Hi,
    /// Thai.
    Th,
    /// Chinese.
    Zh,
    /// Japanese.
    Ja,
    /// Korean.
    Ko,
}

/// The frequent small words of languages in Latin and Cyrillic letters.
const SMALL_WORDS: &[(Language, &[&str])] = &[
    (
        Language::En,
        &[
            "the", "and", "is", "are", "you", "your", "i", "it", "to", "of", "that", "for", "this",
            "have", "with", "what", "not", "we", "my", "will", "was", "do", "can", "me", "if",
            "an", "am", "been", "has", "us", "which", "shall", "let",
        ],
    ),
    (
        Language::De,
        &[
            "der", "die", "das", "und", "ist", "nicht", "sie", "ihr", "ihre", "ihnen", "ich",
            "ein", "eine", "einen", "zu", "mit", "für", "auf", "wir", "haben", "werden", "wird",
            "dass", "den", "dem", "des", "kann", "von", "uns", "bitte", "im", "bei", "wie", "oder",
            "mir",
        ],
    ),
    (
        Language::Fr,
        &[
            "le", "la", "les", "et", "est", "vous", "votre", "je", "un", "une", "des", "du",
            "pour", "que", "qui", "pas", "nous", "dans", "avec", "ce", "cette", "sur", "au", "il",
            "sont", "avez", "être", "vos",
        ],
    ),
    (
        Language::Es,
        &[
            "el", "la", "los", "las", "y", "es", "usted", "su", "yo", "un", "una", "de", "para",
            "que", "no", "por", "con", "lo", "se", "está", "como", "del", "al", "le", "más", "hay",
            "ha", "sus", "muy",
        ],
    ),
    (
        Language::It,
        &[
            "il", "lo", "la", "gli", "e", "è", "un", "una", "di", "per", "che", "non", "con",
            "sono", "suo", "sua", "della", "del", "ho", "mi", "si", "ha", "le", "questo", "più",
            "alla", "nel", "vuole",
        ],
    ),
    (
        Language::Pt,
        &[
            "o", "a", "os", "as", "e", "é", "um", "uma", "de", "para", "que", "não", "com", "seu",
            "sua", "você", "do", "da", "em", "por", "está", "se", "no", "na", "foi", "mais", "eu",
        ],
    ),
    (
        Language::Nl,
        &[
            "de", "het", "een", "en", "is", "niet", "u", "uw", "ik", "dat", "van", "voor", "met",
            "op", "te", "wij", "hebben", "wordt", "zijn", "aan", "er", "kan", "naar", "bij", "ook",
            "om",
        ],
    ),
    (
        Language::Pl,
        &[
            "i", "jest", "nie", "się", "na", "w", "z", "do", "to", "że", "pan", "pani", "dla",
            "jak", "czy", "od", "są", "mi", "o", "za", "co", "już", "może",
        ],
    ),
    (
        Language::Ru,
        &[
            "и", "в", "не", "на", "я", "что", "вы", "ваш", "мы", "это", "для", "с", "по", "как",
            "ли", "вас", "или",
        ],
    ),
    (
        Language::Uk,
        &[
            "і", "й", "в", "не", "на", "я", "що", "ви", "ваш", "ми", "це", "для", "з", "як", "чи",
            "вас", "або", "є",
        ],
    ),
];

/// How many small words a text must have before they tell a language.
const FEWEST_SMALL_WORDS: usize = 2;

/// Whether a text is a yes: a sentence of it that is no question has a word of a yes, and the text has none of a no.
pub(super) fn is_yes(text: &str) -> bool {
    let mut sentences = text.split_inclusive(['.', '!', '?', '\u{ff1f}', '\n']);
    let is_question = |sentence: &str| sentence.ends_with(['?', '\u{ff1f}']);
    sentences.any(|sentence| !is_question(sentence) && has(sentence, YES)) && !has(text, NO)
}

/// The yes or no that a text is and nothing else but politeness. None: it is more, or something else.
pub(super) fn bare_answer(text: &str) -> Option<bool> {
    if text.contains(['?', '\u{ff1f}']) {
        return None;
    }
    let is_only = |answers: &[&str]| has(text, answers) && is_made_of(text, answers);
    match (is_only(YES), is_only(NO)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        (true, true) | (false, false) => None,
    }
}

fn has(text: &str, words: &[&str]) -> bool {
    let text = spaced(text);
    words.iter().any(|word| text.contains(&format!(" {word} ")))
}

/// Whether nothing is left of a text without these phrases and words of politeness.
fn is_made_of(text: &str, phrases: &[&str]) -> bool {
    let spaced = spaced(text);
    let mut rest = spaced.trim();
    while !rest.is_empty() {
        let known = phrases.iter().chain(POLITE);
        let longest = known
            .filter_map(|phrase| rest.strip_prefix(phrase))
            .filter(|rest| rest.is_empty() || rest.starts_with(' '))
            .min_by_key(|rest| rest.len());
        match longest {
            Some(shorter) => rest = shorter.trim_start(),
            None => return false,
        }
    }
    true
}

/// The text in lower case, one blank between words and around.
fn spaced(text: &str) -> String {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let words = words.map(|word| word.trim_matches('\''));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

impl Language {
    /// Its code.
    pub(super) fn code(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// The language of a text, by its letters and its small words. None: too short, or as much of one as of another.
    pub(super) fn of(text: &str) -> Option<Self> {
        if let Some(language) = by_letters(text) {
            return Some(language);
        }
        let text = spaced(text);
        let words: Vec<_> = text.split_whitespace().collect();
        let score = |small: &[&str]| words.iter().filter(|word| small.contains(word)).count();
        let mut scores: Vec<_> = SMALL_WORDS
            .iter()
            .map(|(language, small)| (score(small), *language))
            .collect();
        scores.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        match scores.as_slice() {
            [(best, language), (second, _), ..] if *best >= FEWEST_SMALL_WORDS && best > second => {
                Some(*language)
            }
            _ => None,
        }
    }
}

/// The language that a script of its own tells, if more than a third of the letters are of it.
fn by_letters(text: &str) -> Option<Language> {
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
    let share =
        |is: &dyn Fn(char) -> bool| 3 * letters.iter().filter(|c| is(**c)).count() > letters.len();
    let within = |from: char, to: char| move |c: char| (from..=to).contains(&c);
    let is_kana = within('\u{3040}', '\u{30ff}');
    let is_han = within('\u{4e00}', '\u{9fff}');
    // Japanese mixes kana and Chinese characters; Chinese has no kana.
    if letters.iter().any(|c| is_kana(*c)) && share(&|c| is_kana(c) || is_han(c)) {
        return Some(Language::Ja);
    }
    let scripts: [(char, char, Language); 7] = [
        ('\u{4e00}', '\u{9fff}', Language::Zh),
        ('\u{ac00}', '\u{d7a3}', Language::Ko),
        ('\u{370}', '\u{3ff}', Language::El),
        ('\u{600}', '\u{6ff}', Language::Ar),
        ('\u{590}', '\u{5ff}', Language::He),
        ('\u{900}', '\u{97f}', Language::Hi),
        ('\u{e00}', '\u{e7f}', Language::Th),
    ];
    let mut scripts = scripts.into_iter();
    let found = scripts.find(|(from, to, _)| share(&within(*from, *to)));
    found.map(|(_, _, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_a_yes_and_a_refusal_is_none() {
        for yes in [
            "Yes, please.",
            "ok",
            "Sure, go ahead!",
            "Ja, gerne.",
            "I\u{2019}ll take it",
            "Yes, please. How long does it take?",
            "Так, будь ласка.",
        ] {
            assert!(is_yes(yes), "{yes}");
        }
        for other in [
            "No, yes would be wrong",
            "yesterday it broke",
            "Please don't",
            "Hello",
            "",
            "Are you sure?",
            "Yes?",
            "Nee, dat is niet oké, ja dat klopt",
            "Ja, det er ikke nok",
            "Nei, ja til noe annet",
            "Nej, inte ja",
        ] {
            assert!(!is_yes(other), "{other}");
        }
    }

    #[test]
    fn an_answer_to_a_card_is_a_yes_or_a_no_and_nothing_else() {
        for (text, answer) in [
            ("Yes, please.", Some(true)),
            ("OK, go ahead! Thank you", Some(true)),
            ("No, thank you.", Some(false)),
            ("Nej tak", Some(false)),
            ("tak", Some(true)),
            ("Please don't!", Some(false)),
            ("Are you sure?", None),
            ("Yes?", None),
            ("Yes, but not the blue one", None),
            ("No, I want two of them.", None),
            ("It does not work", None),
            ("Thank you", None),
            ("", None),
        ] {
            assert_eq!(bare_answer(text), answer, "{text}");
        }
    }

    #[test]
    fn a_sentence_shows_its_language() {
        for (text, language) in [
            (
                "Thank you, now I see it before me. Does that help?",
                Language::En,
            ),
            ("Vielen Dank, ich sehe es mir an. Hilft das?", Language::De),
            ("Merci, je vais regarder cela pour vous.", Language::Fr),
            ("Gracias, lo reviso para usted con gusto.", Language::Es),
            ("Я посмотрю это для вас.", Language::Ru),
            ("ありがとうございます。確認します。", Language::Ja),
            ("谢谢,我马上查看。", Language::Zh),
            ("감사합니다. 확인하겠습니다.", Language::Ko),
        ] {
            assert_eq!(Language::of(text), Some(language), "{text}");
        }
        for too_short in ["ACME", "42", "", "Hello!"] {
            assert_eq!(Language::of(too_short), None, "{too_short}");
        }
    }
}
