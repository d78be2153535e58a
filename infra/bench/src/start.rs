//! From spawn to ready, as the first command of the README starts it: no model configured, the rehearsal inside.

use std::time::Duration;

use anyhow::Result;

use crate::launch::Launcher;
use crate::quantiles::{median, millis};
use crate::report::{Report, Table, say};
use crate::usage::megabytes;

const STARTS: usize = 5;
const READY: Duration = Duration::from_millis(100);

/// What the starts of one kind took.
#[derive(Default)]
struct Starts {
    ready_ms: Vec<f64>,
    resident_mb: Vec<f64>,
}

pub(crate) async fn measure(launcher: &Launcher, report: &mut Report) -> Result<()> {
    let existing = launcher.file("db");
    // Makes the file, and brings the binary into memory.
    drop(launcher.baton_alone(&existing).await?);
    let (mut fresh, mut again) = (Starts::default(), Starts::default());
    for _ in 0..STARTS {
        fresh.add(launcher, &launcher.file("db")).await?;
        again.add(launcher, &existing).await?;
    }
    say(&format!("\nstart to ready, {STARTS} starts each"));
    let mut table = Table::new(&["data file", "median ms", "RSS MB"]);
    for (what, mut starts) in [("new", fresh), ("existing", again)] {
        let ready_ms = median(&mut starts.ready_ms);
        let resident_mb = median(&mut starts.resident_mb);
        table.row(vec![
            what.to_owned(),
            format!("{ready_ms:.1}"),
            format!("{resident_mb:.1}"),
        ]);
        report.at_most(
            format!("start to ready, {what} data file"),
            ready_ms,
            millis(READY),
            " ms",
        );
    }
    say(&table.to_string());
    Ok(())
}

impl Starts {
    async fn add(&mut self, launcher: &Launcher, data: &std::path::Path) -> Result<()> {
        let server = launcher.baton_alone(data).await?;
        self.ready_ms.push(millis(server.ready_after));
        self.resident_mb.push(megabytes(server.memory()?.now_bytes));
        Ok(())
    }
}
