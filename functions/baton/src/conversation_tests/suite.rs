//! All runs of all cases, so many side by side.
//! Knows how runs are begun and gathered; never how one goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_handoff::ports::Usage;
use baton_setup::Sandbox;
use futures_util::{StreamExt, stream};

use super::file::Case;
use super::judge::Judge;
use super::model::Meter;
use super::persona::Persona;
use super::rates::Rates;
use super::report::{self, Plan};
use super::stage;
use super::tools::Live;
use super::verdict;

/// How far a product of quotients may be off the exact value that a threshold names.
const ROUNDING: f64 = 1e-9;

/// The most conversations of failed runs that are kept of a case, in memory and in reports.
const MOST_TRANSCRIPTS: usize = 20;

/// A case with the models that it needs beside the team's.
pub(super) struct Tested {
    file: String,
    case: Arc<Case>,
    judge: Option<Judge>,
    persona: Option<Persona>,
}

impl Tested {
    pub(super) fn new(
        file: String,
        case: Arc<Case>,
        sandbox: &Sandbox,
        meter: &Arc<Meter>,
    ) -> anyhow::Result<Self> {
        let judge = if Judge::is_needed(&case) {
            let name = case
                .judge
                .model
                .as_ref()
                .map(|name| name.get_ref().as_str());
            must_be_real(
                sandbox,
                name,
                &file,
                "a rubric needs a language model as its judge",
            )?;
            let model = sandbox.client(name, true)?;
            Some(Judge::new(
                model,
                *case.judge.votes.get_ref(),
                meter.clone(),
            )?)
        } else {
            None
        };
        let persona = match &case.simulated {
            Some(simulated) => {
                let of = simulated.get_ref();
                let name = of.model.as_ref().map(|name| name.get_ref().as_str());
                must_be_real(
                    sandbox,
                    name,
                    &file,
                    "a simulated customer needs a language model",
                )?;
                Some(Persona::new(
                    sandbox.client(name, false)?,
                    of,
                    meter.clone(),
                ))
            }
            None => None,
        };
        Ok(Self {
            file,
            case,
            judge,
            persona,
        })
    }
}

/// The rehearsal model would say yes to every rubric, and speaks as an agent.
fn must_be_real(
    sandbox: &Sandbox,
    name: Option<&str>,
    file: &str,
    what: &str,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        !sandbox.is_rehearsal(name),
        "{file}: {what}, and the rehearsal model is none; set BATON_MODEL_URL, or leave the file out by --skip"
    );
    Ok(())
}

/// Everything that is to be run.
pub(super) struct Suite {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) tested: Vec<Arc<Tested>>,
    pub(super) plan: Plan,
    pub(super) live: Live,
    /// For one turn.
    pub(super) patience: Duration,
    pub(super) meter: Arc<Meter>,
}

/// What came of one run.
#[derive(Debug, Default)]
pub(super) struct RunResult {
    /// Differences from what was expected; none of a run that passed.
    pub(super) differences: Vec<String>,
    /// Why the run could not be carried out.
    pub(super) trouble: Option<String>,
    /// The conversation, where somebody may want to read it.
    pub(super) transcript: Vec<String>,
    pub(super) usage: Usage,
    pub(super) seconds: f64,
}

impl RunResult {
    pub(super) fn has_passed(&self) -> bool {
        self.trouble.is_none() && self.differences.is_empty()
    }

    /// The first reason of a run that did not pass.
    pub(super) fn reason(&self) -> Option<&str> {
        self.trouble
            .as_deref()
            .or(self.differences.first().map(String::as_str))
    }
}

/// What came of a case.
#[derive(Debug)]
pub(super) struct CaseResult {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) runs: Vec<RunResult>,
}

impl CaseResult {
    pub(super) fn rates(&self) -> Rates {
        let passed = self.runs.iter().filter(|run| run.has_passed()).count();
        let count = |runs| u32::try_from(runs).unwrap_or(u32::MAX);
        Rates {
            passed: count(passed),
            runs: count(self.runs.len()),
        }
    }

    /// Whether its pass^k is at the threshold.
    pub(super) fn is_good(&self, plan: &Plan) -> bool {
        let all = self.rates().pass_all(plan.k);
        all.is_some_and(|all| all >= plan.threshold - ROUNDING)
    }
}

/// What came of all.
pub(super) struct Results {
    pub(super) cases: Vec<CaseResult>,
    /// What judges and simulated customers took.
    pub(super) others: Vec<OtherModel>,
}

/// What a model took that is no agent's.
pub(super) struct OtherModel {
    pub(super) name: String,
    pub(super) calls: u64,
    pub(super) usage: Usage,
    /// In units of 10^-12 US dollars; none where the price is not known.
    pub(super) cost: Option<u64>,
}

impl Suite {
    /// Runs each case as often as the plan says.
    pub(super) async fn run(&self) -> Results {
        let empty = |tested: &Arc<Tested>| CaseResult {
            name: tested.case.name.clone(),
            file: tested.file.clone(),
            runs: Vec::new(),
        };
        let mut cases: Vec<CaseResult> = self.tested.iter().map(empty).collect();
        let all = self.tested.iter().enumerate();
        let all = all.flat_map(|(number, tested)| {
            (0..self.plan.runs).map(move |_| (number, tested.clone()))
        });
        let begun = stream::iter(all).map(|(number, tested)| {
            let sandbox = self.sandbox.clone();
            let (live, patience) = (self.live, self.patience);
            // A task of its own: a panic in one run is its own.
            let run = tokio::spawn(async move { tested.once(&sandbox, live, patience).await });
            async move { (number, run.await) }
        });
        let mut ended = begun.buffer_unordered(self.plan.jobs);
        while let Some((number, run)) = ended.next().await {
            let mut run = run.unwrap_or_else(|error| RunResult {
                trouble: Some(format!("the run broke off: {error}")),
                ..RunResult::default()
            });
            if let Some(case) = cases.get_mut(number) {
                let is_alike = |before: &&RunResult| {
                    before.has_passed() == run.has_passed() && !before.transcript.is_empty()
                };
                let alike = case.runs.iter().filter(is_alike).count();
                // Of runs that passed one is enough to read.
                let most = if run.has_passed() {
                    1
                } else {
                    MOST_TRANSCRIPTS
                };
                if alike >= most {
                    run.transcript.clear();
                }
                case.runs.push(run);
                if case.runs.len() == self.plan.runs as usize {
                    report::ended(case);
                }
            }
        }
        Results {
            cases,
            others: self.others(),
        }
    }

    fn others(&self) -> Vec<OtherModel> {
        let now = self.sandbox.now();
        let models = self.meter.read().into_iter();
        let models = models.map(|(name, (calls, usage))| OtherModel {
            cost: self
                .sandbox
                .team
                .price(&name, now)
                .map(|price| price.of(usage)),
            name,
            calls,
            usage,
        });
        models.collect()
    }
}

impl Tested {
    /// The judge and the simulated customer, each with its model and the most calls of a run.
    pub(super) fn others(&self) -> Vec<(&'static str, String, u64)> {
        let judge = self.judge.iter();
        let judge = judge.map(|it| ("judge", it.model().to_owned(), it.calls(&self.case)));
        let persona = self.persona.iter().map(|it| {
            let calls = u64::try_from(it.most_messages()).unwrap_or(u64::MAX);
            ("simulated customer", it.model().to_owned(), calls)
        });
        judge.chain(persona).collect()
    }

    async fn once(&self, sandbox: &Sandbox, live: Live, patience: Duration) -> RunResult {
        let began = Instant::now();
        let played = stage::play(sandbox, &self.case, live, patience, self.persona.as_ref());
        let (evidence, trouble) = played.await;
        let mut result = RunResult::default();
        if let Some(error) = trouble {
            result.trouble = Some(format!("the run could not be carried out: {error:#}"));
            result.differences = verdict::of_broken_off(&self.case, &evidence);
        } else {
            result.differences = verdict::differences(&self.case, &evidence, &sandbox.team);
            if let Some(judge) = &self.judge {
                let (differences, notes) = judge.judged(&self.case, &evidence).await;
                result.differences.extend(differences);
                result.transcript = notes;
            }
        }
        result.transcript.extend(evidence.lines(None));
        let effects = evidence.effects.iter().map(ToString::to_string);
        result.transcript.extend(effects);
        result.usage = evidence.usage();
        result.seconds = began.elapsed().as_secs_f64();
        result
    }
}
