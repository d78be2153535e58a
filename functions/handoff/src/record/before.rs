//! The lists of records that an earlier release wrote: one list a record, without a tenant in its name. Knows bodies and names;
//! never the store.

use super::DEFAULT_TENANT;
use super::action::{ActionRecord, ActionState, actions_in};
use super::keys::is_action;
use super::meta::{Meta, conversations_with_agents};
use super::stored::decode;
use crate::ports::{Listing, Record, StoreError, Stored};

/// The lists of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    /// Its owner's list.
    pub listed: Option<Listing>,
    /// Its list of work.
    pub work: Option<Listing>,
}

impl From<Record> for Lists {
    fn from(record: Record) -> Self {
        Self {
            listed: record.listed,
            work: record.work,
        }
    }
}

impl Lists {
    /// Whether these are the same lists, at whatever ranks.
    pub fn have_names_of(&self, other: &Self) -> bool {
        let names = |lists: &Self| {
            let name = |listing: &Option<Listing>| {
                let listing = listing.as_ref();
                listing.map(|listing| listing.group.clone())
            };
            (name(&lists.listed), name(&lists.work))
        };
        names(self) == names(other)
    }

    /// The lists that a conversation's record has had in [`Record::listed`] before, by their names: for a record whose body cannot
    /// be read. The rank stays.
    #[must_use]
    pub fn renamed(self) -> Self {
        let work = self.listed.as_ref().and_then(|listed| {
            let list = match listed.group.split_once(':')? {
                ("conversations", "local") => conversations_with_agents(DEFAULT_TENANT),
                ("actions", state) => {
                    let state = ActionState::ALL
                        .into_iter()
                        .find(|one| one.as_str() == state)?;
                    actions_in(DEFAULT_TENANT, state)
                }
                _ => return None,
            };
            Some(Listing {
                group: list,
                rank: listed.rank,
            })
        });
        match work {
            Some(work) => Self {
                listed: None,
                work: Some(work),
            },
            None => self,
        }
    }
}

/// The lists of a conversation or an action, by its body. `None` for every other record.
///
/// # Errors
/// The body cannot be read.
pub fn lists_of(stored: &Stored) -> Result<Option<Lists>, StoreError> {
    let key = &stored.key;
    if !key.partition.starts_with("C#") {
        return Ok(None);
    }
    let record = if key.sort == "META" {
        decode::<Meta>(stored)?.record()
    } else if is_action(&key.sort) {
        decode::<ActionRecord>(stored)?.record()
    } else {
        return Ok(None);
    };
    Ok(Some(record.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Key;
    use crate::principal::Owner;

    fn at(group: &str, rank: u64) -> Listing {
        let group = group.to_owned();
        Listing { group, rank }
    }

    #[test]
    fn a_list_of_before_has_its_name_of_today_and_others_keep_theirs() {
        let renamed = |group: &str| {
            let before = Lists {
                listed: Some(at(group, 7)),
                work: None,
            };
            let now = before.clone().renamed();
            (now != before).then_some(now)
        };
        let work = |group| {
            Some(Lists {
                listed: None,
                work: Some(at(group, 7)),
            })
        };
        assert_eq!(
            renamed("conversations:local"),
            work("default/conversations/agents")
        );
        assert_eq!(renamed("actions:unknown"), work("default/actions/unknown"));
        for other in [
            "actions:none_such",
            "B#ORDERS",
            "acme/customer/a:b/conversations",
            "acme/customer/conversations:local/conversations",
        ] {
            assert_eq!(renamed(other), None, "{other}");
        }
    }

    #[test]
    fn a_conversation_has_the_lists_of_its_owner_and_none_without_turns() {
        let owner: Owner = serde_json::from_str(r#""acme/customer/ann""#).unwrap();
        let mut meta = Meta::new(owner, "triage".to_owned(), 5);
        let lists = |meta: &Meta| {
            let stored = Stored {
                key: Key::new("C#1", "META"),
                version: 1,
                record: meta.record(),
            };
            lists_of(&stored).unwrap().unwrap()
        };
        // As one that was erased.
        assert_eq!(
            lists(&meta),
            Lists {
                listed: Some(at("acme/customer/ann/erased", 5)),
                work: None,
            }
        );
        (meta.next_turn, meta.last_activity) = (2, 9);
        assert_eq!(
            lists(&meta),
            Lists {
                listed: Some(at("acme/customer/ann/conversations", 9)),
                work: Some(at("acme/conversations/agents", 5)),
            }
        );
    }
}
