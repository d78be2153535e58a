//! Long conversations: the 200th turn beside the 20th.

use std::time::Duration;

use anyhow::Result;
use baton_rehearsal::paced;

use crate::client::{Kind, Target};
use crate::launch::{Launcher, ModelProtocol};
use crate::load::Crowd;
use crate::quantiles::{millis, percentile};
use crate::report::{Report, Table, say};
use crate::server::Server;

const EARLY: u64 = 20;
const LATE: u64 = 200;
/// Turns to each side that are measured as well: one alone is too short for the kernel's clock.
const AROUND: u64 = 5;
/// "Costs what the 20th does", as far as this can tell it from noise.
const RATIO: f64 = 1.1;
const PATIENCE: Duration = Duration::from_secs(30);

/// Conversations at the same point, one step at a time.
struct Era {
    crowd: Crowd,
    turns: u32,
    cpu: Duration,
    first_text: Vec<Duration>,
    whole: Vec<Duration>,
}

impl Era {
    /// Conversations that have come right before the turns that are measured.
    async fn reach(
        turn: u64,
        target: &Target,
        conversations: usize,
        report: &mut Report,
    ) -> Result<Self> {
        let mut crowd = Crowd::connect(target, conversations, &format!("long-{turn}")).await?;
        let outcome = crowd.talk_on(turn - AROUND - 1).await?;
        report.errors("Baton", &outcome.errors);
        Ok(Self {
            crowd,
            turns: 0,
            cpu: Duration::ZERO,
            first_text: Vec::new(),
            whole: Vec::new(),
        })
    }

    /// One turn of each conversation.
    async fn step(&mut self, server: &Server, report: &mut Report) -> Result<()> {
        let before = server.cpu()?;
        let outcome = self.crowd.talk_on(1).await?;
        self.cpu += (server.cpu()? - before).total();
        report.errors("Baton", &outcome.errors);
        for answer in outcome.answers {
            self.turns += 1;
            self.first_text.push(answer.first_text);
            self.whole.push(answer.whole);
        }
        Ok(())
    }

    fn cells(&mut self) -> [f64; 3] {
        [
            millis(self.cpu) / f64::from(self.turns),
            millis(percentile(&mut self.first_text, 50)),
            millis(percentile(&mut self.whole, 50)),
        ]
    }
}

pub(crate) async fn measure(launcher: &Launcher, quick: bool, report: &mut Report) -> Result<()> {
    let conversations = if quick { 16 } else { 128 };
    let model = launcher.model(paced::WORDS, Duration::ZERO).await?;
    let baton = launcher.baton(&model, ModelProtocol::Http1).await?;
    let target = Target {
        addr: baton.addr,
        kind: Kind::Baton,
        expected: paced::text(paced::WORDS),
        patience: PATIENCE,
    };
    say(&format!(
        "\nlong conversations: {conversations} at once, turn {LATE} beside turn {EARLY}, each ±{AROUND}"
    ));
    let mut late = Era::reach(LATE, &target, conversations, report).await?;
    let mut early = Era::reach(EARLY, &target, conversations, report).await?;
    // Step by step side by side, so that both are measured on the same machine, as busy as it is.
    for _ in 0..=2 * AROUND {
        early.step(&baton, report).await?;
        late.step(&baton, report).await?;
    }
    let (early, late) = (early.cells(), late.cells());
    let ratios: Vec<f64> = late
        .iter()
        .zip(&early)
        .map(|(late, early)| late / early)
        .collect();
    let mut table = Table::new(&["Baton", "CPU ms/turn", "first text p50 ms", "whole p50 ms"]);
    table.row(row(&format!("turn {EARLY}"), &early));
    table.row(row(&format!("turn {LATE}"), &late));
    table.row(row("ratio", &ratios));
    say(&table.to_string());
    for (what, ratio) in ["CPU", "whole answer"]
        .into_iter()
        .zip([ratios.first(), ratios.last()])
    {
        report.at_most(
            format!("{what} of turn {LATE} / turn {EARLY}"),
            ratio.copied().unwrap_or(f64::NAN),
            RATIO,
            "",
        );
    }
    Ok(())
}

fn row(name: &str, values: &[f64]) -> Vec<String> {
    std::iter::once(name.to_owned())
        .chain(values.iter().map(|value| format!("{value:.3}")))
        .collect()
}
