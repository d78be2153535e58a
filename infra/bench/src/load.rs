//! Many customers at once, each saying one thing after another.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::client::{Client, Target, Timing};

/// Customers end conversations: the length of one is a matter of its own, see [`crate::long`].
const TURNS_PER_CONVERSATION: u64 = 10;
/// As long as a customer's sentence is.
const MESSAGE: &str = "My roadrunner is still too fast for me. What else do you have?";

/// Connected customers.
pub(crate) struct Crowd {
    customers: Vec<Customer>,
}

struct Customer {
    client: Client,
    name: String,
    said: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answers: Vec<Timing>,
    pub(crate) elapsed: Duration,
    /// One sentence each.
    pub(crate) errors: Vec<String>,
}

impl Crowd {
    /// `name` makes their conversations new ones.
    pub(crate) async fn connect(target: &Target, size: usize, name: &str) -> Result<Self> {
        let mut customers = Vec::with_capacity(size);
        for number in 0..size {
            customers.push(Customer {
                client: Client::connect(target.clone()).await?,
                name: format!("{name}-{number}"),
                said: 0,
            });
        }
        Ok(Self { customers })
    }

    /// All talk until the time is over, then finish what they have begun. One that met an error talks no more.
    pub(crate) async fn talk_for(&mut self, lasting: Duration) -> Result<Outcome> {
        let began_at = Instant::now();
        self.talk(
            move |_| began_at.elapsed() < lasting,
            |customer| customer.said / TURNS_PER_CONVERSATION,
        )
        .await
    }

    /// All say this many things, in one conversation each.
    pub(crate) async fn talk_on(&mut self, turns: u64) -> Result<Outcome> {
        self.talk(move |said| said < turns, |_| 0).await
    }

    async fn talk(
        &mut self,
        goes_on: impl Fn(u64) -> bool + Copy + Send + 'static,
        topic: fn(&Customer) -> u64,
    ) -> Result<Outcome> {
        ensure!(!self.customers.is_empty(), "all customers met errors");
        let began_at = Instant::now();
        let mut talking = JoinSet::new();
        for customer in self.customers.drain(..) {
            talking.spawn(customer.talk(goes_on, topic));
        }
        let mut outcome = Outcome::default();
        while let Some(ended) = talking.join_next().await {
            let (customer, answers, error) = ended.context("a customer panicked")?;
            outcome.answers.extend(answers);
            match error {
                None => self.customers.push(customer),
                Some(error) => outcome.errors.push(error),
            }
        }
        outcome.elapsed = began_at.elapsed();
        Ok(outcome)
    }
}

impl Customer {
    async fn talk(
        mut self,
        goes_on: impl Fn(u64) -> bool,
        topic: fn(&Self) -> u64,
    ) -> (Self, Vec<Timing>, Option<String>) {
        let mut answers = Vec::new();
        let mut said_now = 0;
        while goes_on(said_now) {
            let conversation = format!("{}-{}", self.name, topic(&self));
            match self.client.say(&conversation, MESSAGE, || ()).await {
                Ok(timing) => answers.push(timing),
                Err(error) => return (self, answers, Some(format!("{error:#}"))),
            }
            self.said += 1;
            said_now += 1;
        }
        (self, answers, None)
    }
}
