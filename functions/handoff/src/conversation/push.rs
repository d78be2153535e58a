//! The endpoint that a client brings for one turn, to be told of its end. At most one a turn; its record is erased with the turn.

use super::open::Conversation;
use super::weigh::created;
use crate::engine::{Engine, MAX_TRIES};
use crate::ids::TurnNumber;
use crate::ports::{Change, ClientEndpoint, CommitError, StoreError, Stored};
use crate::principal::{Access, Kind, Principal};
use crate::record::{Meta, TurnRecord, decode, encode, keys};

/// The name of an endpoint, in bytes.
const LONGEST_ID: usize = 256;

/// Its URL, in bytes.
const LONGEST_URL: usize = 2_048;

/// Its token, in bytes.
const LONGEST_TOKEN: usize = 1_024;

/// The scheme of its credentials, in bytes.
const LONGEST_SCHEME: usize = 32;

/// Its credentials, in bytes: some are JWTs.
const LONGEST_CREDENTIALS: usize = 4_096;

/// Why an endpoint was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CannotPush {
    /// The settings allow no endpoints of clients, or none of this principal.
    #[error("{0}")]
    NotTaken(&'static str),
    /// It cannot be told.
    #[error("{0}")]
    Bad(String),
    /// For this principal there is no such turn.
    #[error("no such turn")]
    NotFound,
    /// The turn has another one, of this name.
    #[error("the task has the configuration {0:?}: delete it first, for a task has one at most")]
    Another(String),
    /// The store failed; a later attempt may succeed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Whether clients may bring endpoints.
    pub fn takes_pushes(&self) -> bool {
        self.webhooks.takes_clients()
    }

    /// Whether this principal may bring endpoints: one who could be anybody may not have this server call addresses.
    ///
    /// # Errors
    /// [`CannotPush::NotTaken`] with the reason.
    pub fn may_push(&self, principal: Option<&Principal>) -> Result<(), CannotPush> {
        if !self.takes_pushes() {
            let none = "this agent pushes nothing: subscribe to the task";
            return Err(CannotPush::NotTaken(none));
        }
        match principal.and_then(Principal::kind) {
            Some(Kind::Customer | Kind::Service) => Ok(()),
            Some(Kind::Visitor | Kind::Operator) | None => Err(CannotPush::NotTaken(
                "only customers who have signed in and services are sent push notifications: subscribe to the task",
            )),
        }
    }

    /// Whether this endpoint could be told, whatever turn it is for.
    ///
    /// # Errors
    /// [`CannotPush::Bad`] with the reason.
    pub fn check_push(&self, endpoint: &ClientEndpoint) -> Result<(), CannotPush> {
        check(endpoint).map_err(CannotPush::Bad)?;
        let checked = self.webhooks.check_client(endpoint);
        checked.map_err(CannotPush::Bad)
    }
}

impl Conversation {
    /// Brings the endpoint that is told how this turn ends, or takes the place of the one of the same name. If the turn has ended it is
    /// told at once: nobody knows whether the end or the endpoint came first.
    ///
    /// # Errors
    /// Why the endpoint was not taken; see [`CannotPush`].
    pub async fn set_push(
        &self,
        turn: TurnNumber,
        endpoint: &ClientEndpoint,
    ) -> Result<(), CannotPush> {
        self.engine.may_push(Some(&self.principal))?;
        self.engine.check_push(endpoint)?;
        let key = keys::push(&self.id, turn);
        for attempt in 0..MAX_TRIES {
            let (version, mut meta) = self.meta_with(turn).await?;
            let before = self.read_push(turn).await?;
            let record = encode(endpoint);
            let mut changes = vec![match before {
                Some((_, before)) if before.id != endpoint.id => {
                    return Err(CannotPush::Another(before.id));
                }
                Some((_, before)) if before == *endpoint => return Ok(()),
                Some((version, _)) => Change::Replace(key.clone(), version, record),
                None => Change::Create(key.clone(), record),
            }];
            let mut pushes = std::mem::take(&mut meta.pushes);
            pushes.retain(|other| *other != turn && meta.is_open(*other));
            pushes.push(turn);
            meta.pushes = pushes;
            let has_ended = !meta.is_open(turn);
            if has_ended {
                let stored = self.engine.store.get(&keys::turn(&self.id, turn)).await?;
                let record: TurnRecord = decode(&stored.ok_or(CannotPush::NotFound)?)?;
                changes.extend(self.engine.push(&mut meta, &self.id, turn, &record));
            }
            meta.bytes = meta.bytes.saturating_add(created(&changes));
            let change = Change::Replace(keys::meta(&self.id), version, meta.record());
            changes.push(change);
            if self.commit_push(changes, attempt).await? {
                if has_ended {
                    self.engine.send_push(&meta.owner, &self.id).await;
                }
                return Ok(());
            }
        }
        Err(busy())
    }

    /// The endpoint that is told of this turn.
    ///
    /// # Errors
    /// [`CannotPush::NotFound`] if there is no such turn.
    pub async fn push(&self, turn: TurnNumber) -> Result<Option<ClientEndpoint>, CannotPush> {
        self.engine.may_push(Some(&self.principal))?;
        self.meta_with(turn).await?;
        Ok(self.read_push(turn).await?.map(|(_, endpoint)| endpoint))
    }

    /// Removes the endpoint of this turn and this name. Nothing more is sent to it, also what was to be sent. Without one nothing
    /// changes.
    ///
    /// # Errors
    /// [`CannotPush::NotFound`] if there is no such turn.
    pub async fn remove_push(&self, turn: TurnNumber, id: &str) -> Result<(), CannotPush> {
        self.engine.may_push(Some(&self.principal))?;
        for attempt in 0..MAX_TRIES {
            let (version, mut meta) = self.meta_with(turn).await?;
            let before = self.read_push(turn).await?;
            let Some((at, _)) = before.filter(|(_, before)| before.id == id) else {
                return Ok(());
            };
            meta.pushes.retain(|other| *other != turn);
            let changes = vec![
                Change::Remove(keys::push(&self.id, turn), Some(at)),
                Change::Replace(keys::meta(&self.id), version, meta.record()),
            ];
            if self.commit_push(changes, attempt).await? {
                return Ok(());
            }
        }
        Err(busy())
    }

    /// META of the conversation, which has this turn.
    async fn meta_with(&self, turn: TurnNumber) -> Result<(u64, Meta), CannotPush> {
        let found = self.meta(Access::Speak).await?;
        let has_turn = |meta: &Meta| (meta.erased_below.max(1)..meta.next_turn).contains(&turn);
        found
            .filter(|(_, meta)| has_turn(meta))
            .ok_or(CannotPush::NotFound)
    }

    async fn read_push(
        &self,
        turn: TurnNumber,
    ) -> Result<Option<(u64, ClientEndpoint)>, StoreError> {
        let stored = self.engine.store.get(&keys::push(&self.id, turn)).await?;
        let read = |stored: Stored| Ok((stored.version, decode(&stored)?));
        stored.map(read).transpose()
    }

    /// Whether it was written. Written or not, the next read shows it.
    async fn commit_push(&self, changes: Vec<Change>, attempt: u32) -> Result<bool, CannotPush> {
        match self.engine.store.commit(changes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict | CommitError::Ambiguous(_)) => {
                self.engine.back_off(attempt).await;
                Ok(false)
            }
            Err(error @ (CommitError::Unavailable(_) | CommitError::Refused(_))) => {
                Err(StoreError::Unavailable(error.to_string()).into())
            }
        }
    }
}

fn busy() -> CannotPush {
    StoreError::Unavailable("the conversation is written to all the time".to_owned()).into()
}

/// What fits into a header and into a record, as a sentence for the client.
fn check(endpoint: &ClientEndpoint) -> Result<(), String> {
    let fits = |name: &str, text: &str, longest: usize| {
        let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if text.is_empty() || text.len() > longest || !text.bytes().all(plain) {
            return Err(format!(
                "{name} must have 1 to {longest} printable characters of ASCII"
            ));
        }
        Ok(())
    };
    fits("id", &endpoint.id, LONGEST_ID)?;
    fits("url", &endpoint.url, LONGEST_URL)?;
    if let Some(token) = &endpoint.token {
        fits("token", token, LONGEST_TOKEN)?;
    }
    let Some(authentication) = &endpoint.authentication else {
        return Ok(());
    };
    fits(
        "authentication.scheme",
        &authentication.scheme,
        LONGEST_SCHEME,
    )?;
    if authentication.scheme.contains(' ') {
        return Err("authentication.scheme must be one word, such as Bearer".to_owned());
    }
    if let Some(credentials) = &authentication.credentials {
        fits(
            "authentication.credentials",
            credentials,
            LONGEST_CREDENTIALS,
        )?;
    }
    Ok(())
}
