//! The settings about records on AWS.

use super::{BadSetting, Values};

/// Where records and messages live on AWS. Region, credentials and endpoints are the SDK's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// The DynamoDB table.
    pub table: String,
    /// The SQS queue of actions.
    pub actions_url: String,
    /// The SQS queue of turns.
    pub turns_url: String,
}

/// All three or none: with a part of them, accepted work would be lost.
pub(super) fn read(values: &Values) -> Result<Option<Cloud>, BadSetting> {
    let names = ["BATON_TABLE", "BATON_QUEUE_URL", "BATON_TURNS_QUEUE_URL"];
    let [table, actions_url, turns_url] = names.map(|name| values.get(name).map(str::to_owned));
    match (table, actions_url, turns_url) {
        (None, None, None) => Ok(None),
        (Some(table), Some(actions_url), Some(turns_url)) if values.get("BATON_DATA").is_none() => {
            Ok(Some(Cloud {
                table,
                actions_url,
                turns_url,
            }))
        }
        (Some(_), Some(_), Some(_)) => Err(BadSetting::new(
            "both BATON_TABLE and BATON_DATA are set; which store is meant?",
        )),
        (table, actions_url, turns_url) => {
            let missing: Vec<_> = names
                .into_iter()
                .zip([table, actions_url, turns_url])
                .filter(|(_, value)| value.is_none())
                .map(|(name, _)| name)
                .collect();
            let verb = if missing.len() == 1 { "is" } else { "are" };
            Err(BadSetting::new(format!(
                "{} {verb} missing; BATON_TABLE and both queues belong together",
                missing.join(" and ")
            )))
        }
    }
}
