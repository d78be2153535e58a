//! The error codes of this format, which add to the status.

use crate::fault::Fault;

/// Waiting does not help against these: the quota is used up, or the bill not paid.
const QUOTA: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit_reached",
    "insufficient_balance",
    "exceeded_current_quota_error",
];

/// From the body of an error response.
pub(crate) fn read(body: &[u8]) -> Fault {
    let fault = Fault::from_json(body);
    if QUOTA.iter().any(|quota| fault.names(quota)) {
        fault.made_final()
    } else {
        fault
    }
}
