//! Endpoints of other systems that are told what happens. Knows the declaration only; never a socket, an address or a secret.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Located, check_name};

/// The most endpoints of a team: a commit that accepts 16 actions has a record for each of them and each endpoint, and 100 at most.
const MOST: usize = 4;

/// The name, beside those of endpoints, of whoever takes traces.
pub const TRACES: &str = "traces";

/// What an endpoint may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NoticeKind {
    /// A turn has ended.
    #[serde(rename = "turn.completed")]
    TurnCompleted,
    /// An operator has decided on an action, or nobody has in time.
    #[serde(rename = "action.decided")]
    ActionDecided,
    /// An action waits for an operator.
    #[serde(rename = "approval.needed")]
    ApprovalNeeded,
}

impl NoticeKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [
        Self::TurnCompleted,
        Self::ActionDecided,
        Self::ApprovalNeeded,
    ];

    /// The kind on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TurnCompleted => "turn.completed",
            Self::ActionDecided => "action.decided",
            Self::ApprovalNeeded => "approval.needed",
        }
    }
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Unique in the team; it names the endpoint in records and logs.
    pub name: String,
    /// Where notices are sent.
    pub url: String,
    /// The environment variable with its secret, or with two while secrets are changed.
    pub secret: String,
    /// What it is told.
    pub kinds: BTreeSet<NoticeKind>,
    /// Whether it is told messages, answers, arguments and results too.
    pub texts: bool,
    /// Whether its host may be a private or loopback address.
    pub allow_private: bool,
}

impl Webhook {
    /// How long one attempt may take.
    pub const TIMEOUT: Duration = Duration::from_secs(15);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct WebhookFile {
    name: Spanned<String>,
    url: Spanned<String>,
    secret: SecretFile,
    events: Option<Vec<NoticeKind>>,
    #[serde(default)]
    texts: bool,
    #[serde(default)]
    allow_private: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ env = \"NAME\" }")]
struct SecretFile {
    env: String,
}

/// Checks names; whoever sends checks the rest.
pub(super) fn declare(files: Vec<WebhookFile>) -> Result<Vec<Webhook>, Located> {
    let mut declared: Vec<Webhook> = Vec::with_capacity(files.len());
    for file in files {
        check_name("webhook", &file.name)?;
        let at = file.name.span();
        let name = file.name.into_inner();
        if declared.iter().any(|other| other.name == name) {
            return Err(Located::new(format!("there are two webhooks {name:?}"), at));
        }
        if name == TRACES {
            let sentence =
                "no webhook may be called \"traces\": that name stands for where traces are sent";
            return Err(Located::new(sentence, at));
        }
        if declared.len() == MOST {
            return Err(Located::new(
                format!("there are more than {MOST} webhooks"),
                at,
            ));
        }
        let url = file.url.get_ref();
        if !url.starts_with("https://") && !url.starts_with("http://") {
            let sentence =
                format!("the URL of webhook {name:?} must begin with https:// or http://");
            return Err(Located::new(sentence, file.url.span()));
        }
        let kinds = file.events.map_or_else(
            || NoticeKind::ALL.into_iter().collect(),
            BTreeSet::from_iter,
        );
        if kinds.is_empty() {
            return Err(Located::new(
                format!("webhook {name:?} is told nothing"),
                at,
            ));
        }
        declared.push(Webhook {
            name,
            url: file.url.into_inner(),
            secret: file.secret.env,
            kinds,
            texts: file.texts,
            allow_private: file.allow_private,
        });
    }
    Ok(declared)
}
