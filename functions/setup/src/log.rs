//! The log: JSON lines, or text on a terminal. Ids of conversations are shortened in it.

mod conceal;
mod lines;
#[cfg(unix)]
mod patient;

use std::io::IsTerminal;
#[cfg(unix)]
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::lines::{Form, Lines};

/// How long a line waits for a reader of the log that is behind.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_millis(500);

/// Starts the log.
///
/// The filter has a level for everything (`warn`), levels of crates and modules (`info,hyper=warn`), or both.
///
/// # Errors
/// The filter is not valid.
pub fn start(filter: &str) -> anyhow::Result<()> {
    let targets = targets(filter)?;
    let form = if std::io::stderr().is_terminal() {
        Form::Text
    } else {
        Form::Json
    };
    let lines = Lines::new(form, writer(form));
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .init();
    Ok(())
}

/// Whether this filter is valid.
pub(crate) fn check(filter: &str) -> anyhow::Result<()> {
    targets(filter).map(drop)
}

/// Writes to the standard error.
#[cfg(unix)]
fn writer(form: Form) -> impl Fn(&str) {
    let stderr = patient::Patient::new(std::io::stderr(), PATIENCE);
    move |line| stderr.write(line, |lost| lines::lost(form, lost))
}

/// Writes to the standard error.
#[cfg(not(unix))]
fn writer(_: Form) -> impl Fn(&str) {
    use std::io::Write as _;
    // A failed write to the log must not stop the program.
    |line| drop(std::io::stderr().lock().write_all(line.as_bytes()))
}

/// Stricter than the library, which reads a misspelt level as the name of a crate.
fn targets(filter: &str) -> anyhow::Result<Targets> {
    let mut targets = Targets::new();
    for part in filter
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (target, level) = match part.split_once('=') {
            Some((target, level)) => (Some(target.trim()), level.trim()),
            None => (None, part),
        };
        // An empty filter would mean the level "error".
        let level = level
            .parse::<LevelFilter>()
            .ok()
            .filter(|_| !level.is_empty());
        let is_path = |name: &str| {
            name.chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
        };
        targets = match (target, level) {
            (None, Some(level)) => targets.with_default(level),
            (Some(target), Some(level)) if is_path(target) => targets.with_target(target, level),
            _ => anyhow::bail!(
                "BATON_LOG={filter}: {part:?} is neither a level (off, error, warn, info, debug, trace) nor one of a crate or a \
                 module, such as hyper=warn"
            ),
        };
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::targets;

    #[test]
    fn a_filter_is_levels_of_all_and_of_modules() {
        let filter = targets("info, hyper=warn,baton_chat::guard=off,").unwrap();
        assert_eq!(filter.default_level(), Some(LevelFilter::INFO));
        let mut modules: Vec<_> = filter.iter().filter(|(name, _)| !name.is_empty()).collect();
        modules.sort_unstable();
        assert_eq!(
            modules,
            [
                ("baton_chat::guard", LevelFilter::OFF),
                ("hyper", LevelFilter::WARN)
            ]
        );
    }

    #[test]
    fn an_unknown_level_is_reported() {
        for filter in [
            "inof",
            "info,hyper",
            "hyper=",
            "hyper=loud",
            "baton_worker[turn]=debug",
        ] {
            let error = targets(filter).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("BATON_LOG={filter}: ")),
                "{error}"
            );
        }
    }
}
