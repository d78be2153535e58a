//! `baton export` and `baton erase`: all that one customer has.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write, stderr, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use baton_handoff::ids::ConversationId;
use baton_handoff::{Engine, Kind, Owner, Principal, Subject, Tenant, View, same_owners};
use baton_setup::settings::Settings;
use baton_tools::office::BackOffice;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::people::{key_line, with_services};

/// Whose records these are.
#[derive(Args)]
pub(crate) struct Who {
    /// The customer's subject, as the issuer of tokens names it
    customer: String,
    /// The tenant
    #[arg(long, default_value = "default")]
    tenant: String,
    /// The kind of the owner
    #[arg(long, value_enum, default_value_t = OwnerKind::Customer)]
    kind: OwnerKind,
}

/// The kinds of owners.
#[derive(Clone, Copy, ValueEnum)]
enum OwnerKind {
    /// A customer, with the visitors that it was before it signed in
    Customer,
    /// A visitor that never signed in
    Visitor,
    /// A program of the company, with its API keys
    Service,
}

impl Who {
    fn principal(&self) -> anyhow::Result<Principal> {
        let kind = match self.kind {
            OwnerKind::Customer => Kind::Customer,
            OwnerKind::Visitor => Kind::Visitor,
            OwnerKind::Service => Kind::Service,
        };
        let subject = Subject::parse(&self.customer)?;
        Ok(Principal::new(Tenant::parse(&self.tenant)?, kind, subject))
    }
}

/// Writes one JSON object a line.
pub(crate) fn export(
    settings: &Settings,
    who: &Who,
    to: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let principal = who.principal()?;
    with_services(settings, async move |engine, office| {
        let mut lines = Lines::open(to)?;
        let owners = same_owners(&**engine.store(), &principal.owner()).await?;
        for owner in &owners {
            export_owner(&mut lines, &engine, &office, owner).await?;
        }
        if principal.kind() == Some(Kind::Service) {
            for key in keys_of(&engine, &principal).await? {
                lines.write(&json!({"record": "key", "key": key}))?;
            }
        }
        lines.end()?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn export_owner(
    lines: &mut Lines,
    engine: &Arc<Engine>,
    office: &BackOffice,
    owner: &Owner,
) -> anyhow::Result<()> {
    lines.write(&json!({"record": "owner", "owner": owner}))?;
    for stored in engine.named_records(owner).await? {
        let body: Value = serde_json::from_str(&stored.record.body).unwrap_or_default();
        lines.write(&json!({"record": "named", "name": stored.key.sort, "body": body}))?;
    }
    let possessed = engine.possessed_by(owner).await?;
    for id in &possessed.conversations {
        export_conversation(lines, engine, owner, id).await?;
    }
    for id in &possessed.erased {
        lines.write(&json!({"record": "erased_conversation", "id": id}))?;
    }
    let books = office.books_of(owner).await?;
    for order in &books.orders {
        lines.write(&json!({"record": "order", "order": order}))?;
    }
    for refund in &books.refunds {
        lines.write(&json!({"record": "refund", "refund": refund}))?;
    }
    Ok(())
}

/// As the customer may see it: notes and reasons for colleagues are no part of it.
async fn export_conversation(
    lines: &mut Lines,
    engine: &Arc<Engine>,
    owner: &Owner,
    id: &ConversationId,
) -> anyhow::Result<()> {
    let colleague = colleague(owner)?;
    let conversation = engine.conversation(id, &colleague);
    let Some(mut export) = conversation.export(View::Customer).await? else {
        return Ok(());
    };
    let summary = json!(export.summary);
    lines.write(&json!({"record": "conversation", "conversation": summary}))?;
    while let Some(items) = conversation.next_of_export(&mut export).await? {
        for item in items {
            lines.write(&json!({"record": "item", "conversation": id, "item": item}))?;
        }
    }
    Ok(())
}

/// Erases after a question, unless `yes`. May be repeated.
pub(crate) fn erase(settings: &Settings, who: &Who, yes: bool) -> anyhow::Result<ExitCode> {
    let principal = who.principal()?;
    with_services(settings, async move |engine, office| {
        let owner = principal.owner();
        let owners = same_owners(&**engine.store(), &owner).await?;
        let mut conversations = 0;
        for owner in &owners {
            conversations += engine.possessed_by(owner).await?.conversations.len();
        }
        eprintln!(
            "{owner}: {conversations} conversations, {} visitors",
            owners.len() - 1
        );
        if !yes {
            confirm(&owner)?;
        }
        let mut open = 0;
        for owner in &owners {
            let done = engine.erase_conversations(owner).await?;
            let stays = engine.erased_owner(owner).await?;
            let pseudonym = stays.as_str().rsplit('/').next().unwrap_or_default();
            let pseudonym = ConversationId::parse(pseudonym)?;
            let entries = office.erase_owner(owner, &stays, &pseudonym).await?;
            eprintln!(
                "{owner}: {} conversations erased; {entries} orders and refunds kept without words, as {stays}",
                done.conversations
            );
            for id in &done.open {
                eprintln!("not yet: {id} has an action that has not ended");
            }
            open += done.open.len();
        }
        if principal.kind() == Some(Kind::Service) {
            let revoked = engine
                .revoke_key(&principal.tenant(), &who.customer)
                .await?;
            eprintln!("{revoked} API keys revoked");
        }
        if open > 0 {
            // The visitors are found by the customer's name.
            eprintln!("run the command again when these actions have ended");
            return Ok(ExitCode::FAILURE);
        }
        let removed = engine.erase_name(&owner).await?;
        eprintln!(
            "{removed} records under the name removed. What has left the house: infra/docs/data.md"
        );
        Ok(ExitCode::SUCCESS)
    })
}

fn confirm(owner: &Owner) -> anyhow::Result<()> {
    anyhow::ensure!(
        stdin().is_terminal() && stderr().is_terminal(),
        "nothing was erased: say --yes where nobody can be asked"
    );
    eprint!("Erase all of {owner}? This cannot be undone. Type yes: ");
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    anyhow::ensure!(answer.trim() == "yes", "nothing was erased");
    Ok(())
}

/// Opens conversations of this owner as an operator does.
fn colleague(owner: &Owner) -> anyhow::Result<Principal> {
    let tenant = Tenant::parse(owner.tenant())?;
    Ok(Principal::new(
        tenant,
        Kind::Operator,
        Subject::parse("terminal")?,
    ))
}

async fn keys_of(engine: &Engine, principal: &Principal) -> anyhow::Result<Vec<String>> {
    let (tenant, owner) = (principal.tenant(), principal.owner());
    let name = owner.subject(Kind::Service).unwrap_or_default();
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let (keys, next) = engine.keys(&tenant, after).await?;
        let named = keys.iter().filter(|key| key.name.as_str() == name);
        lines.extend(named.map(|key| key_line(key, engine.now())));
        after = next;
        if after.is_none() {
            return Ok(lines);
        }
    }
}

/// The lines of an export.
struct Lines(Box<dyn Write>);

impl Lines {
    /// A new file that only this user can read; or what the terminal gets.
    fn open(to: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = to else {
            return Ok(Self(Box::new(stdout().lock())));
        };
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(file);
        let opened = opened.with_context(|| format!("{} was not made", file.display()))?;
        Ok(Self(Box::new(BufWriter::new(opened))))
    }

    fn write(&mut self, line: &Value) -> anyhow::Result<()> {
        Ok(writeln!(self.0, "{line}")?)
    }

    fn end(mut self) -> anyhow::Result<()> {
        Ok(self.0.flush()?)
    }
}
