//! How long a service asks its clients to wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), or the finer `retry-after-ms` of OpenAI and Azure. Both with a fraction
/// too, as some services write them. `now` is in milliseconds since 1970.
pub fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(wait) = text("retry-after-ms").and_then(|text| millis(text, 1.0)) {
        return Some(wait);
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Some(wait) = millis(value, 1000.0) {
        return Some(wait);
    }
    let date: SystemTime = httpdate::parse_http_date(value).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(now);
    Some(date.duration_since(now).unwrap_or_default())
}

/// A number of units of this many milliseconds, rounded up to whole milliseconds.
fn millis(text: &str, unit: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    let seconds = (number * unit).ceil() / 1000.0;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_wait_is_understood_with_a_fraction_and_never_shortened() {
        for (name, value, wait) in [
            ("retry-after", "1.6", Some(1600)),
            ("retry-after", "0.0001", Some(1)),
            ("retry-after", "20", Some(20_000)),
            ("retry-after-ms", "1500.2", Some(1501)),
            ("retry-after-ms", "7", Some(7)),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
            ("retry-after", "inf", None),
            ("retry-after", "soon", None),
        ] {
            let header = (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
            let headers = HeaderMap::from_iter([header]);
            let wait = wait.map(Duration::from_millis);
            assert_eq!(retry_after(&headers, 0), wait, "{name}: {value}");
        }
    }
}
