//! How clients of AWS are set up. Knows the SDK's settings; never what is asked through the clients.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use tokio::sync::OnceCell;

/// Services of AWS are near: a connection that is not there by then will not come.
const CONNECT: Duration = Duration::from_secs(1);

/// A request and its answer. DynamoDB answers within tens of milliseconds; three tries fit well into a third of a lease.
const ATTEMPT: Duration = Duration::from_secs(3);

/// One for the process: what a start has read for its secrets is there for its table and queues.
static CONFIG: OnceCell<SdkConfig> = OnceCell::const_new();

/// Region, credentials and endpoints from the standard variables, profiles and metadata services of AWS.
///
/// The SDK's own retries are off. It would send a conditional write again whose answer was lost, and take its own first
/// writing for somebody else's; who commits must know what was tried.
pub async fn load_config() -> SdkConfig {
    let load = || {
        aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .load()
    };
    CONFIG.get_or_init(load).await.clone()
}

/// Time-outs of one request.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .build()
}
