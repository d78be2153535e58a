//! `baton test`: holds conversations with a team as files say, and compares what came of them with what the files expect.
//!
//! ```text
//! file ─▶ suite ─▶ stage      one run: an engine on records of its own, with the team's models
//!  │        │        ├─▶ tools      back office, stubs, and real services on request only
//!  │        │        └─▶ persona    a simulated customer
//!  │        ├─▶ verdict, judge      what was expected, and what the journal shows
//!  │        └─▶ rates               pass^k
//!  └─ check, entries, mistake; pattern, mention, words; report, junit, html, markup
//! ```

mod check;
mod entries;
mod evidence;
mod file;
mod html;
mod judge;
mod junit;
mod markup;
mod matching;
mod mention;
mod mistake;
mod model;
mod ordering;
mod pattern;
mod persona;
mod rates;
mod report;
mod stage;
mod suite;
mod tools;
mod verdict;
mod words;

use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use baton_setup::settings::Settings;
use baton_setup::{Actors, Sandbox};

use self::file::Case;
use self::report::Plan;
use self::suite::{Suite, Tested};
use self::tools::{Live, is_office};

/// The end of the name of a file of conversation tests.
const ENDING: &str = ".conversation.toml";

/// The most files of one test.
const MOST_FILES: usize = 1_000;

/// The most runs of a case.
const MOST_RUNS: u32 = 10_000;

/// The most runs side by side.
const MOST_JOBS: usize = 64;

/// A file that cannot be read, a name that is wrong, flags that do not go together.
const BAD_INPUT: u8 = 2;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A team file, files of conversation tests (*.conversation.toml), and folders with such files [default: BATON_TEAM or the
    /// built-in ACME team, and the files beside the team file, or in this folder where there is none]
    paths: Vec<PathBuf>,
    /// How often each conversation is held [default: --k]
    #[arg(long)]
    runs: Option<NonZeroU32>,
    /// The k of pass^k, the probability that k runs all pass
    #[arg(long, default_value = "1")]
    k: NonZeroU32,
    /// How many conversations are held side by side
    #[arg(long, default_value = "4")]
    jobs: usize,
    /// The least pass^k of each case, above 0 and at most 1
    #[arg(long, default_value = "1")]
    threshold: f64,
    /// Only cases whose name or file contains this
    #[arg(long)]
    filter: Option<String>,
    /// No cases whose name or file contains this
    #[arg(long, value_name = "TEXT")]
    skip: Option<String>,
    /// Writes a report in JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Writes a report in HTML, one file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Lets the rehearsal model play every model: scripted answers, no key, no network
    #[arg(long)]
    rehearsal: bool,
    /// Scenes that the rehearsal model plays before its own; with --rehearsal
    #[arg(long, value_name = "FILE", requires = "rehearsal")]
    scenes: Option<PathBuf>,
    /// Lets lookups without a stub reach their real services
    #[arg(long)]
    live_lookups: bool,
    /// Lets ACTIONS without a stub reach their real services, once for every run: with money, mail and all
    #[arg(long)]
    live_actions: bool,
    /// How long one turn may take, in seconds
    #[arg(long, default_value = "180")]
    turn_seconds: NonZeroU32,
}

/// Exits with 0: every case is at the threshold, 1: one is below, 2: bad input.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let prepared = Box::pin(prepare(options)).await.and_then(|suite| {
            let reports = (
                Report::create(options.junit.as_ref())?,
                Report::create(options.html.as_ref())?,
            );
            Ok((suite, reports))
        });
        let (suite, (junit, html)) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                eprintln!("baton: {error:#}");
                return Ok(ExitCode::from(BAD_INPUT));
            }
        };
        suite.plan.announce(&suite.sandbox);
        let results = suite.run().await;
        suite.sandbox.close();
        let is_good = report::tell(&suite.plan, &results);
        let junit = junit.map(|file| file.write(&junit::document(&suite.plan, &results)));
        let html = html.map(|file| file.write(&html::document(&suite.plan, &results)));
        junit.transpose()?;
        html.transpose()?;
        Ok(if is_good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

/// A file for a report, which is there before the first conversation: nothing is paid for a report that nobody can read.
struct Report<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Report<'a> {
    fn create(path: Option<&'a PathBuf>) -> anyhow::Result<Option<Self>> {
        let Some(path) = path else { return Ok(None) };
        let file = File::create(path);
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Some(Self { path, file }))
    }

    fn write(mut self, text: &str) -> anyhow::Result<()> {
        let written = self.file.write_all(text.as_bytes());
        written.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

/// Reads everything, and calls nothing.
async fn prepare(options: &Options) -> anyhow::Result<Suite> {
    let k = options.k.get();
    let runs = options.runs.map_or(k, NonZeroU32::get);
    ensure!(
        runs <= MOST_RUNS,
        "--runs is {runs}, and {MOST_RUNS} is the most"
    );
    ensure!(
        k <= runs,
        "--k is {k}, and pass^k needs as many runs: --runs {k}"
    );
    let jobs = options.jobs;
    ensure!(
        (1..=MOST_JOBS).contains(&jobs),
        "--jobs must be from 1 to {MOST_JOBS}"
    );
    let threshold = options.threshold;
    ensure!(
        threshold > 0.0 && threshold <= 1.0,
        "--threshold must be above 0, and 1 at most: at 0 nothing can fail"
    );
    let paths = Paths::sort(&options.paths)?;
    let mut values = crate::values()?;
    if let Some(team) = &paths.team {
        values.set("BATON_TEAM", team.display().to_string());
    }
    let settings = Settings::read(&values)?;
    // Unasked the log would drown the report.
    if values.get("BATON_LOG").is_some() {
        baton_setup::log::start(&settings.log)?;
    }
    let files = paths.files(settings.team.as_deref())?;
    let sandbox = Sandbox::open(settings, actors(options)?).await?;
    let mut cases = Vec::new();
    for path in files {
        let case = file::read(&path, &sandbox.team)?;
        let name = path.display().to_string();
        let filter = options.filter.as_deref().unwrap_or_default();
        let is_named = |text: &str| case.name.contains(text) || name.contains(text);
        if is_named(filter) && !options.skip.as_deref().is_some_and(is_named) {
            cases.push((name, Arc::new(case)));
        }
    }
    ensure!(!cases.is_empty(), "--filter and --skip leave no case");
    let live = Live {
        lookups: options.live_lookups,
        actions: options.live_actions,
    };
    let mut plan = plan(&sandbox, &cases, live, (runs, k, jobs, threshold));
    let patience = Duration::from_secs(options.turn_seconds.get().into());
    let meter = Arc::default();
    let tested = cases
        .into_iter()
        .map(|(file, case)| Tested::new(file, case, &sandbox, &meter).map(Arc::new));
    let tested = tested.collect::<anyhow::Result<Vec<_>>>()?;
    for (what, name, calls) in tested.iter().flat_map(|tested| tested.others()) {
        *plan.others.entry((what, name)).or_default() += calls.saturating_mul(runs.into());
    }
    Ok(Suite {
        sandbox: Arc::new(sandbox),
        tested,
        plan,
        live,
        patience,
        meter,
    })
}

fn actors(options: &Options) -> anyhow::Result<Actors> {
    if !options.rehearsal {
        return Ok(Actors::OfSettings);
    }
    let scenes = options.scenes.as_ref().map(|file| {
        let text = std::fs::read_to_string(file);
        text.with_context(|| format!("{} cannot be read", file.display()))
    });
    Ok(Actors::Rehearsal {
        scenes: scenes.transpose()?,
    })
}

fn plan(
    sandbox: &Sandbox,
    cases: &[(String, Arc<Case>)],
    live: Live,
    (runs, k, jobs, threshold): (u32, u32, usize, f64),
) -> Plan {
    let mut plan = Plan {
        team: sandbox.team.name.clone(),
        cases: cases.len(),
        runs,
        k,
        jobs,
        threshold,
        ..Plan::default()
    };
    for tool in sandbox.team.tools() {
        let is_stub = |case: &Case| {
            case.stubs
                .iter()
                .any(|stub| *stub.tool.get_ref() == tool.name)
        };
        let place = if is_office(tool) {
            &mut plan.office
        } else if live.allows(tool) {
            &mut plan.real
        } else if cases.iter().any(|(_, case)| is_stub(case)) {
            &mut plan.stubbed
        } else {
            &mut plan.unanswered
        };
        place.push(tool.name.clone());
    }
    plan
}

/// What the command's arguments name.
struct Paths {
    team: Option<PathBuf>,
    tests: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Paths {
    fn sort(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut sorted = Self {
            team: None,
            tests: Vec::new(),
            folders: Vec::new(),
        };
        for path in paths {
            if is_test(path) {
                sorted.tests.push(path.clone());
            } else if path.is_dir() {
                sorted.folders.push(path.clone());
            } else if let Some(before) = sorted.team.replace(path.clone()) {
                let (one, other) = (before.display(), path.display());
                bail!(
                    "{one} and {other} are both taken for team files; files of tests end in {ENDING}"
                );
            }
        }
        Ok(sorted)
    }

    /// The files of tests, in the order of their names where a folder has them.
    fn files(self, team: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
        let Self {
            mut tests, folders, ..
        } = self;
        let mut folders = folders;
        if tests.is_empty() && folders.is_empty() {
            let beside = team.and_then(Path::parent).unwrap_or(Path::new(""));
            let beside = if beside.as_os_str().is_empty() {
                Path::new(".")
            } else {
                beside
            };
            folders.push(beside.to_owned());
        }
        for folder in &folders {
            let name = folder.display();
            let entries =
                std::fs::read_dir(folder).with_context(|| format!("{name} cannot be read"))?;
            let mut found = Vec::new();
            for entry in entries {
                let path = entry?.path();
                found.extend(is_test(&path).then_some(path));
            }
            ensure!(
                !found.is_empty(),
                "{name} has no file that ends in {ENDING}"
            );
            found.sort();
            tests.extend(found);
        }
        let count = tests.len();
        ensure!(
            count <= MOST_FILES,
            "there are {count} files, and {MOST_FILES} is the most"
        );
        Ok(tests)
    }
}

fn is_test(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(ENDING)
}
