//! The configuration of AWS clients. Knows the SDK's settings; never the requests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::https::{Https, HttpsError};

/// A request and its answer. DynamoDB answers within tens of milliseconds; three tries fit well into a third of a lease.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(3);

/// One for the process: credentials and connections of the start serve its table and queues too.
static CONFIG: Mutex<Option<Arc<SdkConfig>>> = Mutex::new(None);

/// How this process connects to AWS: by [`use_default_chain`] if that was called, or else by the environment.
///
/// AWS puts everything into a function's environment: region, credentials or their address, endpoints. Support for profiles and
/// metadata services would be code that a function loads and never runs.
///
/// The SDK's own retries are off. After a lost answer it would send a conditional write again and mistake its own first write for
/// another writer's. The committing code must know the attempts.
///
/// # Errors
/// No HTTPS client can be built.
pub fn config() -> Result<Arc<SdkConfig>, HttpsError> {
    let mut kept = CONFIG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = &*kept {
        return Ok(config.clone());
    }
    let config = Arc::new(from_environment()?);
    *kept = Some(config.clone());
    Ok(config)
}

/// From now on [`config`] is the SDK's full chain: the environment, profiles, and the metadata services of machines and
/// containers. For processes that run anywhere.
///
/// # Errors
/// No HTTPS client can be built.
pub async fn use_default_chain() -> Result<(), HttpsError> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(Https::new()?)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .load()
        .await;
    *CONFIG.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(config));
    Ok(())
}

/// For engines on this machine that stand in for services of AWS, as those of tests do: all services are at `endpoint`, which is
/// shown credentials that are worth nothing anywhere else.
///
/// # Errors
/// When there can be no HTTPS client.
pub fn local_config(endpoint: &str) -> Result<SdkConfig, HttpsError> {
    let credentials = Credentials::new("test", "test", None, None, "local");
    Ok(SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .http_client(Https::new()?)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build())
}

fn from_environment() -> Result<SdkConfig, HttpsError> {
    let https = Https::new()?;
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let containers = ProviderConfig::without_region().with_http_client(https.clone());
    // Environments that live for days have an address for credentials, which live shorter.
    let credentials = CredentialsProviderChain::first_try(
        "Environment",
        EnvironmentVariableCredentialsProvider::new(),
    )
    .or_else(
        "Container",
        EcsCredentialsProvider::builder()
            .configure(&containers)
            .build(),
    );
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region.map(Region::new))
        .http_client(https)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .service_config(Variables);
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
    config.set_use_fips(flag("AWS_USE_FIPS_ENDPOINT"));
    config.set_use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT"));
    Ok(config.build())
}

/// Settings of single services: `AWS_ENDPOINT_URL_SQS`.
#[derive(Debug)]
struct Variables;

impl LoadServiceConfig for Variables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        variable(&format!("{}_{service}", key.env()))
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn flag(name: &str) -> Option<bool> {
    variable(name).map(|value| value.eq_ignore_ascii_case("true"))
}

/// Time-outs of one request.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .build()
}
