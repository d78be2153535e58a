//! Baton's HTTP interface: one router, served locally and as a function.
