//! The parts that are on AWS.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_aws::{DynamoStore, QueueUrls, SqsQueue};
use baton_backends::env::SystemEnv;
use baton_handoff::ports::Env;

use super::Records;
use crate::settings::{Cloud, Settings};

pub(super) fn open(cloud: &Cloud, env: &Arc<dyn Env>) -> anyhow::Result<Records> {
    let config = baton_aws::config()?;
    anyhow::ensure!(
        config.region().is_some(),
        "BATON_TABLE={} is set, and AWS_REGION is not",
        cloud.table
    );
    let urls = QueueUrls {
        actions: cloud.actions_url.clone(),
        turns: cloud.turns_url.clone(),
    };
    Ok(Records {
        store: Arc::new(DynamoStore::new(&config, cloud.table.as_str(), env.clone())),
        queue: Arc::new(SqsQueue::new(&config, urls)),
        file: None,
        env: env.clone(),
        longest_answer: DynamoStore::LONGEST_ANSWER,
    })
}

pub(super) async fn read_secrets(ids: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let config = baton_aws::config()?;
    Ok(baton_aws::read_secrets(&config, &SystemEnv, ids).await?)
}

pub(super) async fn use_default_chain(settings: &Settings) -> anyhow::Result<()> {
    // Nothing asks a network without need.
    if settings.cloud.is_some() {
        baton_aws::use_default_chain().await?;
    }
    Ok(())
}
