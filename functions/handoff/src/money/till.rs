//! The sums of one commit: what is counted in META, and on records of the day. A commit that is tried again opens another till.

use std::collections::BTreeMap;

use super::{Account, SHARES};
use crate::drive::lease::Beside;
use crate::ids::ActionId;
use crate::ports::{Change, Key, Price, Stored};
use crate::record::{Counted, DaySpent, Meta, Share, Spent, decode};
use crate::team::{MoneyLimit, dollars};

/// Counted actions of a conversation that may still be given back. More of them are counted for good.
pub(crate) const MOST_OPEN: usize = 64;

/// Records of days as a commit depends on them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums(BTreeMap<Key, Sum>);

#[derive(Debug, Clone)]
struct Sum {
    version: Option<u64>,
    spent: DaySpent,
    /// The commit is right only while the record is what it was.
    decides: bool,
    changed: bool,
}

impl Sums {
    /// The records at these keys. One that cannot be decoded counts as not read.
    pub(crate) fn read(keys: &[Key], read: &[Option<Stored>]) -> Self {
        let sum = |(key, stored): (&Key, &Option<Stored>)| {
            let (version, spent) = match stored {
                Some(stored) => (Some(stored.version), decode(stored).ok()?),
                None => (None, DaySpent::default()),
            };
            let sum = Sum {
                version,
                spent,
                decides: false,
                changed: false,
            };
            Some((key.clone(), sum))
        };
        Self(keys.iter().zip(read).filter_map(sum).collect())
    }

    /// The same for records that a lease has read beside META.
    pub(crate) fn beside(keys: &[Key], beside: &Beside) -> Self {
        match beside {
            Beside::Read(read) => Self::read(keys, read),
            Beside::Unknown => Self::default(),
        }
    }
}

/// Counts what one commit accepts, and gives back what ended without effect.
pub(crate) struct Till<'a> {
    account: &'a Account,
    sums: Sums,
}

impl<'a> Till<'a> {
    pub(crate) fn open(account: &'a Account, sums: &Sums) -> Self {
        Self {
            account,
            sums: sums.clone(),
        }
    }

    /// Counts the action if it fits the limit.
    ///
    /// # Errors
    /// Why it does not fit, for operators.
    pub(crate) fn admit(
        &mut self,
        meta: &mut Meta,
        limit: &MoneyLimit,
        action: &ActionId,
        price: &Price,
    ) -> Result<(), String> {
        self.fits(meta, limit, price)?;
        if let Price::Known(cents) = price {
            self.count(meta, limit, action, *cents);
        }
        Ok(())
    }

    /// Counts the action, whether or not it fits.
    pub(crate) fn count(
        &mut self,
        meta: &mut Meta,
        limit: &MoneyLimit,
        action: &ActionId,
        cents: u64,
    ) {
        let open: usize = meta.spent.values().map(|spent| spent.open.len()).sum();
        let spent = meta.spent.entry(limit.name.clone()).or_default();
        spent.cents = spent.cents.saturating_add(cents);
        let day = if limit.has_days() {
            self.account.day
        } else {
            0
        };
        // What an erasure took is not reported, and so never given back.
        if open < MOST_OPEN && action.turn >= meta.erased_below {
            spent.open.push(Counted {
                turn: action.turn,
                hash: action.hash().to_owned(),
                cents,
                day,
            });
        }
        let own = self.account.share_key(self.account.day, self.account.share);
        let by_owner = self.account.owner_key(self.account.day);
        if limit.customer_day_cents.is_some() && !self.account.owner.is_none() {
            self.change(&by_owner, &limit.name, |sum| {
                sum.cents = sum.cents.saturating_add(cents);
            });
        }
        if limit.tenant_day_cents.is_some() {
            self.change(&own, &limit.name, |sum| {
                sum.cents = sum.cents.saturating_add(cents);
            });
        }
    }

    /// The model was told that the action has ended without effect.
    pub(crate) fn give_back(&mut self, meta: &mut Meta, action: &ActionId) {
        if sabotage!(NeverGivenBack) {
            return Self::settle(meta, action);
        }
        for (name, spent) in &mut meta.spent {
            let Some(at) = spent.open.iter().position(|counted| counted.is(action)) else {
                continue;
            };
            let Counted { cents, day, .. } = spent.open.remove(at);
            spent.cents = spent.cents.saturating_sub(cents);
            if !self.account.is_corrected(day) {
                continue;
            }
            let keys = [
                self.account.owner_key(day),
                self.account.share_key(day, self.account.share),
            ];
            for key in keys {
                self.sums.lower(&key, name, cents);
            }
        }
        meta.spent.retain(|_, spent| *spent != Spent::default());
    }

    /// The model was told that the action is done: its amount stays.
    pub(crate) fn settle(meta: &mut Meta, action: &ActionId) {
        for spent in meta.spent.values_mut() {
            spent.open.retain(|counted| !counted.is(action));
        }
    }

    /// The changes of the day's records, and the records that must be unchanged.
    pub(crate) fn close(self) -> Vec<Change> {
        let change = |(key, sum): (Key, Sum)| {
            if !sum.changed {
                return sum.decides.then_some(Change::Require(key, sum.version));
            }
            // The key ends with the day, or with the day and a share.
            let record = sum.spent.record(self.account.day);
            Some(match sum.version {
                Some(version) => Change::Replace(key, version, record),
                None => Change::Create(key, record),
            })
        };
        self.sums.0.into_iter().filter_map(change).collect()
    }

    /// Whether the amount fits the limit. The sums stay.
    ///
    /// # Errors
    /// Why it does not fit, for operators.
    pub(crate) fn fits(
        &mut self,
        meta: &Meta,
        limit: &MoneyLimit,
        price: &Price,
    ) -> Result<(), String> {
        let fits = self.has_room(meta, limit, price);
        fits.map_err(|reason| format!("limit {}: {reason}", limit.name))
    }

    fn has_room(&mut self, meta: &Meta, limit: &MoneyLimit, price: &Price) -> Result<(), String> {
        let cents = match price {
            Price::Known(cents) => *cents,
            Price::NoPrice | Price::CannotTell(_) if sabotage!(PriceUnknownIsFree) => return Ok(()),
            Price::NoPrice => return Err("the action has no known amount".to_owned()),
            Price::CannotTell(_) => return Err("the amount cannot be told now".to_owned()),
        };
        let amount = dollars(cents);
        if let Some(most) = limit.action_cents.filter(|most| cents > *most) {
            let most = dollars(most);
            return Err(format!("{amount} is over {most}, the most for one action"));
        }
        let room = |spent: u64, most: u64, of: &str| {
            let left = most.saturating_sub(spent);
            if cents <= left {
                return Ok(());
            }
            let (left, most) = (dollars(left), dollars(most));
            Err(format!(
                "{amount} is over the {left} that are left of {most} {of}"
            ))
        };
        if let Some(most) = limit.conversation_cents {
            let spent = meta.spent.get(&limit.name).map_or(0, |spent| spent.cents);
            room(spent, most, "in this conversation")?;
        }
        let is_owned = !self.account.owner.is_none();
        if let Some(most) = limit.customer_day_cents.filter(|_| is_owned) {
            let key = self.account.owner_key(self.account.day);
            let spent = self.decide_by(&key, &limit.name)?.cents;
            room(spent, most, "for this customer today")?;
        }
        if let Some(most) = limit.tenant_day_cents {
            self.make_room(&limit.name, most, cents)
                .and_then(|spent| room(spent, most, "for all customers today"))?;
        }
        Ok(())
    }

    /// Makes room for an amount in the account's own share of the tenant's day, if need be with room of the other shares. Returns
    /// what was spent of the limit, as far as that matters.
    ///
    /// The shares have parts of the limit that add up to it, so that no two commits that fit theirs are over it together.
    fn make_room(&mut self, name: &str, most: u64, cents: u64) -> Result<u64, String> {
        let (day, own) = (self.account.day, self.account.share);
        let own_key = self.account.share_key(day, own);
        if free(own, most, self.decide_by(&own_key, name)?) >= signed(cents) {
            return Ok(0);
        }
        let mut others = Vec::new();
        let (mut spent, mut lacks) = (0_u64, signed(cents));
        for share in 0..SHARES {
            let key = self.account.share_key(day, share);
            let sum = self.decide_by(&key, name)?;
            spent = spent.saturating_add(sum.cents);
            if share == own {
                lacks -= free(share, most, sum);
            } else {
                others.push((free(share, most, sum), key));
            }
        }
        if spent.saturating_add(cents) > most {
            return Ok(spent);
        }
        others.sort_by(|one, other| other.cmp(one));
        let mut moved = 0;
        for (free, key) in others {
            if moved >= lacks || free <= 0 {
                break;
            }
            // Half of what is free, so that the next amount finds room in its own share.
            let part = (lacks - moved).max(free / 2).min(free);
            self.sums.change(&key, name, |sum| sum.moved -= part);
            moved += part;
        }
        self.sums.change(&own_key, name, |sum| sum.moved += moved);
        Ok(spent)
    }

    /// A sum that the commit depends on.
    fn decide_by(&mut self, key: &Key, name: &str) -> Result<Share, String> {
        let sum = self.sums.0.get_mut(key);
        let sum = sum.ok_or("the sums of the day cannot be read now")?;
        sum.decides = true;
        Ok(sum.spent.0.get(name).copied().unwrap_or_default())
    }

    fn change(&mut self, key: &Key, name: &str, change: impl FnOnce(&mut Share)) {
        self.sums.change(key, name, change);
    }
}

impl Sums {
    /// Takes an amount out of a sum that has one.
    fn lower(&mut self, key: &Key, name: &str, cents: u64) {
        let found = self.0.get_mut(key);
        let sum = found.and_then(|sum| Some((&mut sum.changed, sum.spent.0.get_mut(name)?)));
        if let Some((changed, sum)) = sum {
            *changed = true;
            sum.cents = sum.cents.saturating_sub(cents);
        }
    }

    /// Changes a sum, if its record was read.
    fn change(&mut self, key: &Key, name: &str, change: impl FnOnce(&mut Share)) {
        if let Some(sum) = self.0.get_mut(key) {
            sum.changed = true;
            change(sum.spent.0.entry(name.to_owned()).or_default());
        }
    }
}

/// What a share has left of its part of the limit.
fn free(share: u32, most: u64, sum: Share) -> i64 {
    let shares = u64::from(SHARES);
    let part = most / shares + u64::from(u64::from(share) < most % shares);
    signed(part)
        .saturating_add(sum.moved)
        .saturating_sub(signed(sum.cents))
}

fn signed(cents: u64) -> i64 {
    i64::try_from(cents).unwrap_or(i64::MAX)
}
