//! The settings about operators.

use baton_http::Secret;

use super::{BadSetting, Values};

/// A shorter token could be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The settings about operators.
pub(super) struct Operators {
    pub(super) token: Option<Secret>,
    pub(super) four_eyes_above_cents: Option<u64>,
}

pub(super) fn read(values: &Values) -> Result<Operators, BadSetting> {
    let token = values.get("BATON_OPERATOR_TOKEN");
    if token.is_some_and(|token| token.chars().count() < SHORTEST_TOKEN) {
        return Err(BadSetting::new(format!(
            "BATON_OPERATOR_TOKEN has fewer than {SHORTEST_TOKEN} characters; make one with: openssl rand -hex 32"
        )));
    }
    let usd: Option<u64> = values.parse("BATON_FOUR_EYES_USD", "a number of US dollars")?;
    let cents = usd.map(|usd| {
        usd.checked_mul(100).ok_or_else(|| {
            BadSetting::new(format!(
                "BATON_FOUR_EYES_USD={usd} is not a number of US dollars"
            ))
        })
    });
    Ok(Operators {
        token: token.map(Secret::new),
        four_eyes_above_cents: cents.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(name: &str, value: &str) -> Result<Operators, String> {
        let mut values = Values::default();
        values.set(name, value.to_owned());
        read(&values).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused_and_not_repeated() {
        let short = read_one("BATON_OPERATOR_TOKEN", "fifteen letters").err();
        assert_eq!(
            short.unwrap(),
            "BATON_OPERATOR_TOKEN has fewer than 16 characters; make one with: openssl rand -hex 32"
        );
        let long = read_one("BATON_OPERATOR_TOKEN", "sixteen letters!").unwrap();
        assert_eq!(long.token.unwrap().expose(), "sixteen letters!");
    }

    #[test]
    fn the_amount_for_four_eyes_is_in_whole_dollars() {
        let amount =
            |text| read_one("BATON_FOUR_EYES_USD", text).map(|read| read.four_eyes_above_cents);
        assert_eq!(amount("500").unwrap(), Some(50_000));
        assert_eq!(amount("0").unwrap(), Some(0));
        for bad in ["much", "-1", "1.50", "999999999999999999"] {
            let sentence = format!("BATON_FOUR_EYES_USD={bad} is not a number of US dollars");
            assert_eq!(amount(bad).unwrap_err(), sentence);
        }
    }
}
