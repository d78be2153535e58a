//! Tokens, good and bad, that ring signs; and an issuer on a real socket that can fail, hang and change its keys.

mod attacks;
mod claims;
mod forms;
mod key_sets;
mod mint;
mod refresh;
mod support;
mod world;
