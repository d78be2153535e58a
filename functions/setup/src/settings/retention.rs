//! How many days records are kept.

use std::ops::RangeInclusive;

use baton_handoff::Retention;

use super::{BadSetting, Values, within};

const DAY_MS: u64 = 86_400_000;

/// A hundred years.
const BOUNDS: RangeInclusive<u64> = 1..=36_500;

const NAME: &str = "BATON_RETENTION_DAYS";

pub(super) fn read(values: &Values) -> Result<Retention, BadSetting> {
    let mut retention = Retention::default();
    let parts = values.get(NAME).unwrap_or_default().split(',');
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        let bad = || {
            BadSetting::new(format!(
                "{NAME} has {part}, which is not conversations, events or audit with a number of days, such as conversations=365"
            ))
        };
        let (kind, days) = part.split_once('=').ok_or_else(bad)?;
        let days: u64 = days.trim().parse().map_err(|_| bad())?;
        let kept = within(NAME, days, &BOUNDS)? * DAY_MS;
        match kind.trim() {
            "conversations" => retention.conversations = Some(kept),
            "events" => retention.events = kept,
            "audit" => retention.audit = Some(kept),
            _ => return Err(bad()),
        }
    }
    Ok(retention)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(value: &str) -> Result<Retention, String> {
        let mut values = Values::default();
        values.set(NAME, value.to_owned());
        read(&values).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_named_is_kept_as_before() {
        let read = read_one("audit = 400, conversations=30").unwrap();
        assert_eq!(read.conversations, Some(30 * DAY_MS));
        assert_eq!(read.audit, Some(400 * DAY_MS));
        assert_eq!(read.events, Retention::default().events);
        assert_eq!(read_one(""), Ok(Retention::default()));
    }

    #[test]
    fn a_kind_that_there_is_not_and_no_days_are_refused() {
        for bad in ["30", "letters=3", "conversations=soon", "conversations="] {
            let sentence = read_one(bad).unwrap_err();
            assert!(
                sentence.starts_with("BATON_RETENTION_DAYS has "),
                "{sentence}"
            );
        }
        assert_eq!(
            read_one("audit=0").unwrap_err(),
            "BATON_RETENTION_DAYS=0 is not between 1 and 36500"
        );
    }
}
