//! `BATON_BOUNDS`: other values than the defaults of what owners, addresses and all may take.

use baton_handoff::{Bound, Bounds};

use super::{BadSetting, Values};

const NAME: &str = "BATON_BOUNDS";

/// Reads pairs such as `turns.all=12000,messages.owner=60`, or `off`.
pub(super) fn read(values: &Values, on_loopback: bool) -> Result<Bounds, BadSetting> {
    if values.get(NAME) == Some("off") {
        return if on_loopback {
            Ok(Bounds::off())
        } else {
            Err(BadSetting::new(format!(
                "{NAME}=off is for benchmarks on loopback; set the bounds that are too low instead, such as {NAME}=turns.all=12000"
            )))
        };
    }
    let pairs = values.list(NAME);
    pairs.iter().try_fold(Bounds::default(), |bounds, pair| {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            BadSetting::new(format!(
                "{NAME} has {pair}, which is no pair such as turns.all=12000"
            ))
        })?;
        let name = name.trim();
        let bound = Bound::named(name).ok_or_else(|| {
            let names = Bound::ALL.map(Bound::name).join(", ");
            BadSetting::new(format!(
                "{NAME} has {name}, which is no bound; those are: {names}"
            ))
        })?;
        let most = bound.most();
        let value = value.trim().parse::<u64>().ok();
        let value = value.filter(|value| (1..=most).contains(value));
        let value = value.ok_or_else(|| {
            BadSetting::new(format!(
                "{NAME} has {pair}; {name} is a number from 1 to {most}"
            ))
        })?;
        Ok(bounds.with(bound, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(text: &str, on_loopback: bool) -> Result<Bounds, String> {
        let mut values = Values::default();
        values.set(NAME, text.to_owned());
        read(&values, on_loopback).map_err(|error| error.to_string())
    }

    #[test]
    fn pairs_change_the_defaults() {
        assert_eq!(read_of("", false), Ok(Bounds::default()));
        let bounds = read_of("turns.all=12000, messages.owner = 60", false).unwrap();
        assert_eq!(bounds.of(Bound::TurnsAll), 12_000);
        assert_eq!(bounds.of(Bound::MessagesOwner), 60);
        assert_eq!(bounds.of(Bound::TurnsAddress), 32);
    }

    #[test]
    fn a_wrong_pair_is_one_sentence_that_says_what_is_right() {
        for (text, sentence) in [
            (
                "turns=1",
                "BATON_BOUNDS has turns, which is no bound; those are: turns.owner, turns.address, ",
            ),
            (
                "turns.all",
                "BATON_BOUNDS has turns.all, which is no pair such as turns.all=12000",
            ),
            (
                "turns.all=0",
                "BATON_BOUNDS has turns.all=0; turns.all is a number from 1 to 1000000",
            ),
            (
                "actions.conversation=33",
                "BATON_BOUNDS has actions.conversation=33; actions.conversation is a number from 1 to 32",
            ),
            (
                "off,turns.all=1",
                "BATON_BOUNDS has off, which is no pair such as turns.all=12000",
            ),
        ] {
            let refused = read_of(text, true).unwrap_err();
            assert!(refused.starts_with(sentence), "{refused}");
        }
    }

    #[test]
    fn bounds_are_off_on_loopback_only() {
        assert_eq!(read_of("off", true), Ok(Bounds::off()));
        assert!(read_of("off", false).unwrap_err().contains("benchmarks"));
    }
}
