//! In place of the parts that are on AWS, in programs without the feature `aws`.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_handoff::ports::Env;

use super::Records;
use crate::settings::{Cloud, Settings};

pub(super) fn open(cloud: &Cloud, _: &Arc<dyn Env>) -> anyhow::Result<Records> {
    anyhow::bail!(
        "BATON_TABLE={} is set, and this program was built without the feature `aws`",
        cloud.table
    )
}

#[expect(clippy::unused_async, reason = "the other one waits for AWS")]
pub(super) async fn read_secrets(ids: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    anyhow::ensure!(
        ids.is_empty(),
        "the secrets {} are to be read, and this program was built without the feature `aws`",
        ids.join(",")
    );
    Ok(BTreeMap::new())
}

#[expect(clippy::unused_async, reason = "the other one waits for AWS")]
pub(super) async fn use_default_chain(_: &Settings) -> anyhow::Result<()> {
    Ok(())
}
