//! Where traces are sent: the variables of OpenTelemetry's own specification
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>). Nothing is sent unless one of the two addresses is set.

use std::time::Duration;

use baton_telemetry::{Encoding, OtlpSettings};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::{BadSetting, Values};

/// The address of a receiver of everything.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The address for traces, as it is.
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// The specification's own, in milliseconds.
const TIMEOUT: u64 = 10_000;

/// The most that fits into an attempt, in milliseconds.
const LONGEST: u64 = 14_000;

/// The name of the service, unless set.
const SERVICE: &str = "baton";

/// The most bytes of a resource attribute's value.
const LONGEST_VALUE: usize = 255;

/// None: no address is set, or traces are switched off.
pub(super) fn read(values: &Values) -> Result<Option<OtlpSettings>, BadSetting> {
    let get = |name: &str| values.get(name).map(str::trim).filter(|it| !it.is_empty());
    if get("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    // The specification's rule: what is set for traces alone wins.
    let of_traces = |name: &str| {
        let own = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
        let all = format!("OTEL_EXPORTER_OTLP_{name}");
        let own = get(&own).map(|value| (own.clone(), value));
        own.or_else(|| get(&all).map(|value| (all.clone(), value)))
    };
    let Some(url) = address(get(TRACES), get(ENDPOINT))? else {
        return Ok(None);
    };
    // A list: others may be for other programs of this machine.
    let exporters = get("OTEL_TRACES_EXPORTER").unwrap_or("otlp");
    let mut exporters = exporters.split(',').map(str::trim);
    if !exporters.any(|exporter| exporter.eq_ignore_ascii_case("otlp")) {
        return Ok(None);
    }
    let encoding = match of_traces("PROTOCOL") {
        None | Some((_, "http/protobuf")) => Encoding::Protobuf,
        Some((_, "http/json")) => Encoding::Json,
        Some((name, other)) => {
            let sentence = format!("{name}={other} is not spoken: use http/protobuf or http/json");
            return Err(BadSetting::new(sentence));
        }
    };
    let gzip = match of_traces("COMPRESSION") {
        None | Some((_, "none")) => false,
        Some((_, "gzip")) => true,
        Some((name, other)) => {
            let sentence = format!("{name}={other} is not known: use gzip or none");
            return Err(BadSetting::new(sentence));
        }
    };
    let timeout = match of_traces("TIMEOUT") {
        None => TIMEOUT,
        Some((name, value)) => {
            let sentence = || {
                BadSetting::new(format!(
                    "{name}={value} is no number of milliseconds from 1 on"
                ))
            };
            let value: u64 = value.parse().map_err(|_| sentence())?;
            let value = Some(value).filter(|value| *value > 0);
            value.ok_or_else(sentence)?.min(LONGEST)
        }
    };
    let headers = match of_traces("HEADERS") {
        None => HeaderMap::new(),
        Some((name, list)) => headers(&name, list)?,
    };
    let carries_secrets = !headers.is_empty();
    if carries_secrets && !baton_http::may_carry_secrets(url.as_str(), &values.plain_hosts()) {
        return Err(BadSetting::new(format!(
            "the address for traces begins with http://, and its headers would be sent in the clear: use https://, or name its host in BATON_PLAIN_HTTP ({})",
            url.host_str().unwrap_or_default()
        )));
    }
    Ok(Some(OtlpSettings {
        url,
        headers,
        encoding,
        gzip,
        timeout: Duration::from_millis(timeout),
        resource: resource(get("OTEL_RESOURCE_ATTRIBUTES"), get("OTEL_SERVICE_NAME"))?,
        signer: None,
    }))
}

/// Whether requests are signed as AWS has it: its own receivers, where no header has a token.
pub(crate) fn is_signed(settings: &OtlpSettings) -> bool {
    let host = settings.url.host_str().unwrap_or_default();
    let labels: Vec<_> = host.split('.').collect();
    let is_receiver = matches!(labels.as_slice(), ["xray", _, "amazonaws", "com"]);
    is_receiver && settings.url.scheme() == "https" && !settings.headers.contains_key(AUTHORIZATION)
}

fn address(traces: Option<&str>, all: Option<&str>) -> Result<Option<Url>, BadSetting> {
    let (name, text) = match (traces, all) {
        (Some(traces), _) => (TRACES, traces.to_owned()),
        (None, Some(all)) => (ENDPOINT, all.to_owned()),
        (None, None) => return Ok(None),
    };
    let mut url = Url::parse(&text).ok();
    if let Some(url) = url.as_mut().filter(|_| name == ENDPOINT) {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match url {
        Some(url) if url.username().is_empty() && url.password().is_none() => Ok(Some(url)),
        // Never the value: it may have a key in it.
        Some(_) | None => Err(BadSetting::new(format!(
            "{name} is no address that begins with http:// or https://, without a name and password in it"
        ))),
    }
}

/// Pairs as the specification writes them: `name=value`, separated by commas, values percent-encoded.
fn pairs(name: &str, list: &str) -> Result<Vec<(String, String)>, BadSetting> {
    let wrong = || {
        BadSetting::new(format!(
            "{name} is no list of name=value, separated by commas"
        ))
    };
    let items = list.split(',').map(str::trim).filter(|it| !it.is_empty());
    items
        .map(|item| {
            let (key, value) = item.split_once('=').ok_or_else(wrong)?;
            let value = decoded(value.trim()).ok_or_else(wrong)?;
            let key = key.trim().to_owned();
            if key.is_empty() {
                return Err(wrong());
            }
            Ok((key, value))
        })
        .collect()
}

/// Percent-decoded text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn headers(name: &str, list: &str) -> Result<HeaderMap, BadSetting> {
    let mut headers = HeaderMap::new();
    // Never its text: what seems to be a name may be a secret behind a colon.
    for (at, (key, value)) in pairs(name, list)?.into_iter().enumerate() {
        let header = HeaderName::try_from(&key).ok();
        let value = HeaderValue::try_from(&value).ok();
        let (Some(header), Some(mut value)) = (header, value) else {
            return Err(BadSetting::new(format!(
                "{name}: the name of pair {} is no header's, or its value cannot stand in one",
                at + 1
            )));
        };
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

fn resource(
    attributes: Option<&str>,
    service: Option<&str>,
) -> Result<Vec<(String, String)>, BadSetting> {
    const NAME: &str = "service.name";
    const VERSION: &str = "service.version";
    let mut resource = pairs("OTEL_RESOURCE_ATTRIBUTES", attributes.unwrap_or_default())?;
    if let Some((key, _)) = resource
        .iter()
        .find(|(_, value)| value.len() > LONGEST_VALUE)
    {
        return Err(BadSetting::new(format!(
            "OTEL_RESOURCE_ATTRIBUTES: the value of {key} is longer than {LONGEST_VALUE} bytes"
        )));
    }
    let has =
        |resource: &[(String, String)], name: &str| resource.iter().any(|(key, _)| key == name);
    if let Some(service) = service {
        resource.retain(|(key, _)| key != NAME);
        resource.push((NAME.to_owned(), service.to_owned()));
    } else if !has(&resource, NAME) {
        resource.push((NAME.to_owned(), SERVICE.to_owned()));
    }
    if !has(&resource, VERSION) {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        resource.push((VERSION.to_owned(), version));
    }
    Ok(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(set: &[(&str, &str)]) -> Result<Option<OtlpSettings>, BadSetting> {
        let mut values = Values::default();
        for (name, value) in set {
            values.set(name, (*value).to_owned());
        }
        read(&values)
    }

    #[test]
    fn the_specifications_variables_are_read() {
        assert!(read_of(&[]).unwrap().is_none());
        let settings = read_of(&[
            (ENDPOINT, "https://otel.example/base/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, x-other = c"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_SERVICE_NAME", "shop"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=x,deployment.environment.name=test",
            ),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.url.as_str(), "https://otel.example/base/v1/traces");
        assert_eq!(settings.headers["x-key"], "a b");
        assert_eq!(settings.headers["x-other"], "c");
        assert!(!format!("{settings:?}").contains("a b"));
        assert!(settings.gzip);
        assert_eq!(settings.encoding, Encoding::Json);
        let named = settings
            .resource
            .iter()
            .filter(|(key, _)| key == "service.name");
        assert_eq!(
            named.map(|(_, value)| value.as_str()).collect::<Vec<_>>(),
            ["shop"]
        );
        let exact = read_of(&[
            (TRACES, "http://127.0.0.1:4318/here"),
            (ENDPOINT, "http://x"),
        ]);
        let exact = exact.unwrap().unwrap();
        assert_eq!(exact.url.as_str(), "http://127.0.0.1:4318/here");
        assert_eq!(exact.encoding, Encoding::Protobuf);
    }

    #[test]
    fn traces_can_be_switched_off() {
        for off in [
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_TRACES_EXPORTER", "console"),
        ] {
            assert!(
                read_of(&[(ENDPOINT, "http://127.0.0.1:4318"), off])
                    .unwrap()
                    .is_none()
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_and_no_secret_is_shown() {
        let at = (ENDPOINT, "http://127.0.0.1:4318");
        for (name, value) in [
            (TRACES, "collector:4318"),
            (TRACES, "https://me:secret@collector"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x=%zz"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "bad name=secret"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "Authorization: Basic secret==",
            ),
            ("OTEL_RESOURCE_ATTRIBUTES", "=x"),
        ] {
            let sentence = read_of(&[at, (name, value)]).unwrap_err().to_string();
            assert!(sentence.contains(name), "{sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
        let plain = read_of(&[
            (ENDPOINT, "http://collector.example:4318"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer%20secret",
            ),
        ]);
        let sentence = plain.unwrap_err().to_string();
        assert!(sentence.contains("BATON_PLAIN_HTTP"), "{sentence}");
    }

    #[test]
    fn requests_to_aws_are_signed_unless_a_header_has_a_token() {
        let url = "https://xray.eu-central-1.amazonaws.com/v1/traces";
        assert!(is_signed(&read_of(&[(TRACES, url)]).unwrap().unwrap()));
        for other in [
            "http://xray.eu-central-1.amazonaws.com/v1/traces",
            "https://mine.eu-central-1.elb.amazonaws.com/v1/traces",
            "https://xray.eu-central-1.amazonaws.com.example/v1/traces",
            "https://collector.example/v1/traces",
        ] {
            assert!(
                !is_signed(&read_of(&[(TRACES, other)]).unwrap().unwrap()),
                "{other}"
            );
        }
        let with_token = [
            (TRACES, url),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x"),
        ];
        assert!(!is_signed(&read_of(&with_token).unwrap().unwrap()));
    }
}
