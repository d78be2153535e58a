//! The errors of this format, which add to the status. <https://platform.claude.com/docs/en/api/errors>

use crate::fault::Fault;

/// Waiting will not help: the money is used up, or the month's limit of it.
const FINAL: [&str; 4] = [
    "billing_error",
    "contract_spend_limit_reached",
    "enforced_spend_limit_reached",
    "linked_organization_spend_limit_reached",
];

/// From the body of an error response, or from an event.
pub(super) fn read(body: &[u8]) -> Fault {
    let fault = Fault::from_json(body);
    if FINAL.iter().any(|code| fault.names(code)) {
        fault.made_final()
    } else {
        fault
    }
}
