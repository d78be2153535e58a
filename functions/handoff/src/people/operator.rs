//! Operators: colleagues with a name, and with roles that say what they may do.

use sha2::{Digest, Sha256};

use super::{CreateError, STAYS};
use crate::engine::Engine;
use crate::ids::hex;
use crate::ports::{Change, Cursor, Index, StoreError};
use crate::principal::Tenant;
use crate::record::audit::Audited;
use crate::record::decode;
use crate::record::operator::{KnownOperator, Operator, key_of, operators_of};

/// The beginning of every operator's token.
const PREFIX: &str = "bo_";

/// Operators of one tenant that are listed at once.
const PAGE: usize = 100;

fn hash_of(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

impl Engine {
    /// Whether a credential says that it is an operator's token.
    pub fn is_operator_token(credential: &str) -> bool {
        credential.starts_with(PREFIX)
    }

    /// Adds an operator, or gives a known one new roles and a new token; the old token ends. Returns the token, which is stored
    /// nowhere. The name is a tenant's name in form: it is a part of the token.
    ///
    /// # Errors
    /// The store's.
    pub async fn add_operator(&self, operator: Operator) -> Result<String, CreateError> {
        let name = operator.name.as_str().to_owned();
        let token = format!("{PREFIX}{name}.{:032x}", self.env.random());
        let key = key_of(&name);
        let before = self.store.get(&key).await?;
        let event = Audited::OperatorAdded {
            name: operator.name.clone(),
            roles: operator.roles.clone(),
        };
        let mut entries = self.at_a_terminal(&operator.tenant, event);
        if let Some(before) = &before {
            let before: KnownOperator = decode(before)?;
            if before.operator.tenant != operator.tenant && before.revoked_at.is_none() {
                let event = Audited::OperatorRemoved {
                    name: operator.name.clone(),
                };
                entries.extend(self.at_a_terminal(&before.operator.tenant, event));
            }
        }
        let known = KnownOperator {
            operator,
            hash: hash_of(&token),
            created_at: self.env.now(),
            revoked_at: None,
        };
        let change = match before {
            Some(before) => Change::Replace(key, before.version, known.record()),
            None => Change::Create(key, known.record()),
        };
        let changes = std::iter::once(change).chain(entries).collect();
        self.store.commit(changes).await?;
        Ok(token)
    }

    /// The operator with this token. The answer may be a minute old.
    ///
    /// # Errors
    /// The store's.
    pub async fn operator(&self, token: &str) -> Result<Option<Operator>, StoreError> {
        let name = token
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('.'));
        let Some((name, _)) = name else {
            return Ok(None);
        };
        if Tenant::parse(name).is_err() {
            return Ok(None);
        }
        let now = self.env.now();
        let known = if let Some(known) = self.operators.get(&name.to_owned(), now) {
            known
        } else {
            let known = self.known_operator(name).await?.map(|(_, known)| known);
            self.operators
                .keep(name.to_owned(), known.clone(), now + STAYS, now);
            known
        };
        // Hashes are compared, so that the duration tells nothing about the token.
        let known = known.filter(|known| known.hash == hash_of(token));
        let live = known.filter(|known| known.revoked_at.is_none());
        Ok(live.map(|known| known.operator))
    }

    /// A tenant's operators, removed ones among them; and the cursor of the next page.
    ///
    /// # Errors
    /// The store's.
    pub async fn operators(
        &self,
        tenant: &Tenant,
        after: Option<String>,
    ) -> Result<(Vec<KnownOperator>, Option<String>), StoreError> {
        let index = Index::Listed(operators_of(tenant));
        let after = after.map(Cursor);
        let page = self.store.index(&index, after.as_ref(), PAGE).await?;
        let known = page.records.iter().filter_map(|stored| {
            decode(stored)
                .inspect_err(|error| tracing::error!(%error, "an operator cannot be read"))
                .ok()
        });
        Ok((known.collect(), page.next.map(|next| next.0)))
    }

    /// Ends an operator's token. `false`: there is no such operator. Other processes may accept it for another minute.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_operator(&self, name: &str) -> Result<bool, CreateError> {
        let Some((version, mut known)) = self.known_operator(name).await? else {
            return Ok(false);
        };
        known.revoked_at = Some(self.env.now());
        let event = Audited::OperatorRemoved {
            name: known.operator.name.clone(),
        };
        let mut changes = vec![Change::Replace(key_of(name), version, known.record())];
        changes.extend(self.at_a_terminal(&known.operator.tenant, event));
        self.store.commit(changes).await?;
        Ok(true)
    }

    async fn known_operator(&self, name: &str) -> Result<Option<(u64, KnownOperator)>, StoreError> {
        let stored = self.store.get(&key_of(name)).await?;
        stored
            .map(|stored| Ok((stored.version, decode(&stored)?)))
            .transpose()
    }
}
