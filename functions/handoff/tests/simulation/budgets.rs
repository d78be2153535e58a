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

/// With one model and with several, without summaries and with them.
type Variants = [[Teams; 2]; 2];

static TEAMS: LazyLock<Vec<Variants>> =
    LazyLock::new(|| KINDS.iter().map(|kind| variants(kind)).collect());

static AMPLE_TEAMS: LazyLock<Variants> = LazyLock::new(|| variants(AMPLE));

/// A small window, and a model that sums up what leaves it. The team that takes over has none.
const SUMS_UP: &str = "[limits]\nwindow_turns = 3\nsummary_model = \"summaries\"\n";

const SUMMARIES: &str =
    "\n[[model]]\nname = \"summaries\"\nurl = \"https://model.example/v1\"\nmodel = \"small\"\n";

/// An endpoint that is told everything.
const ENDPOINT: &str = "\n[[webhook]]\nname = \"crm\"\nurl = \"https://crm.example\"\nsecret = { env = \"CRM\" }\ntexts = true\n";

/// The teams with these budgets. `sums_up`: with summaries, and an endpoint of another system.
pub(crate) fn teams_with(budgets: usize, several_models: bool, sums_up: bool) -> &'static Teams {
    &TEAMS[budgets][usize::from(several_models)][usize::from(sums_up)]
}

/// The teams once budgets are ample.
pub(crate) fn ample(several_models: bool, sums_up: bool) -> &'static Teams {
    &AMPLE_TEAMS[usize::from(several_models)][usize::from(sums_up)]
}

fn variants(budgets: &str) -> Variants {
    let models: [&[&str]; 2] = [&[], &MODELS];
    models.map(|models| [false, true].map(|sums_up| teams(budgets, models, sums_up)))
}

fn teams(budgets: &str, models: &[&str], sums_up: bool) -> Teams {
    let read = |file: &str, text: &str| {
        let price = if budgets.is_empty() { "" } else { PRICE };
        let text = format!("{text}\n{budgets}\n{price}");
        let team = Team::parse(file, &text, PROVIDERS);
        let team = team.expect("the team of the simulation is right");
        Arc::new(team.with_models(models))
    };
    let mut first = include_str!("team.toml").to_owned();
    if sums_up {
        first = first.replacen("[limits]\n", SUMS_UP, 1) + SUMMARIES + ENDPOINT;
    }
    Teams {
        first: read("team.toml", &first),
        later: read("later_team.toml", include_str!("later_team.toml")),
    }
}
