//! The budgets of simulations: none, tight ones of every kind, and those that a company sets once the tight ones have hurt.

use std::sync::{Arc, LazyLock};

use baton_handoff::team::Team;

use crate::model::MODELS;
use crate::services::PROVIDERS;

/// A call reserves some 1,400 to 3,000 tokens.
const KINDS: [&str; 6] = [
    "",
    "[budget]
     conversation = { tokens = 6_000 }
     customer_day = { tokens = 7_000 }
     tenant_day = { tokens = 9_000 }
     all_day = { tokens = 11_000 }",
    "[budget]
     customer_day = { usd = 0.005 }",
    "[budget]
     tenant_day = { tokens = 10_000, usd = 0.007 }
     all_day = { usd = 0.009 }",
    "[budget]
     conversation = { tokens = 5_000, usd = 0.004 }",
    "[budget]
     tenant_day = { tokens = 600_000 }",
];

/// From the end of the storm on.
const AMPLE: &str = "[budget]
     conversation = { tokens = 1_000_000_000, usd = 1_000 }
     customer_day = { tokens = 1_000_000_000, usd = 1_000 }
     tenant_day = { tokens = 1_000_000_000, usd = 1_000 }
     all_day = { tokens = 1_000_000_000, usd = 1_000 }";

const PRICE: &str = "
[[price]]
model = \"sim\"
input = 1
output = 2
";

/// How many kinds of budgets there are, none among them.
pub(crate) const COUNT: usize = KINDS.len();

/// A team, and the one that may take over: one agent has another name, and some tools are gone.
pub(crate) struct Teams {
    pub(crate) first: Arc<Team>,
    pub(crate) later: Arc<Team>,
}

/// With one model and with several.
static TEAMS: LazyLock<Vec<[Teams; 2]>> =
    LazyLock::new(|| KINDS.iter().map(|kind| both(kind)).collect());

static AMPLE_TEAMS: LazyLock<[Teams; 2]> = LazyLock::new(|| both(AMPLE));

/// The teams with these budgets.
pub(crate) fn teams_with(budgets: usize, several_models: bool) -> &'static Teams {
    &TEAMS[budgets][usize::from(several_models)]
}

/// The teams once budgets are ample.
pub(crate) fn ample(several_models: bool) -> &'static Teams {
    &AMPLE_TEAMS[usize::from(several_models)]
}

fn both(budgets: &str) -> [Teams; 2] {
    [teams(budgets, &[]), teams(budgets, &MODELS)]
}

fn teams(budgets: &str, models: &[&str]) -> Teams {
    let read = |file: &str, text: &str| {
        let price = if budgets.is_empty() { "" } else { PRICE };
        let text = format!("{text}\n{budgets}\n{price}");
        let team = Team::parse(file, &text, PROVIDERS);
        let team = team.expect("the team of the simulation is right");
        Arc::new(team.with_models(models))
    };
    Teams {
        first: read("team.toml", include_str!("team.toml")),
        later: read("later_team.toml", include_str!("later_team.toml")),
    }
}
