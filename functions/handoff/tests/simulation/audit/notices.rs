//! Notices: each is taken at least once, and those of a conversation in their order.

use std::collections::BTreeMap;

use baton_handoff::ports::{Key, Millis, Stored};
use serde::Deserialize;

use super::{Audit, Books};
use crate::world::lock;

/// When a notice is given up.
const LIFE: Millis = 72 * 3_600_000;

/// The same of one to the endpoint that a client has brought.
const CLIENTS_LIFE: Millis = 3_600_000;

#[derive(Deserialize)]
struct Written {
    body: String,
    turn: u32,
    created_at: Millis,
}

struct Notice {
    written: Written,
    is_taken: bool,
    is_there: bool,
}

/// By partition and number.
#[derive(Default)]
pub(super) struct Notices {
    lanes: BTreeMap<String, BTreeMap<String, Notice>>,
    /// A later team has no such endpoint.
    may_vanish: bool,
}

impl Audit {
    pub(super) fn check_notice(&self, books: &mut Books, key: &Key, after: Option<&Stored>) {
        let Some((_, conversation)) = key
            .partition
            .strip_prefix("H#")
            .and_then(|rest| rest.split_once('#'))
        else {
            return;
        };
        let erased_below = books.metas.get(conversation);
        let erased_below = erased_below.map_or(0, |meta| meta.erased_below);
        let may_vanish = books.notices.may_vanish;
        let lane = books
            .notices
            .lanes
            .entry(key.partition.clone())
            .or_default();
        if let Some(after) = after {
            let written: Written = serde_json::from_str(&after.record.body).expect("a notice");
            let known = lane.entry(key.sort.clone()).or_insert(Notice {
                written,
                is_taken: false,
                is_there: true,
            });
            return self.require(known.is_there, || format!("{key:?} came back"));
        }
        let Some(notice) = lane.get_mut(&key.sort) else {
            return;
        };
        notice.is_there = false;
        let is_clients = key.partition.starts_with("H#.client#");
        let life = if is_clients { CLIENTS_LIFE } else { LIFE };
        let is_old = self.world.now() >= notice.written.created_at + life;
        let is_erased = notice.written.turn < erased_below;
        let may_go = notice.is_taken || is_old || is_erased || may_vanish;
        self.require(may_go, || format!("{key:?} is gone and was never taken"));
    }

    /// An endpoint takes this.
    pub(crate) fn took(&self, body: &str) {
        let mut books = lock(&self.books);
        let of_body = |notice: &Notice| notice.written.body == body;
        let mut lanes = books.notices.lanes.values_mut();
        let Some(lane) = lanes.find(|lane| lane.values().any(of_body)) else {
            return self.require(false, || format!("{body} was told and is not recorded"));
        };
        let mut ahead = false;
        for notice in lane.values_mut() {
            if of_body(notice) && !notice.is_taken {
                notice.is_taken = true;
                return self.require(!ahead, || format!("{body} was told before an earlier one"));
            }
            ahead |= notice.is_there && !notice.is_taken && !of_body(notice);
        }
    }

    /// From now on the endpoint may be gone.
    pub(crate) fn forgets_endpoints(&self) {
        lock(&self.books).notices.may_vanish = true;
    }

    /// Whether the endpoint that a client brought for this turn was to be told of its end.
    pub(crate) fn was_pushed(&self, conversation: &str, turn: u32) -> bool {
        let books = lock(&self.books);
        let lane = format!("H#.client#{conversation}");
        let lane = books.notices.lanes.get(&lane);
        lane.is_some_and(|lane| lane.values().any(|notice| notice.written.turn == turn))
    }

    /// A notice that waits to be taken.
    pub(super) fn untold(books: &Books) -> Option<String> {
        let lanes = books.notices.lanes.iter();
        let mut waits = lanes.flat_map(|(lane, notices)| {
            let there = notices.iter().filter(|(_, notice)| notice.is_there);
            there.map(move |(number, _)| format!("{lane} {number} was not told"))
        });
        waits.next()
    }
}
