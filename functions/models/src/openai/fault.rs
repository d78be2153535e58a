//! The error codes of this format, which add to the status.

use crate::fault::Fault;

/// From the body of an error response.
pub(super) fn read(body: &[u8]) -> Fault {
    let fault = Fault::from_json(body);
    // Waiting will not help: the monthly quota is used up.
    if fault.names("insufficient_quota") {
        fault.made_final()
    } else {
        fault
    }
}
