//! How clients of AWS are set up. Knows the SDK's settings; never what is asked through the clients.

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

/// Services of AWS are near: a connection that is not there by then will not come.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);

/// A request and its answer. DynamoDB answers within tens of milliseconds; three tries fit well into a third of a lease.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(3);

/// One for the process: what a start has read for its secrets is there for its table and queues.
static CONFIG: Mutex<Option<Arc<SdkConfig>>> = Mutex::new(None);

/// How this process speaks with AWS: as [`use_default_chain`] found out, or else as the environment says.
///
/// AWS tells a function all in its environment: region, credentials or where to fetch them, endpoints. To look into
/// profiles and metadata services of machines as well would be code that a function starts with and never runs.
///
/// The SDK's own retries are off. It would send a conditional write again whose answer was lost, and take its own first
/// writing for somebody else's; who commits must know what was tried.
///
/// # Errors
/// When there can be no HTTPS client.
pub fn config() -> Result<Arc<SdkConfig>, HttpsError> {
    let mut kept = CONFIG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = &*kept {
        return Ok(config.clone());
    }
    let config = Arc::new(from_environment()?);
    *kept = Some(config.clone());
    Ok(config)
}

/// From now on [`config`] is what the SDK finds in the environment, in profiles, and from the metadata services of machines and
/// containers: for processes that run anywhere.
///
/// # Errors
/// When there can be no HTTPS client.
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
    // Environments that live for days are told where to fetch credentials, which do not live that long.
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

/// What is said of single services: `AWS_ENDPOINT_URL_SQS`.
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
