//! What the HTTP server is told: addresses, connections, times, proxies.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::networks::{self, Proxies};
use super::{BadSetting, BadSettings, Values, seconds, within};

/// The most open connections, unless set. Each open stream is one. Zero would answer no request, and no machine holds more than a
/// million.
const CONNECTIONS: usize = 16_384;
const CONNECTION_BOUNDS: RangeInclusive<usize> = 1..=1_000_000;

/// Proxies and balancers keep idle connections for 60 s, and must close them first: a request on a connection that the server
/// closes is an error at the proxy.
const IDLE_SECONDS: u64 = 75;
const IDLE_BOUNDS: RangeInclusive<u64> = 1..=3600;

/// A supervisor must wait this much longer for the server's end.
const DRAIN_BOUNDS: RangeInclusive<u64> = 0..=300;

/// The settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct Serving {
    /// Where to listen.
    pub addr: SocketAddr,
    /// Further origins that browsers may call from.
    pub origins: Vec<String>,
    /// A folder to serve the page from instead of the embedded one.
    pub static_dir: Option<PathBuf>,
    /// The most open connections.
    pub connections: usize,
    /// How long a connection may be idle between two requests.
    pub idle: Duration,
    /// How long `/health` answers 503 before the server refuses requests, once it is asked to end.
    pub drain: Duration,
    /// The proxies that report clients' addresses.
    pub proxies: Proxies,
    /// Whether requests come through AWS, which only routes names of its own and of this function.
    pub routed_by_aws: bool,
}

impl Serving {
    /// Nobody else can reach it: where origins are named, a proxy is in front, and everybody behind it.
    pub(super) fn is_on_loopback(&self) -> bool {
        self.addr.ip().is_loopback() && !self.routed_by_aws && self.origins.is_empty()
    }
}

/// Nothing if a value is unusable.
pub(super) fn read(values: &Values, bad: &mut BadSettings) -> Option<Serving> {
    let addr = bad.note(addr(values));
    let origins = bad.note(origins(values));
    let static_dir = bad.note(static_dir(values));
    let connections = bad.note(connections(values));
    let idle = seconds(values, "BATON_IDLE_SECONDS", IDLE_SECONDS, &IDLE_BOUNDS);
    let idle = bad.note(idle);
    let drain = bad.note(seconds(values, "BATON_DRAIN_SECONDS", 0, &DRAIN_BOUNDS));
    let proxies = bad.note(networks::proxies(values));
    Some(Serving {
        addr: addr?,
        origins: origins?,
        static_dir: static_dir?,
        connections: connections?,
        idle: idle?,
        drain: drain?,
        proxies: proxies?,
        // Set in every environment that AWS itself starts, and in no other.
        routed_by_aws: values.get("AWS_LAMBDA_INITIALIZATION_TYPE").is_some(),
    })
}

fn connections(values: &Values) -> Result<usize, BadSetting> {
    let connections = values.parse("BATON_CONNECTIONS", "a number of connections")?;
    let connections = connections.unwrap_or(CONNECTIONS);
    within("BATON_CONNECTIONS", connections, &CONNECTION_BOUNDS)
}

/// Checked now: otherwise every page would be missing without an explanation.
fn static_dir(values: &Values) -> Result<Option<PathBuf>, BadSetting> {
    let Some(folder) = values.get("BATON_STATIC_DIR").map(PathBuf::from) else {
        return Ok(None);
    };
    if folder.is_dir() {
        return Ok(Some(folder));
    }
    Err(BadSetting::new(format!(
        "BATON_STATIC_DIR={} is not a folder",
        folder.display()
    )))
}

fn addr(values: &Values) -> Result<SocketAddr, BadSetting> {
    let addr = values.get("BATON_ADDR").unwrap_or("127.0.0.1:8501");
    let addr = addr
        .strip_prefix("localhost:")
        .map_or_else(|| addr.to_owned(), |port| format!("127.0.0.1:{port}"));
    addr.parse().map_err(|_| {
        BadSetting::new(format!(
            "BATON_ADDR={addr} is not an address with a port, such as 127.0.0.1:8501"
        ))
    })
}

fn origins(values: &Values) -> Result<Vec<String>, BadSetting> {
    let list = values.get("BATON_ORIGINS").unwrap_or_default();
    let origins = list
        .split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty());
    origins
        .map(|origin| {
            let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            match authority {
                Some(authority) if !authority.is_empty() && !authority.contains(['/', '*', ' ']) => {
                    Ok(origin.to_ascii_lowercase())
                }
                Some(_) | None => Err(BadSetting::new(format!(
                    "BATON_ORIGINS has {origin}, which is not an origin such as https://chat.example.com"
                ))),
            }
        })
        .collect()
}
