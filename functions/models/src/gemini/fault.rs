//! The errors of this format, which add to the status. <https://google.aip.dev/193>

use std::time::Duration;

use baton_handoff::ports::ModelErrorKind;
use serde_json::Value;

use crate::fault::Fault;

/// From the body of an error response, or from an event. Some of Google's servers put the object into a list.
pub(super) fn read(body: &[u8]) -> Fault {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let document = document.get(0).unwrap_or(&document);
    let details = document.pointer("/error/details").and_then(Value::as_array);
    let details: &[Value] = details.map(Vec::as_slice).unwrap_or_default();
    let fault = Fault::from_value(document).after(retry_delay(details));
    if fault.names("api_key_invalid") {
        fault.meant(ModelErrorKind::Unauthorized)
    } else if is_of_the_day(details) {
        // It comes back at night.
        fault.made_final()
    } else {
        fault
    }
}

/// `RetryInfo`: `"retryDelay": "34.5s"`.
fn retry_delay(details: &[Value]) -> Option<Duration> {
    let delay = details.iter().find_map(|detail| detail.get("retryDelay"))?;
    let seconds: f64 = delay.as_str()?.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// `QuotaFailure`: `"quotaId": "GenerateRequestsPerDayPerProjectPerModel"`.
fn is_of_the_day(details: &[Value]) -> bool {
    let violations = details.iter().filter_map(|detail| detail.get("violations"));
    let mut violations = violations.filter_map(Value::as_array).flatten();
    violations.any(|violation| {
        let quota = violation.get("quotaId").and_then(Value::as_str);
        quota.is_some_and(|quota| quota.contains("PerDay"))
    })
}
