use super::{PROVIDERS, SHOP, Team, error_of};
use crate::ports::Usage;
use crate::record::Limit;

fn with(tables: &str) -> String {
    format!("{SHOP}\n{tables}")
}

fn read(tables: &str) -> Team {
    Team::parse("team.toml", &with(tables), PROVIDERS).unwrap()
}

#[track_caller]
fn assert_mistake(tables: &str, sentence: &str) {
    let error = error_of(&with(tables));
    let (_, found) = error.split_once(": ").unwrap();
    assert_eq!(found, sentence);
}

/// 14 November 2023, 22:13 UTC.
const NOW: u64 = 1_700_000_000_000;

#[test]
fn budgets_are_read_and_absent_ones_are_none() {
    let off = read("");
    assert!(off.budgets.are_off());
    let team =
        read("[budget]\nconversation = { tokens = 200_000, usd = 1.5 }\nall_day = { usd = 500 }");
    let limit = |tokens, cost| Some(Limit { tokens, cost });
    assert_eq!(
        team.budgets.conversation,
        limit(Some(200_000), Some(1_500_000_000_000))
    );
    assert_eq!(team.budgets.all_day, limit(None, Some(500_000_000_000_000)));
    assert_eq!(team.budgets.customer_day, None);
    assert!(team.budgets.count_money());
}

#[test]
fn the_price_of_a_day_is_the_last_that_has_begun() {
    let team = read(
        "[[price]]\nmodel = \"m\"\ninput = 1\noutput = 2\n\
         [[price]]\nmodel = \"m\"\nfrom = 2023-11-14\ninput = 3\noutput = 4\n\
         [[price]]\nmodel = \"m\"\nfrom = 2023-11-15\ninput = 5\noutput = 6\n",
    );
    let input = |now| team.price("m", now).map(|price| price.input);
    assert_eq!(input(NOW), Some(3_000_000));
    assert_eq!(input(NOW - 86_400_000), Some(1_000_000));
    assert_eq!(input(NOW + 86_400_000), Some(5_000_000));
    assert_eq!(team.price("n", NOW), None);
}

#[test]
fn a_cost_is_exact_in_millionths_of_a_millionth() {
    let team = read(
        "[[price]]\nmodel = \"m\"\ninput = 2.5\ncached = 0.075\ncache_write = 3.125\noutput = 10\n",
    );
    let usage = Usage {
        prompt_tokens: 1_000,
        completion_tokens: 10,
        cached_tokens: 600,
        cache_write_tokens: 300,
    };
    let cost = 100 * 2_500_000 + 600 * 75_000 + 300 * 3_125_000 + 10 * 10_000_000;
    let price = team.price("m", NOW).unwrap();
    assert_eq!(price.of(usage), cost);
    assert!(price.most(1_000, 10) >= cost);
    // A service that counts more cached tokens than there were is believed as far as there were any.
    let odd = Usage {
        prompt_tokens: 5,
        cached_tokens: 9,
        cache_write_tokens: 9,
        ..Usage::default()
    };
    assert_eq!(price.of(odd), 5 * 75_000);
}

#[test]
fn mistakes_in_prices_and_budgets_are_told() {
    assert_mistake(
        "[budget]\nconversation = {}",
        "a budget must limit tokens, usd or both.",
    );
    assert_mistake(
        "[budget]\nconversation = { tokens = 0 }",
        "tokens is 0 and must be from 1 to 1000000000000000.",
    );
    assert_mistake(
        "[budget]\nall_day = { usd = -1 }",
        "usd is -1 US dollars and must be from 0.000001 to 1000000.",
    );
    assert_mistake(
        "[budget]\nday = { usd = 1 }",
        "unknown key `day`, expected one of `conversation`, `customer_day`, `tenant_day`, `all_day`.",
    );
    assert_mistake(
        "[[price]]\nmodel = \"m\"\ninput = 1\noutput = nan",
        "output is NaN US dollars and must be from 0 to 100000.",
    );
    assert_mistake(
        "[[price]]\nmodel = \"m\"\nfrom = 2026-01-31T10:00:00Z\ninput = 1\noutput = 1",
        "from of a price must be a day, as in from = 2026-01-31.",
    );
    let twice = "[[price]]\nmodel = \"m\"\ninput = 1\noutput = 1\n";
    assert_mistake(
        &format!("{twice}{twice}"),
        "two prices of the model \"m\" begin on the same day.",
    );
}
