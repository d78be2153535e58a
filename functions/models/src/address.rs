//! Addresses of services, checked at start.

use reqwest::Url;

/// Unusable settings, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not an address of a service.
    #[error("{what} is not the address of a service: {reason}")]
    Address {
        /// Which setting.
        what: &'static str,
        /// The mistake.
        reason: String,
    },
    /// A key that no HTTP header can carry.
    #[error("{what} has characters that no HTTP header can carry")]
    Key {
        /// Which setting.
        what: &'static str,
    },
    /// A service that takes code which this program was built without.
    #[error(
        "{what} takes a program that was built with the feature `aws`, such as by cargo build --release --bin local --features aws"
    )]
    WithoutAws {
        /// What takes it.
        what: &'static str,
    },
    /// Nobody signs the requests.
    #[error("{what} needs a key, or credentials of AWS to sign with")]
    Unsigned {
        /// Which service.
        what: &'static str,
    },
    /// No HTTPS is possible on this machine.
    #[error("cannot verify certificates on this machine")]
    Certificates(#[source] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("cannot build the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Reads the address of a service and appends path segments, each percent-encoded.
pub fn address(what: &'static str, text: &str, segments: &[&str]) -> Result<Url, SettingsError> {
    let wrong = |reason: &str| SettingsError::Address {
        what,
        reason: reason.to_owned(),
    };
    let mut url = Url::parse(text.trim()).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "a key belongs in its own setting, not in the address",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must have neither ? nor #"));
    }
    url.path_segments_mut()
        .map_err(|()| wrong("it has no path"))?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}
