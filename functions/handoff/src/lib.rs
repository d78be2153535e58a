//! The domain of Baton: team, turn loop, journal, actions and their ports.

pub mod team;
