//! The script as data: `scenes.toml`, embedded and parsed once. Knows no conversation.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde::Deserialize;

pub(super) static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    toml::from_str(include_str!("../../scenes.toml"))
        .unwrap_or_else(|error| panic!("scenes.toml: {error}"))
});

/// The whole file. Its head says what each table means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    pub(super) words: BTreeMap<String, Vec<String>>,
    pub(super) patterns: BTreeMap<String, Vec<Finder>>,
    pub(super) texts: BTreeMap<String, Vec<String>>,
    pub(super) slots: BTreeMap<String, Vec<String>>,
    #[serde(rename = "scene")]
    pub(super) scenes: Vec<Scene>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finder {
    pub(super) find: Test,
    value: Option<String>,
    pub(super) mask: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scene {
    #[serde(default)]
    pub(super) on: String,
    #[serde(default)]
    pub(super) when: Vec<BTreeMap<String, Test>>,
    #[serde(default)]
    pub(super) reply: Vec<String>,
    #[serde(default)]
    pub(super) verbatim: String,
    pub(super) repeat: Option<String>,
    #[serde(default)]
    pub(super) calls: Vec<Call>,
    pub(super) as_written: Option<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) tool: Test,
    #[serde(default)]
    pub(super) fits: bool,
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, String>,
}

/// `@set` or a regex; with a `!` before it, not that.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Test {
    negated: bool,
    pub(super) set: Option<String>,
    pub(super) regex: Regex,
}

impl TryFrom<String> for Test {
    type Error = regex_lite::Error;

    fn try_from(test: String) -> Result<Self, Self::Error> {
        let rest = test.strip_prefix('!').unwrap_or(&test);
        Ok(Self {
            negated: rest != test,
            set: rest.strip_prefix('@').map(str::to_owned),
            regex: Regex::new(rest)?,
        })
    }
}

impl Script {
    /// Whether one of the texts passes, or with a `!` none of them.
    pub(super) fn passes(&self, test: &Test, texts: &[String]) -> bool {
        let is = |text: &String| match &test.set {
            Some(set) => self.says(set, text),
            None => test.regex.is_match(text),
        };
        texts.iter().any(is) != test.negated
    }

    /// Whether one of a set's words or phrases is in the text.
    pub(super) fn says(&self, set: &str, text: &str) -> bool {
        let text = spaced(text);
        let has = |entry: &str| match (entry.strip_prefix('@'), entry.strip_suffix('*')) {
            (Some(set), _) => self.says(set, &text),
            (None, Some(opening)) => text.contains(&format!(" {opening}")),
            (None, None) => text.contains(&format!(" {entry} ")),
        };
        let entries = self.words.get(set).map_or(&[][..], Vec::as_slice);
        let excluded = |entry: &String| entry.strip_prefix('-').is_some_and(has);
        entries.iter().any(|entry| has(entry)) && !entries.iter().any(excluded)
    }

    /// What a named pattern finds in a text.
    pub(super) fn find(&self, pattern: &str, text: &str) -> Option<String> {
        self.patterns.get(pattern)?.iter().find_map(|finder| {
            let masked = finder.mask.as_ref().map(|set| self.masked(set, text));
            let text = masked.unwrap_or_else(|| text.to_owned());
            let found = if let Some(set) = &finder.find.set {
                self.says(set, &text).then_some(text.as_str())?
            } else {
                let groups = finder.find.regex.captures(&text)?;
                groups.get(1).or(groups.get(0))?.as_str()
            };
            Some(finder.value.clone().unwrap_or_else(|| found.to_owned()))
        })
    }

    /// The text in lower case with a full stop for each word of a set and each end of a clause.
    fn masked(&self, set: &str, text: &str) -> String {
        const CLAUSE_ENDS: [char; 9] = ['.', ',', ';', ':', '!', '?', '(', ')', '"'];
        let text = text.to_lowercase().replace(CLAUSE_ENDS, " . ");
        let words = text.split_whitespace();
        let words = words.map(|word| if self.says(set, word) { "." } else { word });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// A text in lower case, one blank between words and around; apostrophes and hyphens belong to words.
pub(super) fn spaced(text: &str) -> String {
    let text = text.to_lowercase().replace('\u{2019}', "'");
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '-');
    let words = words.map(|word| word.trim_matches(['\'', '-']));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}
