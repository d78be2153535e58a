//! A table of DynamoDB and queues of SQS.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use baton_aws::{DynamoStore, QueueUrls, SdkConfig, SqsQueue};
use baton_handoff::ports::Env;
use futures_util::FutureExt as _;

use super::{Opening, Records};
use crate::settings::{Cloud, Settings};

/// A sweep is a few reads of a table, which cost money.
const SWEEP: Duration = Duration::from_mins(1);

#[expect(clippy::unnecessary_wraps, reason = "the shape of an opener")]
pub(super) fn open(settings: &Settings, env: &Arc<dyn Env>) -> anyhow::Result<Option<Opening>> {
    let Some(cloud) = settings.keeping.cloud.clone() else {
        return Ok(None);
    };
    let env = env.clone();
    // The clients read certificates and build tables, which keeps a processor busy.
    let opening = tokio::task::spawn_blocking(move || open_now(cloud, env));
    let opened = async { opening.await.context("opening the table panicked")? };
    Ok(Some(opened.boxed()))
}

fn config(cloud: &Cloud) -> anyhow::Result<Arc<SdkConfig>> {
    let config = baton_aws::config()?;
    anyhow::ensure!(
        config.region().is_some(),
        "BATON_TABLE={} is set, and AWS_REGION is not",
        cloud.table
    );
    Ok(config)
}

/// The table alone, for work on the table itself.
pub(crate) fn table(cloud: &Cloud, env: Arc<dyn Env>) -> anyhow::Result<DynamoStore> {
    let config = config(cloud)?;
    Ok(DynamoStore::new(&config, cloud.table.as_str(), env))
}

fn open_now(cloud: Cloud, env: Arc<dyn Env>) -> anyhow::Result<Records> {
    let config = config(&cloud)?;
    let urls = QueueUrls {
        actions: cloud.actions_url,
        turns: cloud.turns_url,
    };
    Ok(Records {
        store: Arc::new(DynamoStore::new(&config, cloud.table, env.clone())),
        queue: Arc::new(SqsQueue::new(&config, urls)),
        env,
        file: None,
        longest_answer: DynamoStore::LONGEST_ANSWER,
        sweep_every: SWEEP,
        workers_elsewhere: true,
    })
}

pub(crate) async fn read_secrets(ids: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let config = baton_aws::config()?;
    Ok(baton_aws::read_secrets(&config, ids).await?)
}

pub(crate) async fn use_default_chain(settings: &Settings) -> anyhow::Result<()> {
    if settings.keeping.cloud.is_some() {
        baton_aws::use_default_chain().await?;
    }
    Ok(())
}
