//! Sends traces to where operators look at them, in OpenTelemetry's protocol over HTTP
//! ([OTLP 1.x](https://opentelemetry.io/docs/specs/otlp/#otlphttp)), in JSON or protobuf.
//! Knows the protocol; never where spans come from, or when they are sent again.

mod encode;
mod send;

pub use send::{Encoding, Otlp, OtlpError, OtlpSettings, Signer};
