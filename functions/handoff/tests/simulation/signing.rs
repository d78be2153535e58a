//! Visitors that sign in: at any moment, twice at once, from two processes, as two customers. Then both sides try the
//! conversations of before.

use baton_handoff::{Kind, Principal, SignInError};
use tokio::sync::mpsc::unbounded_channel;

use crate::cast::person;
use crate::customers::Customers;
use crate::world::lock;

/// Visitors that become the same customer: more than one customer may have.
const CROWD: u64 = 18;

impl Customers {
    /// Lets some visitors sign in, each at a moment of its own.
    pub(crate) fn sign_in_some_time(&self) {
        let (world, weather) = (&self.town.world, self.town.weather());
        for _ in 0..weather.sign_ins {
            let customer = self.clone();
            self.spawn(async move { customer.decide_to_sign_in().await });
        }
        if !world.happens(weather.crowds) {
            return;
        }
        for number in 0..CROWD {
            let customer = self.clone();
            let visitor = person("default", Kind::Visitor, &format!("w{number}"));
            self.spawn(async move {
                let world = &customer.town.world;
                world.sleep(10_000 + 200 * (number / 3)).await;
                let bob = person("default", Kind::Customer, "bob");
                customer.sign_in(visitor, bob).await;
            });
        }
    }

    async fn decide_to_sign_in(&self) {
        let world = &self.town.world;
        world.sleep(world.below(60_000)).await;
        let cast = self.town.cast();
        let any = |all: Vec<Principal>| all[world.index(all.len())].clone();
        let visitor = any(cast.of(Kind::Visitor));
        let mut customers = cast.of(Kind::Customer);
        if !world.happens(50) {
            customers.retain(|customer| customer.tenant() == visitor.tenant());
        }
        let mut customer = any(customers.clone());
        for _ in 0..=world.below(3) {
            if world.happens(200) {
                customer = any(customers.clone());
            }
            let (who, visitor, customer) = (self.clone(), visitor.clone(), customer.clone());
            self.spawn(async move {
                let world = &who.town.world;
                world.sleep(world.below(10)).await;
                who.sign_in(visitor, customer).await;
            });
        }
    }

    /// Signs in, again if the outcome is unknown, and goes on with a conversation of the visitor.
    async fn sign_in(&self, visitor: Principal, customer: Principal) {
        let (world, audit) = (&self.town.world, &self.town.audit);
        let (from, to) = (visitor.owner(), customer.owner());
        for _ in 0..10 {
            let Some((process, engine)) = self.town.any_process() else {
                world.sleep(1_000).await;
                continue;
            };
            world.note(|| format!("{from} signs in as {to}"));
            let (answer, mut heard) = unbounded_channel();
            let (one, other) = (visitor.clone(), customer.clone());
            world.spawn(process, async move {
                let _hung_up = answer.send(engine.sign_in(&one, &other).await);
            });
            let became = |what: &str, right: bool| {
                if !right {
                    let now = audit.customer_of(&from);
                    world.break_off(format!("{from} as {to}: {what}, and is {now:?}"));
                }
            };
            match heard.recv().await {
                Some(Ok(())) => {
                    let is_now = audit.customer_of(&from) == Some(to.clone());
                    became("signed in", is_now);
                    lock(&self.memory).tally.sign_ins += 1;
                    return self.go_on(visitor, customer).await;
                }
                Some(Err(SignInError::Taken)) => {
                    let other = audit.customer_of(&from).is_some_and(|known| known != to);
                    return became("was taken", other);
                }
                Some(Err(SignInError::TooMany)) => {
                    return became("was one too many", audit.visitors_of(&to) >= 16);
                }
                Some(Err(SignInError::NotTogether)) => {
                    return became("of another tenant", from.tenant() != to.tenant());
                }
                Some(Err(SignInError::Store(_))) | None => {}
            }
            world.sleep(world.below(3_000)).await;
        }
    }

    /// The customer writes at once in the visitor's conversation, and the visitor still tries it later.
    async fn go_on(&self, visitor: Principal, customer: Principal) {
        let world = &self.town.world;
        let owner = visitor.owner();
        let venues = self.town.cast().venues.iter();
        let mut theirs =
            venues.filter(|venue| self.town.audit.owner_of(&venue.id).as_ref() == Some(&owner));
        let Some(venue) = theirs.next() else { return };
        let words = format!("of old {}", world.below(1 << 30));
        self.say(&venue.id, customer, &words).await;
        world.sleep(world.below(100_000)).await;
        for number in 0..2 {
            let (who, venue) = (visitor.clone(), venue.clone());
            let words = format!("{words}.{number}");
            let called = if world.happens(500) {
                venue.name
            } else {
                venue.id
            };
            self.say(&called, who, &words).await;
        }
    }
}
