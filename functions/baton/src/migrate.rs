//! `baton migrate`: the records of an earlier release in the lists of this one.

use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use baton_setup::settings::{Cloud, Settings};
use baton_stores::env::SystemEnv;
use baton_stores::sqlite::SqliteStore;

pub(crate) fn run(
    settings: &Settings,
    rate: NonZeroU32,
    from: Option<&str>,
) -> anyhow::Result<ExitCode> {
    match &settings.keeping.cloud {
        Some(cloud) => table(settings, cloud, rate, from),
        None => file(&settings.keeping.data),
    }
}

/// Opening a file migrates it, so that a program never works on a file of before.
fn file(data: &Path) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(data.exists(), "there is no file {}", data.display());
    drop(SqliteStore::open(data, Arc::new(SystemEnv))?);
    eprintln!(
        "{} is up to date. Each program that opens a file brings it up to date; this command is for tables",
        data.display()
    );
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "aws"))]
fn table(_: &Settings, cloud: &Cloud, _: NonZeroU32, _: Option<&str>) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "the records are in the table {}, and this program was built without the feature `aws`",
        cloud.table
    )
}

#[cfg(feature = "aws")]
fn table(
    settings: &Settings,
    cloud: &Cloud,
    rate: NonZeroU32,
    from: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        baton_setup::use_default_chain(settings).await?;
        let migration = baton_setup::ListMigration::new(cloud, rate, from)?;
        all_pages(migration, &cloud.table).await
    })
}

/// Says where it is every now and then, so that it may be interrupted.
#[cfg(feature = "aws")]
async fn all_pages(
    mut migration: baton_setup::ListMigration,
    table: &str,
) -> anyhow::Result<ExitCode> {
    use anyhow::Context as _;
    use tokio::time::{Duration, Instant};

    const EVERY: Duration = Duration::from_secs(5);

    let mut said = Instant::now();
    loop {
        let goes_on = migration.page().await.with_context(|| {
            migration.position().map_or_else(
                || "interrupted on the first page; begin again".to_owned(),
                |position| format!("interrupted; go on with --from {position}"),
            )
        })?;
        for error in migration.unreadable() {
            eprintln!("not readable: {error}");
        }
        if !goes_on {
            break;
        }
        if said.elapsed() >= EVERY {
            said = Instant::now();
            let position = migration.position().unwrap_or_default();
            eprintln!(
                "{}; to go on from here: --from {position}",
                line(migration.counts())
            );
        }
    }
    let counts = migration.counts();
    eprintln!("{table}: {}", line(counts));
    if counts.busy > 0 {
        eprintln!(
            "{} records were written each time they were to be moved; run the command again",
            counts.busy
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "aws")]
fn line(counts: baton_setup::Counts) -> String {
    format!(
        "{} records looked at, {} moved, {} unreadable",
        counts.looked_at, counts.moved, counts.unreadable
    )
}
