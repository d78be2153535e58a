//! A provider of tools: how a team file declares its tools, and what the declaration says about retries.
//! Knows the file and the parameters of a tool; never a protocol or the execution of a call.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::mistake::{Located, Mistake};
use super::parameters::Parameters;
use super::tool::{Tool, ToolKind};

/// A kind of tool, as declared in team files. The calls themselves go through [`Tools`](crate::ports::Tools): a file is read
/// before any store or connection is open.
pub trait Provider: Send + Sync {
    /// Its name, unique among providers: a call finds its implementation by it.
    fn name(&self) -> &'static str;

    /// `Some("shelf")` if its tools have a section `[tool.shelf]`; `None` if its tools have no section.
    fn section(&self) -> Option<&'static str>;

    /// The provider's name in a sentence about a call, for example "the service".
    fn noun(&self) -> &'static str;

    /// `Some("shelves")` if a file may have tables `[[shelves]]`, which the tools of this provider share.
    fn tables(&self) -> Option<&'static str> {
        None
    }

    /// Reads the declaration of one tool.
    ///
    /// # Errors
    /// The first mistake, with its place in the file.
    fn declare(&self, draft: &Draft<'_>) -> Result<Declared, Located>;

    /// Checks the provider's tables when all tools are declared. Called only where a file has such tables.
    ///
    /// # Errors
    /// The first mistake, with its place in the file.
    fn check_tables(&self, _: &Tables<'_>, _: &[Arc<Tool>]) -> Result<(), Located> {
        Ok(())
    }
}

/// The tables of a file that the tools of one provider share.
pub struct Tables<'a> {
    provider: &'static str,
    value: Spanned<DeValue<'a>>,
}

impl Tables<'_> {
    /// Reads them as a list.
    ///
    /// # Errors
    /// A key that is unknown, missing or of another type, with its place.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, Located> {
        Ok(Vec::deserialize(ValueDeserializer::from(
            self.value.clone(),
        ))?)
    }
}

/// A provider's reading of a declaration.
pub struct Declared {
    /// The provider's own data, which [`Runs::config`] returns.
    pub config: Arc<dyn Any + Send + Sync>,
    /// The retry rules.
    pub retries: Retries,
    /// Whether the provider can price a call. If not, a limit names a parameter with the amount.
    pub prices: bool,
}

/// The facts about a provider that the retry rules need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Whether the service distinguishes a second attempt of an action from a second action.
    pub has_keys: bool,
    /// How long the service remembers a key, counted from the first attempt; `None` is for ever. Nothing is retried after that.
    pub key_life: Option<Duration>,
    /// Whether the service refuses a refused key for ever. Otherwise an attempt that is still on its way may take effect after a
    /// later one was refused.
    pub remembers_refusals: bool,
}

impl Retries {
    /// For a provider that records every key together with its outcome and forgets none.
    pub const FOR_EVER: Self = Self {
        has_keys: true,
        key_life: None,
        remembers_refusals: true,
    };
}

/// Where a call runs.
#[derive(Clone)]
pub struct Runs {
    /// The name of the provider.
    pub provider: &'static str,
    /// The retry rules there.
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

    /// The provider's data; `None` if it has another type, and so belongs to another provider.
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

/// A tool of a team file that its provider must still read: the common keys, and the provider's own section.
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
    pub(super) tables: &'a [Tables<'a>],
    pub(super) provider: &'static str,
    pub(super) providers: &'a [&'a dyn Provider],
}

impl Draft<'_> {
    /// The place of the tool in the file.
    pub fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    /// The provider's section; an empty one if the tool has none. [`Spanned`] fields know their places.
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

    /// The tables that the tools of the provider share; none if the file has none.
    ///
    /// # Errors
    /// A key that is unknown, missing or of another type, with its place.
    pub fn read_tables<T: DeserializeOwned>(&self) -> Result<Vec<T>, Located> {
        let own = |tables: &&Tables<'_>| tables.provider == self.provider;
        self.tables
            .iter()
            .find(own)
            .map_or_else(|| Ok(Vec::new()), Tables::read)
    }

    /// The sections that would give the tool to another provider, worded for a sentence.
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

    /// The first of these types of JSON that the parameter's schema allows by name, worded for a sentence. A schema without a
    /// type is checked at the call.
    pub fn may_be(&self, parameter: &str, types: &[&'static str]) -> Option<&'static str> {
        self.parameters.may_be(parameter, types)
    }

    /// The same of the items of the parameter, where it may be a list.
    pub fn items_may_be(&self, parameter: &str, types: &[&'static str]) -> Option<&'static str> {
        self.parameters.items_may_be(parameter, types)
    }

    /// The mistake that a lookup has a key for actions only.
    pub fn for_actions_only(&self, key: &'static str, at: Range<usize>) -> Located {
        let tool = self.name.to_owned();
        Mistake::ForActionsOnly { tool, key }.at(at)
    }
}

/// A provider's table of a tool.
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

/// Takes the tables that tools share out of a file.
pub(super) fn take_tables<'a>(
    file: &mut DeTable<'a>,
    providers: &[&dyn Provider],
) -> Vec<Tables<'a>> {
    let taken = providers.iter().filter_map(|provider| {
        let value = file.remove(provider.tables()?)?;
        let provider = provider.name();
        Some(Tables { provider, value })
    });
    taken.collect()
}

/// Lets the providers check their tables.
pub(super) fn check_tables(
    tables: &[Tables<'_>],
    tools: &[Arc<Tool>],
    providers: &[&dyn Provider],
) -> Result<(), Located> {
    for tables in tables {
        let mut all = providers.iter();
        if let Some(owner) = all.find(|provider| provider.name() == tables.provider) {
            owner.check_tables(tables, tools)?;
        }
    }
    Ok(())
}

/// Takes the providers' sections out of the tools of a file, one list for each tool in their order.
pub(super) fn take_sections<'a>(
    file: &mut DeTable<'a>,
    keys: &[&'static str],
    providers: &[&dyn Provider],
) -> Result<Vec<Vec<Section<'a>>>, Located> {
    let Some(DeValue::Array(tools)) = file.get_mut("tool").map(Spanned::get_mut) else {
        // No tools, or a mistake that is reported when the rest is read.
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

    /// Declares only the retry facts of a service.
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
