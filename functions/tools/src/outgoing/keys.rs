//! What a declaration says of a service's idempotency keys, for every kind of tool that calls out.
//! Knows the file; never how a key is sent.

use std::ops::Range;
use std::time::Duration;

use baton_handoff::team::{Draft, Located, Retries, ToolKind, in_range};
use serde::Deserialize;
use toml::Spanned;

/// Under the 24 h after which widely used payment services forget a key.
const DEFAULT_KEY_LIFE: Duration = Duration::from_hours(20);

const KEY_LIFE_MINUTES: (i64, i64) = (1, 30 * 24 * 60);

/// The outcomes that a service remembers under an idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyRemembers {
    /// Only success.
    Effects,
    /// Success and refusal.
    Refusals,
}

/// What a section says.
pub(crate) struct Keys<'a> {
    /// Whether the service honours keys.
    pub(crate) honoured: bool,
    /// The key of the file that says so, and its place, if it is there.
    pub(crate) said: Option<(&'static str, Range<usize>)>,
    /// Completes "tool NAME has KEY_LIFE without …".
    pub(crate) noun: &'static str,
    pub(crate) life: Option<&'a Spanned<i64>>,
    pub(crate) remembers: Option<&'a Spanned<KeyRemembers>>,
}

impl Keys<'_> {
    /// The retry rules.
    ///
    /// # Errors
    /// The first mistake, with its place in the file.
    pub(crate) fn retries(self, draft: &Draft<'_>) -> Result<Retries, Located> {
        let tool = draft.name;
        let life = self.life.map(|life| ("key_life_minutes", life.span()));
        let remembers = self.remembers.map(|it| ("key_remembers", it.span()));
        let of_keys = life.clone().or(remembers);
        if draft.kind == ToolKind::Lookup
            && let Some((key, at)) = self.said.or(of_keys.clone())
        {
            return Err(draft.for_actions_only(key, at));
        }
        if let (false, Some((key, at))) = (self.honoured, of_keys) {
            let sentence = format!("tool {tool:?} has {key} without {}", self.noun);
            return Err(Located::new(sentence, at));
        }
        let minutes = in_range("key_life_minutes", self.life.cloned(), KEY_LIFE_MINUTES)?;
        let key_life = minutes.map_or(DEFAULT_KEY_LIFE, Duration::from_mins);
        if let Some((key, at)) = life.filter(|_| key_life <= draft.timeout) {
            let sentence = format!(
                "{key} of tool {tool:?} is over before one try of timeout_seconds; nothing would ever be tried again"
            );
            return Err(Located::new(sentence, at));
        }
        let remembers = self.remembers.map(|it| *it.get_ref());
        Ok(Retries {
            has_keys: self.honoured,
            key_life: Some(key_life),
            remembers_refusals: remembers == Some(KeyRemembers::Refusals),
        })
    }
}
