//! The built-in team, customer service of ACME Inc., and the declarations of its tools.
//! Knows their names; never their effects.

use std::sync::Arc;

use super::Team;
use super::mistake::Located;
use super::provider::{Declared, Draft, Provider, Retries};
use super::tool::ToolKind;

/// The tools of the embedded back office: the only ones that run without a section of their own.
pub const BACK_OFFICE: &[(&str, ToolKind)] = &[
    ("look_up_item", ToolKind::Lookup),
    ("execute_order", ToolKind::Action),
    ("execute_refund", ToolKind::Action),
];

/// Declares the tools of the embedded back office, the tools of the built-in team. Other teams may use them too.
#[derive(Debug, Clone, Copy)]
pub struct BackOfficeTools;

impl Provider for BackOfficeTools {
    fn name(&self) -> &'static str {
        "back office"
    }

    fn section(&self) -> Option<&'static str> {
        None
    }

    fn noun(&self) -> &'static str {
        "the back office"
    }

    fn declare(&self, draft: &Draft<'_>) -> Result<Declared, Located> {
        let name = draft.name;
        let Some((_, known)) = BACK_OFFICE.iter().find(|(known, _)| *known == name) else {
            let names: Vec<_> = BACK_OFFICE.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            let sections = draft.sections();
            let needs = if sections.is_empty() {
                String::new()
            } else {
                format!(", so it needs a {sections} section")
            };
            let sentence = format!("tool {name:?} is not one of the back office ({names}){needs}");
            return Err(Located::new(sentence, draft.at()));
        };
        if *known != draft.kind {
            let kind = known.as_str();
            let sentence = format!("tool {name:?} of the back office has the kind {kind}");
            return Err(Located::new(sentence, draft.at()));
        }
        Ok(Declared {
            config: Arc::new(()),
            retries: Retries::FOR_EVER,
            prices: true,
        })
    }
}

impl Team {
    /// The built-in team: customer service of ACME Inc.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "the text is part of the program, and a test reads it"
    )]
    pub fn acme() -> Self {
        let text = include_str!("../../teams/acme.toml");
        Self::parse("acme.toml", text, &[&BackOfficeTools]).expect("the built-in team is right")
    }
}
