//! The domain's needs from the world, as traits. Each has at least two real implementations.
//! Nothing here knows SQLite, AWS, HTTP or the clock.

mod cursor;
mod env;
pub mod limits;
mod model;
mod options;
mod queue;
mod store;
mod tools;
mod traces;
mod webhooks;

pub use cursor::IndexPosition;
pub use env::{Env, Millis, jitter, millis};
pub use model::{
    CallDelta, FinishReason, Message, Model, ModelChunk, ModelError, ModelErrorKind, ModelRequest,
    ModelStream, OUTPUT_TOKENS, ToolCall, ToolDefinition, Usage,
};
pub use options::{Effort, ModelOptions, ToolChoice};
pub use queue::{Delivery, Lane, Queue, QueueError};
pub use store::{
    Change, CommitError, Cursor, Index, IndexPage, Key, Listing, Order, Page, Range, Record, Store,
    StoreError, Stored,
};
pub use tools::{CallContext, Forgotten, Outcome, Price, ToolError, ToolRequest, Tools};

pub use traces::Traces;
pub use webhooks::{
    Authentication, ClientEndpoint, Delivered, Destination, NoWebhooks, Posted, Webhooks,
};

pub use crate::team::Provider;
