//! A provider of tools: how its tools are declared in a team file, and what that declaration says about retries.
//! Knows the file and the parameters of a tool; never a protocol, nor how a call is carried out.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::mistake::{Located, Mistake};
use super::parameters::Parameters;
use super::tool::ToolKind;

/// A kind of tool, as team files declare it. The calls themselves go through [`Tools`](crate::ports::Tools): a file is read before
/// any store or connection is open.
pub trait Provider: Send + Sync {
    /// Its name, unique among providers: by it a call finds the implementation.
    fn name(&self) -> &'static str;

    /// `Some("shelf")` if its tools are those with a section `[tool.shelf]`; `None` if they are those without any section.
    fn section(&self) -> Option<&'static str>;

    /// The provider as a sentence about a call names it, for example "the service".
    fn noun(&self) -> &'static str;

    /// Reads what a team file says of one tool.
    ///
    /// # Errors
    /// The first mistake, with its place in the file.
    fn declare(&self, draft: &Draft<'_>) -> Result<Declared, Located>;
}

/// What a provider makes of a declaration.
pub struct Declared {
    /// For the provider alone, which finds it again with [`Runs::config`].
    pub config: Arc<dyn Any + Send + Sync>,
    /// What may be tried again.
    pub retries: Retries,
    /// Whether the provider can be asked what a call is worth. If not, a limit names a parameter that says it.
    pub prices: bool,
}

/// What may be tried again at a provider, as data for the rules of retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Whether the other side tells a second try of the same action from a second action.
    pub has_keys: bool,
    /// How long the other side remembers a key, from the first try on; `None` is for ever. Nothing is retried past it.
    pub key_life: Option<Duration>,
    /// Whether the other side refuses a key for ever that it has refused once. Where it does not, a try that is still on its
    /// way may have its effect after a later one was refused.
    pub remembers_refusals: bool,
}

impl Retries {
    /// At a provider that records every key together with its outcome and forgets none.
    pub const FOR_EVER: Self = Self {
        has_keys: true,
        key_life: None,
        remembers_refusals: true,
    };
}

/// Where a call is carried out.
#[derive(Clone)]
pub struct Runs {
    /// The name of the provider.
    pub provider: &'static str,
    /// What may be tried again there.
    pub retries: Retries,
    config: Arc<dyn Any + Send + Sync>,
}

impl Runs {
    pub(super) fn new(provider: &'static str, declared: Declared) -> Self {
        Self {
            provider,
            retries: declared.retries,
            config: declared.config,
        }
    }

    /// What the provider made of the declaration; `None` if that is of another type, and so another provider's.
    pub fn config<T: 'static>(&self) -> Option<&T> {
        self.config.downcast_ref()
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs")
            .field("provider", &self.provider)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// A tool of a team file that its provider has yet to read: what the file says of every tool, and the provider's own section.
pub struct Draft<'a> {
    /// The name of the tool.
    pub name: &'a str,
    /// Whether a call has a side effect.
    pub kind: ToolKind,
    /// How long one call may take.
    pub timeout: Duration,
    pub(super) at: Range<usize>,
    pub(super) parameters: &'a Parameters,
    pub(super) section: Option<&'a Section<'a>>,
    pub(super) providers: &'a [&'a dyn Provider],
}

impl Draft<'_> {
    /// The place of the tool in the file.
    pub fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    /// The provider's section, without a section an empty one. [`Spanned`] fields know their places.
    ///
    /// # Errors
    /// A key that is unknown, missing or of another type, with its place.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Located> {
        let section = match self.section {
            Some(section) => section.value.clone(),
            None => Spanned::new(self.at(), DeValue::Table(DeTable::new())),
        };
        Ok(T::deserialize(ValueDeserializer::from(section))?)
    }

    /// The sections that would give the tool to another provider, as a sentence names them.
    pub fn sections(&self) -> String {
        let names: Vec<_> = sections(self.providers)
            .map(|name| format!("[tool.{name}]"))
            .collect();
        names.join(" or ")
    }

    /// The names of the tool's parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.names()
    }

    /// Whether the tool has a parameter of this name.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameters.property(name).is_some()
    }

    /// Whether every checked call has this parameter.
    pub fn is_always_there(&self, parameter: &str) -> bool {
        self.parameters.is_always_there(parameter)
    }

    /// The first of these types of JSON that the parameter's schema allows by name, as a sentence has it. A schema that names
    /// no type is left to the call.
    pub fn may_be(&self, parameter: &str, types: &[&'static str]) -> Option<&'static str> {
        self.parameters.may_be(parameter, types)
    }

    /// That a key of a lookup is for actions only.
    pub fn for_actions_only(&self, key: &'static str, at: Range<usize>) -> Located {
        let tool = self.name.to_owned();
        Mistake::ForActionsOnly { tool, key }.at(at)
    }
}

/// The table of a tool that is for a provider alone.
pub(super) struct Section<'a> {
    pub(super) name: &'static str,
    pub(super) value: Spanned<DeValue<'a>>,
}

/// The names of the sections that tools may have for their providers.
pub(super) fn sections<'a>(
    providers: &'a [&'a dyn Provider],
) -> impl Iterator<Item = &'static str> + 'a {
    providers.iter().filter_map(|provider| provider.section())
}

/// The provider of a tool with these sections.
pub(super) fn provider_of<'a>(
    tool: &str,
    at: &Range<usize>,
    sections: &[Section<'_>],
    providers: &[&'a dyn Provider],
) -> Result<&'a dyn Provider, Located> {
    if let [first, second, ..] = sections {
        let mistake = Mistake::TwoProviders {
            tool: tool.to_owned(),
            first: first.name,
            second: second.name,
        };
        return Err(mistake.at(second.value.span()));
    }
    let wanted = sections.first().map(|section| section.name);
    let found = providers
        .iter()
        .find(|provider| provider.section() == wanted);
    found.copied().ok_or_else(|| {
        let tool = tool.to_owned();
        Mistake::NoProvider { tool }.at(at.clone())
    })
}

/// Takes the providers' sections out of the tools of a file, one list for each tool in their order.
pub(super) fn take_sections<'a>(
    file: &mut DeTable<'a>,
    keys: &[&'static str],
    providers: &[&dyn Provider],
) -> Result<Vec<Vec<Section<'a>>>, Located> {
    let Some(DeValue::Array(tools)) = file.get_mut("tool").map(Spanned::get_mut) else {
        // No tools, or a mistake that is told when the rest is read.
        return Ok(Vec::new());
    };
    let mut taken = Vec::with_capacity(tools.len());
    for tool in tools.iter_mut() {
        let mut own = Vec::new();
        if let DeValue::Table(tool) = tool.get_mut() {
            for name in sections(providers) {
                own.extend(tool.remove(name).map(|value| Section { name, value }));
            }
            let known = |key: &str| keys.contains(&key);
            if let Some(unknown) = tool.keys().find(|key| !known(key.get_ref())) {
                let expected: Vec<_> = keys.iter().copied().chain(sections(providers)).collect();
                let mistake = Mistake::UnknownKey {
                    key: unknown.get_ref().to_string(),
                    expected: expected.join("`, `"),
                };
                return Err(mistake.at(unknown.span()));
            }
        }
        taken.push(own);
    }
    Ok(taken)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde::Deserialize;

    use super::*;

    /// Says of a service what may be tried again there, and nothing else.
    pub(crate) struct Service;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ServiceFile {
        keys: Option<bool>,
        key_life_minutes: Option<u64>,
    }

    impl Provider for Service {
        fn name(&self) -> &'static str {
            "test"
        }

        fn section(&self) -> Option<&'static str> {
            Some("service")
        }

        fn noun(&self) -> &'static str {
            "the service"
        }

        fn declare(&self, draft: &Draft<'_>) -> Result<Declared, Located> {
            let file: ServiceFile = draft.read()?;
            let life = file.key_life_minutes.map(Duration::from_mins);
            Ok(Declared {
                config: Arc::new(()),
                retries: Retries {
                    has_keys: file.keys.unwrap_or(true),
                    key_life: Some(life.unwrap_or(Duration::from_hours(20))),
                    remembers_refusals: false,
                },
                prices: false,
            })
        }
    }
}
