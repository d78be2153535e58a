//! Who asks: the credentials of a request.

pub mod jwt;
