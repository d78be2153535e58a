//! The pool that executes Baton's queued work.
