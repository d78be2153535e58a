//! The real binary: what it says when it cannot start, signals, and kills at any moment.

mod frozen;
mod kills;
mod local;
mod logs;
mod pages;
mod shown;
mod signals;
mod starts;
mod tools;
mod unread;
