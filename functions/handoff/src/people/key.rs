//! API keys of the company's own programs. Only a hash of a key is stored.

use sha2::{Digest, Sha256};

use super::{CreateError, STAYS};
use crate::engine::Engine;
use crate::ids::hex;
use crate::ports::{Change, CommitError, Cursor, Index, Millis, StoreError};
use crate::principal::{Subject, Tenant};
use crate::record::api_key::{ApiKey, Scope, api_keys_of, key_of};
use crate::record::audit::Audited;
use crate::record::decode;

/// The beginning of every API key, so that a leaked one is recognised.
const PREFIX: &str = "bt_live_";

/// Keys of one tenant that are listed at once.
const PAGE: usize = 100;

fn hash_of(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

impl Engine {
    /// Whether a credential says that it is an API key.
    pub fn is_api_key(credential: &str) -> bool {
        credential.starts_with(PREFIX)
    }

    /// Makes a key and returns its secret, which is stored nowhere.
    ///
    /// # Errors
    /// The store's.
    pub async fn create_key(
        &self,
        name: Subject,
        tenant: Tenant,
        scopes: Vec<Scope>,
        expires_at: Option<Millis>,
    ) -> Result<String, CreateError> {
        let secret = format!("{PREFIX}{:032x}", self.env.random());
        let key = ApiKey {
            name,
            tenant,
            scopes,
            created_at: self.env.now(),
            expires_at,
            revoked_at: None,
        };
        let event = Audited::KeyCreated {
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            expires_at,
        };
        let mut changes = vec![Change::Create(key_of(&hash_of(&secret)), key.record())];
        changes.extend(self.at_a_terminal(&key.tenant, event));
        self.store.commit(changes).await?;
        Ok(secret)
    }

    /// The live key with this secret. The answer may be a minute old.
    ///
    /// # Errors
    /// The store's.
    pub async fn key(&self, secret: &str) -> Result<Option<ApiKey>, StoreError> {
        let now = self.env.now();
        let hash = hash_of(secret);
        let known = if let Some(known) = self.keys.get(&hash, now) {
            known
        } else {
            let stored = self.store.get(&key_of(&hash)).await?;
            let key: Option<ApiKey> = stored.as_ref().map(decode).transpose()?;
            self.keys.keep(hash, key.clone(), now + STAYS, now);
            key
        };
        Ok(known.filter(|key| key.is_live(now)))
    }

    /// A tenant's keys, revoked ones among them, newest first; and the cursor of the next page. A record that cannot be read is
    /// left out.
    ///
    /// # Errors
    /// The store's.
    pub async fn keys(
        &self,
        tenant: &Tenant,
        after: Option<String>,
    ) -> Result<(Vec<ApiKey>, Option<String>), StoreError> {
        let index = Index::Listed(api_keys_of(tenant));
        let after = after.map(Cursor);
        let page = self.store.index(&index, after.as_ref(), PAGE).await?;
        let keys = page.records.iter().filter_map(|stored| {
            decode(stored)
                .inspect_err(|error| tracing::error!(%error, "a key cannot be read"))
                .ok()
        });
        Ok((keys.collect(), page.next.map(|next| next.0)))
    }

    /// Revokes every key of this name. Returns how many were live. Other processes may use one for another minute.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_key(&self, tenant: &Tenant, name: &str) -> Result<usize, CreateError> {
        let index = Index::Listed(api_keys_of(tenant));
        let (mut after, mut revoked) = (None, 0);
        loop {
            let page = self.store.index(&index, after.as_ref(), PAGE).await?;
            for stored in page.records {
                let Ok(mut key) = decode::<ApiKey>(&stored) else {
                    continue;
                };
                if key.name.as_str() != name || key.revoked_at.is_some() {
                    continue;
                }
                key.revoked_at = Some(self.env.now());
                let event = Audited::KeyRevoked {
                    name: key.name.clone(),
                };
                let mut changes = vec![Change::Replace(stored.key, stored.version, key.record())];
                changes.extend(self.at_a_terminal(tenant, event));
                match self.store.commit(changes).await {
                    // Only a revocation replaces a key, so that a conflict is another one.
                    Ok(()) | Err(CommitError::Conflict) => revoked += 1,
                    Err(error) => return Err(error.into()),
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(revoked);
            }
        }
    }
}
