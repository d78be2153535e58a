//! Baton's store and queue on AWS, behind the ports of `baton-handoff`.
//!
//! ```text
//! DynamoStore ─▶ item (records as attributes) ─▶ conditions
//!      ├─▶ commit (one write, or one transaction) ─▶ failure (the meaning of an answer) ─▶ patience (attempts, pauses)
//!      ├─▶ search (the indexes, over shards) ─▶ cursor
//!      ├─▶ scan (all items, for an operator's work on the table)
//!      └─▶ table (its definition, for tests and development; the deployed one is in infra/template.yaml)
//! SqsQueue
//! read_secrets (Secrets Manager, once at the start)
//! connect (region, credentials, endpoints) ─▶ https (sends the SDK's requests)
//! ```
//!
//! No rule about conversations lives here, and nothing here reads Baton's settings. Endpoints, region and credentials come
//! from the SDK's standard variables, read by [`config`].

mod connect;
mod dynamo;
mod failure;
mod https;
mod patience;
mod secrets;
mod sqs;

pub use aws_config::SdkConfig;
pub use connect::{config, local_config, use_default_chain};
pub use dynamo::{DynamoStore, Scanned};
pub use https::{Https, HttpsError};
pub use secrets::{SecretError, read_secrets};
pub use sqs::{QueueUrls, SqsQueue};
