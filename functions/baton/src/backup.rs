//! `baton backup`.

use std::path::Path;
use std::process::ExitCode;

use baton_stores::sqlite::copy;

pub(crate) fn run(data: &Path, to: &Path) -> anyhow::Result<ExitCode> {
    copy::back_up(data, to)?;
    let bytes = std::fs::metadata(to)?.len();
    eprintln!(
        "{} is a verified copy of {}, {} KB",
        to.display(),
        data.display(),
        bytes.div_ceil(1024)
    );
    Ok(ExitCode::SUCCESS)
}
