//! Settings that are lists of networks.

use std::net::IpAddr;

use baton_tools::outside::Network;

use super::{BadSetting, Values};

/// The proxies in front of the server, whose reports of clients' addresses count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxies {
    /// No proxy is known: the other end of the connection is the client.
    None,
    /// The proxies of these networks.
    Networks(Vec<Network>),
    /// CloudFront, which names its viewer in a header of its own. Nothing else may be able to reach the server.
    CloudFront,
}

impl Proxies {
    /// Whether this address is named as a proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::None | Self::CloudFront => false,
            Self::Networks(networks) => networks.iter().any(|network| network.contains(address)),
        }
    }
}

pub(super) fn proxies(values: &Values) -> Result<Proxies, BadSetting> {
    let name = "BATON_PROXIES";
    if values.get(name) == Some("cloudfront") {
        return Ok(Proxies::CloudFront);
    }
    let networks = networks(values, name)?;
    Ok(if networks.is_empty() {
        Proxies::None
    } else {
        Proxies::Networks(networks)
    })
}

pub(super) fn networks(values: &Values, name: &str) -> Result<Vec<Network>, BadSetting> {
    let read = |network: String| {
        network
            .parse()
            .map_err(|error| BadSetting::new(format!("{name} has {network}, which is {error}")))
    };
    values.list(name).into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_networks_or_cloudfront() {
        let read = |text: &str| {
            let mut values = Values::default();
            values.set("BATON_PROXIES", text.to_owned());
            proxies(&values).map_err(|error| error.to_string())
        };
        assert_eq!(read(" "), Ok(Proxies::None));
        assert_eq!(read("cloudfront"), Ok(Proxies::CloudFront));
        let networks = vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(read("10.0.0.0/8, ::1"), Ok(Proxies::Networks(networks)));
        let refused = "BATON_PROXIES has cloudfront, which is not an address or a network such as 10.1.0.0/16";
        assert_eq!(read("10.0.0.0/8,cloudfront"), Err(refused.to_owned()));
    }
}
