//! What a failure of this format says beyond its status.

use crate::fault::Fault;

/// From the body of an error response.
pub(super) fn read(body: &[u8]) -> Fault {
    let fault = Fault::from_json(body);
    // No more waiting helps: the month's money is spent.
    if fault.names("insufficient_quota") {
        fault.made_final()
    } else {
        fault
    }
}
