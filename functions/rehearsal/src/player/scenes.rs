//! The script as data: `scenes.toml`, embedded and parsed once, and the scenes that others put before it. Knows no conversation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use regex_lite::Regex;
use serde::Deserialize;

pub(super) static SCRIPT: LazyLock<Arc<Script>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../scenes.toml"))
        .map_or_else(|error| panic!("scenes.toml: {error}"), Arc::new)
});

/// What the model says: the scenes of `scenes.toml`, and those that were put before them.
#[derive(Clone)]
pub struct Scenes(Arc<Script>);

/// A file of scenes that cannot be read: its line, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadScenes(String);

impl fmt::Display for BadScenes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadScenes {}

impl Default for Scenes {
    fn default() -> Self {
        Self(SCRIPT.clone())
    }
}

impl fmt::Debug for Scenes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scenes({})", self.0.scenes.len())
    }
}

impl Scenes {
    /// The scenes of this text, in the form of `scenes.toml`, before those of that file. A set, pattern, text or slot of the same
    /// name takes the place of the file's.
    ///
    /// # Errors
    /// The first mistake in the text.
    pub fn with_first(text: &str) -> Result<Self, BadScenes> {
        let mut script: Script =
            toml::from_str(text).map_err(|error| BadScenes(error.to_string()))?;
        let usual = &**SCRIPT;
        let fill = |own: &mut BTreeMap<String, Vec<String>>, others: &BTreeMap<_, _>| {
            for (name, value) in others {
                own.entry(String::clone(name))
                    .or_insert_with(|| Vec::clone(value));
            }
        };
        fill(&mut script.words, &usual.words);
        fill(&mut script.texts, &usual.texts);
        fill(&mut script.slots, &usual.slots);
        for (name, finders) in &usual.patterns {
            let own = script.patterns.entry(name.clone());
            own.or_insert_with(|| finders.clone());
        }
        script.scenes.extend(usual.scenes.iter().cloned());
        Ok(Self(Arc::new(script)))
    }

    pub(super) fn script(&self) -> &Script {
        &self.0
    }
}

/// The whole file. Its head says what each table means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    #[serde(default)]
    pub(super) words: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) patterns: BTreeMap<String, Vec<Finder>>,
    #[serde(default)]
    pub(super) texts: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) slots: BTreeMap<String, Vec<String>>,
    #[serde(rename = "scene", default)]
    pub(super) scenes: Vec<Scene>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Finder {
    pub(super) find: Test,
    value: Option<String>,
    pub(super) mask: Option<String>,
}

#[derive(Clone, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Scene {
    pub(super) on: String,
    pub(super) when: Vec<BTreeMap<String, Test>>,
    pub(super) reply: Vec<String>,
    pub(super) verbatim: String,
    pub(super) thoughts: String,
    pub(super) repeat: Option<String>,
    pub(super) calls: Vec<Call>,
    pub(super) as_written: Option<Test>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) tool: Test,
    #[serde(default)]
    pub(super) fits: bool,
    #[serde(default)]
    pub(super) again: bool,
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, String>,
}

/// `@set` or a regex; with a `!` before it, not that.
#[derive(Clone, Deserialize)]
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
        let mut found = texts.iter().filter_map(|text| self.found(test, text));
        found.next().is_some() != test.negated
    }

    /// The text, of which a set has a word, or the group of the regex, if it has one.
    fn found<'t>(&self, by: &Test, text: &'t str) -> Option<&'t str> {
        match &by.set {
            Some(set) => self.says(set, text).then_some(text),
            None => Some(by.regex.captures(text)?.iter().flatten().last()?.as_str()),
        }
    }

    /// Whether one of a set's words or phrases is in the text.
    pub(super) fn says(&self, set: &str, text: &str) -> bool {
        let text = spaced(text);
        let has = |entry: &str| match (entry.strip_prefix('@'), entry.strip_suffix('*')) {
            (Some(set), _) => self.says(set, &text),
            (None, Some(opening)) => text.contains(&format!(" {opening}")),
            (None, None) => text.contains(&format!(" {entry} ")),
        };
        let entries = || self.words.get(set).into_iter().flatten();
        let excludes = |entry: &String| entry.strip_prefix('-').is_some_and(has);
        entries().any(|entry| has(entry)) && !entries().any(excludes)
    }

    /// The match of a named pattern in a text.
    pub(super) fn find(&self, pattern: &str, text: &str) -> Option<String> {
        let mut finders = self.patterns.get(pattern)?.iter();
        finders.find_map(|finder| {
            let masked = finder.mask.as_ref().map(|set| self.masked(set, text));
            let found = self.found(&finder.find, masked.as_deref().unwrap_or(text))?;
            Some(finder.value.as_deref().unwrap_or(found).to_owned())
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
