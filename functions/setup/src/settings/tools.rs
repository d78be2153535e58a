//! Tools that call services: the networks that they reach, and the tokens that they bring.

use baton_http::Secret;
use baton_tools::outside::Network;
use baton_tools::tokens::ToolTokens;
use baton_tools::webhooks::PushHost;

use super::{BadSetting, BadSettings, Values, networks};

/// The claim `iss`, unless set.
const ISSUER: &str = "baton";

/// The settings of tools that call services.
#[derive(Debug, Clone)]
pub struct ToolSettings {
    /// Further private networks that tools may call.
    pub networks: Vec<Network>,
    /// The tokens that tools' services get.
    pub tokens: ToolTokenSettings,
    /// The hosts at which clients may have endpoints, which are told how their tasks end.
    pub push_hosts: Vec<PushHost>,
}

/// Nothing if a value is unusable.
pub(super) fn read_all(values: &Values, bad: &mut BadSettings) -> Option<ToolSettings> {
    let networks = bad.note(networks::networks(values, "BATON_TOOL_NETWORKS"));
    let tokens = bad.note(read(values));
    let push_hosts = bad.note(push_hosts(values));
    Some(ToolSettings {
        networks: networks?,
        tokens: tokens?,
        push_hosts: push_hosts?,
    })
}

/// Reads `BATON_A2A_PUSH_HOSTS`.
fn push_hosts(values: &Values) -> Result<Vec<PushHost>, BadSetting> {
    let name = "BATON_A2A_PUSH_HOSTS";
    let read = |host: String| {
        host.parse()
            .map_err(|error| BadSetting::new(format!("{name} has {host}, which is {error}")))
    };
    values.list(name).into_iter().map(read).collect()
}

/// The signer of tools' tokens.
#[derive(Debug, Clone)]
pub struct ToolTokenSettings {
    /// The claim `iss`.
    pub issuer: String,
    /// One secret, or two while keys are changed: the first signs, both are published.
    pub secrets: Option<Secret>,
}

/// Reads `BATON_TOOL_TOKEN_ISSUER` and `BATON_TOOL_TOKEN_SECRET`.
fn read(values: &Values) -> Result<ToolTokenSettings, BadSetting> {
    let get = |name| values.get(name);
    let issuer = get("BATON_TOOL_TOKEN_ISSUER").unwrap_or(ISSUER).to_owned();
    let secrets = get("BATON_TOOL_TOKEN_SECRET");
    if let Some(secrets) = secrets {
        ToolTokens::new(&issuer, secrets)
            .map_err(|error| BadSetting::new(format!("BATON_TOOL_TOKEN_SECRET: {error}")))?;
    }
    Ok(ToolTokenSettings {
        issuer,
        secrets: secrets.map(Secret::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_clients_are_names_or_every_name_below_one() {
        let read = |text: &str| {
            let mut values = Values::default();
            values.set("BATON_A2A_PUSH_HOSTS", text.to_owned());
            push_hosts(&values).map_err(|error| error.to_string())
        };
        assert_eq!(read("").unwrap(), []);
        let hosts = read("hooks.example.com, *.Example.org").unwrap();
        let written: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(written, ["hooks.example.com", "*.example.org"]);
        assert_eq!(
            read("https://hooks.example.com").unwrap_err(),
            "BATON_A2A_PUSH_HOSTS has https://hooks.example.com, which is not a host such as hooks.example.com or *.example.com, without scheme, port and path"
        );
    }

    #[test]
    fn a_weak_secret_is_refused_and_none_is_printed() {
        const SECRET: &str = "0123456789abcdef0123456789abcdef";
        let read_of = |secret: &str| {
            let mut values = Values::default();
            values.set("BATON_TOOL_TOKEN_SECRET", secret.to_owned());
            read(&values)
        };
        let settings = read_of(&format!("{SECRET},{SECRET}")).unwrap();
        assert_eq!(settings.issuer, "baton");
        assert!(!format!("{settings:?}").contains(SECRET));
        assert_eq!(
            read_of("short").unwrap_err().to_string(),
            "BATON_TOOL_TOKEN_SECRET: a secret has fewer than 32 bytes; make one with: openssl rand -hex 32"
        );
    }
}
