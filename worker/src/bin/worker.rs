//! The pool as a Lambda function on two SQS queues and a schedule.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use baton_setup::{Services, function_settings, log};
use baton_worker::function::{Event, Function};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = function_settings().await?;
    log::start(&settings.log)?;
    let cloud = settings
        .keeping
        .cloud
        .as_ref()
        .context("the worker function works on SQS: BATON_TABLE and both queues must be set")?;
    let opened = Services::open(&settings).await?;
    let queue = opened.ports().queue;
    let engine = opened.engine();
    let function = Arc::new(Function::new(engine, queue, &cloud.turns_url));
    let handle = service_fn(|event: LambdaEvent<Event>| {
        let function = function.clone();
        async move {
            let left = event
                .context
                .deadline()
                .duration_since(SystemTime::now())
                .unwrap_or(Duration::ZERO);
            function
                .handle(event.payload, Instant::now() + left)
                .await
                .map_err(Error::from)
        }
    });
    lambda_runtime::run(handle)
        .await
        .map_err(|error| anyhow::anyhow!(error))
}
