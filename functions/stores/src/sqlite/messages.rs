//! Messages in SQL. Every function is one or a few cached statements on one connection.
//!
//! Messages are delivered in rounds, one of each sender a round, so that a sender with a thousand messages does not hold up a
//! sender with one. Knows tables; never threads, transactions or the clock.

use baton_handoff::ports::{Delivery, Lane, Millis};
use rusqlite::{Connection, Result, params};

/// Identifies one delivery of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipt {
    /// The messages of one round are delivered in this order, so later ones have higher numbers.
    pub(super) id: i64,
    /// New with each delivery, since the number of a row may come again.
    pub(super) token: i64,
}

/// A message to add.
#[derive(Debug)]
pub(super) struct Message {
    /// Its number, and the token of its first delivery if a receiver is getting it already.
    pub(super) receipt: Receipt,
    pub(super) sender: String,
    pub(super) body: String,
    /// Until when it is hidden, if a receiver is getting it already.
    pub(super) handed_until: Option<Millis>,
}

impl Receipt {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, token) = text.split_once('.')?;
        Some(Self {
            id: id.parse().ok()?,
            token: token.parse().ok()?,
        })
    }

    pub(super) fn text(self) -> String {
        format!("{}.{}", self.id, self.token)
    }
}

/// How many messages a lane holds, counted up to `most`.
pub(super) fn count(db: &Connection, lane: Lane, most: usize) -> Result<usize> {
    db.prepare_cached("SELECT COUNT(*) FROM (SELECT 1 FROM messages WHERE lane = ?1 LIMIT ?2)")?
        .query_row(params![lane.as_str(), most], |row| row.get(0))
}

/// Adds a message: to the current round, or to the one after its sender's last.
pub(super) fn send(db: &Connection, lane: Lane, message: &Message, now: Millis) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO messages (id, lane, sender, round, visible_at, receives, token, body) VALUES (?1, ?2, ?3, MAX(\
         COALESCE((SELECT MIN(round) FROM messages WHERE lane = ?2), 0), \
         COALESCE((SELECT MAX(round) + 1 FROM messages WHERE lane = ?2 AND sender = ?3), 0)), ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        message.receipt.id,
        lane.as_str(),
        message.sender,
        message.handed_until.unwrap_or(now),
        u32::from(message.handed_until.is_some()),
        message.receipt.token,
        message.body
    ])
    .map(drop)
}

/// How many messages are visible, counted up to `most`.
pub(super) fn count_visible(
    db: &Connection,
    lane: Lane,
    most: usize,
    now: Millis,
) -> Result<usize> {
    db.prepare_cached(
        "SELECT COUNT(*) FROM (SELECT 1 FROM messages WHERE lane = ?1 AND visible_at <= ?2 LIMIT ?3)",
    )?
    .query_row(params![lane.as_str(), now, most], |row| row.get(0))
}

/// When the next hidden message becomes visible.
pub(super) fn next_visible(db: &Connection, lane: Lane) -> Result<Option<Millis>> {
    db.prepare_cached("SELECT MIN(visible_at) FROM messages WHERE lane = ?1")?
        .query_row([lane.as_str()], |row| row.get(0))
}

/// Delivers up to `max` messages and hides them until `hidden_until`.
pub(super) fn receive(
    db: &Connection,
    lane: Lane,
    max: usize,
    now: Millis,
    hidden_until: Millis,
    token: i64,
) -> Result<Vec<Delivery>> {
    // Without this hint SQLite would use the index by visibility and sort all visible messages.
    let mut select = db.prepare_cached(
        "SELECT id, receives, body FROM messages INDEXED BY messages_round \
         WHERE lane = ?1 AND visible_at <= ?2 ORDER BY round, id LIMIT ?3",
    )?;
    let found: Vec<(i64, u32, String)> = select
        .query_map(params![lane.as_str(), now, max], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_>>()?;
    let mut hide = db.prepare_cached(
        "UPDATE messages SET visible_at = ?2, receives = ?3, token = ?4 WHERE id = ?1",
    )?;
    let mut deliveries = Vec::with_capacity(found.len());
    for (id, received, body) in found {
        let receives = received.saturating_add(1);
        hide.execute(params![id, hidden_until, receives, token])?;
        deliveries.push(Delivery {
            body,
            receipt: Receipt { id, token }.text(),
            receives,
        });
    }
    Ok(deliveries)
}

/// Removes a message if this was its latest delivery.
pub(super) fn ack(db: &Connection, lane: Lane, receipt: Receipt) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM messages WHERE id = ?1 AND token = ?2 AND lane = ?3 AND receives > 0",
    )?
    .execute(params![receipt.id, receipt.token, lane.as_str()])
    .map(drop)
}

/// Sets when a message becomes visible again, if this was its latest delivery.
pub(super) fn defer(
    db: &Connection,
    lane: Lane,
    receipt: Receipt,
    visible_at: Millis,
) -> Result<()> {
    db.prepare_cached(
        "UPDATE messages SET visible_at = ?4 WHERE id = ?1 AND token = ?2 AND lane = ?3 AND receives > 0",
    )?
    .execute(params![receipt.id, receipt.token, lane.as_str(), visible_at])
    .map(drop)
}
