//! Events as streams of bytes. A format is one file with an [`Encoder`], and one line in the table of `formats`.

pub(crate) mod budget;
pub(crate) mod conversation;
mod encoder;
pub(crate) mod formats;
pub(crate) mod late;
pub(crate) mod listener;
pub(crate) mod ndjson;
pub(crate) mod sse;
pub(crate) mod whole;

pub use encoder::{Encoder, Format};
pub use formats::choose;
pub use listener::turn;
