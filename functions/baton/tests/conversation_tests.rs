//! `baton test` from outside: the built-in team's own conversation tests, and what they find of teams that do wrong.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

mod conversations;
