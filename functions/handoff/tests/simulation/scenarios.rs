//! What seeds of chance have shown once, played from a script: these fail for the same reason whatever else is drawn.

mod ambiguous;
mod decisions;
mod late;
mod owners;
mod prices;
mod repeats;
mod sign_in;
mod stage;
mod unreadable;
mod usable;
