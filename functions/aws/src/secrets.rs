//! Reads secrets of AWS Secrets Manager when a program starts.
//!
//! One signed request to one operation, without that service's SDK: a third one would cost every build minutes and every
//! start a client. Not the "Parameters and Secrets" extension either, which does not answer before a function has started.
//! Knows the operation and what a throttled answer is; never what the secrets are for.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sqs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_types::service_config::ServiceConfigKey;
use baton_handoff::ports::Env;
use baton_http::builder;
use futures_util::future::try_join_all;
use reqwest::{StatusCode, Url};

use crate::patience::Patience;

const TARGET: (&str, &str) = ("x-amz-target", "secretsmanager.GetSecretValue");
const MEDIA_TYPE: (&str, &str) = ("content-type", "application/x-amz-json-1.1");

/// One try: the service answers within tens of milliseconds, and a start has 10 s in all.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Why there is no secret. Nobody can go on without it; the sentence is for whoever started the program, and never has the
/// secret in it.
#[derive(Debug, thiserror::Error)]
#[error("the secret {id} cannot be read: {why}")]
pub struct SecretError {
    id: String,
    why: String,
}

/// Reads these secrets (names or ARNs), side by side. Each is a JSON object of strings; one map of all is returned.
///
/// # Errors
/// When one is not there, not ours to read, not such an object, or not answered in time.
pub async fn read_secrets(
    config: &SdkConfig,
    env: &dyn Env,
    ids: &[String],
) -> Result<BTreeMap<String, String>, SecretError> {
    let reader = Reader { config, env };
    let secrets = try_join_all(ids.iter().map(|id| async {
        let failed = |why| SecretError {
            id: id.clone(),
            why,
        };
        let text = reader.read(id).await.map_err(failed)?;
        serde_json::from_str::<BTreeMap<String, String>>(&text)
            // The parser's own words would quote it.
            .map_err(|_| failed("it is not a JSON object of strings".to_owned()))
    }))
    .await?;
    Ok(secrets.into_iter().flatten().collect())
}

struct Reader<'a> {
    config: &'a SdkConfig,
    env: &'a dyn Env,
}

/// What one try came to.
enum Attempt {
    Answered(String),
    /// Worth another try.
    Later(String),
    Refused(String),
}

impl Reader<'_> {
    async fn read(&self, id: &str) -> Result<String, String> {
        let region = self.config.region().ok_or("no region is set")?.as_ref();
        let url = endpoint(self.config, region).await?;
        let client = builder(&url, &[], false)
            .map(|builder| builder.timeout(ATTEMPT).build())
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let body = serde_json::json!({ "SecretId": id }).to_string();
        let mut patience = Patience::new(self.env);
        loop {
            // Signed anew each time: a signature is of its time.
            let request = self.signed(&client, &url, region, &body).await?;
            match attempt(request).await {
                Attempt::Answered(secret) => return Ok(secret),
                Attempt::Refused(why) => return Err(why),
                Attempt::Later(why) => {
                    if !patience.wait().await {
                        return Err(why);
                    }
                }
            }
        }
    }

    async fn signed(
        &self,
        client: &reqwest::Client,
        url: &Url,
        region: &str,
        body: &str,
    ) -> Result<reqwest::RequestBuilder, String> {
        let credentials = self
            .config
            .credentials_provider()
            .ok_or("there are no credentials")?
            .provide_credentials()
            .await
            .map_err(|error| error.to_string())?;
        let identity = Identity::from(credentials);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("secretsmanager")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let signable = SignableRequest::new(
            "POST",
            url.as_str(),
            [TARGET, MEDIA_TYPE].into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(|error| error.to_string())?;
        let (signature, _) = sign(signable, &parameters)
            .map_err(|error| error.to_string())?
            .into_parts();
        let mut request = client.post(url.clone()).body(body.to_owned());
        for (name, value) in [TARGET, MEDIA_TYPE].into_iter().chain(signature.headers()) {
            request = request.header(name, value);
        }
        Ok(request)
    }
}

async fn attempt(request: reqwest::RequestBuilder) -> Attempt {
    let answered = async {
        let response = request.send().await?;
        Ok::<_, reqwest::Error>((response.status(), response.bytes().await?))
    };
    let (status, body) = match answered.await {
        Ok(answer) => answer,
        Err(error) => return Attempt::Later(format!("no answer: {error}")),
    };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(serde_json::Value::as_str);
    if status.is_success() {
        return match text("SecretString") {
            Some(secret) => Attempt::Answered(secret.to_owned()),
            None => Attempt::Refused("it has no text".to_owned()),
        };
    }
    // A kind of error may come with its namespace before it.
    let kind = text("__type").unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let why = format!("{status} {kind}").trim_end().to_owned();
    let is_busy = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || kind.starts_with("Throttling");
    if is_busy {
        Attempt::Later(why)
    } else {
        Attempt::Refused(why)
    }
}

/// The service's address as its SDK would choose it.
async fn endpoint(config: &SdkConfig, region: &str) -> Result<Url, String> {
    let own = config.service_config().and_then(|service| {
        let key = ServiceConfigKey::builder()
            .service_id("Secrets Manager")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url");
        service.load_config(key.build().ok()?)
    });
    let url = match own.or_else(|| config.endpoint_url().map(str::to_owned)) {
        Some(set) => set,
        None => in_partition(config, region).await?,
    };
    url.parse()
        .map_err(|error| format!("{url} is no address: {error}"))
}

/// The address in the partition of AWS that the region belongs to. The SDK of the queue knows the domain of each partition:
/// both services have the same pattern of names.
async fn in_partition(config: &SdkConfig, region: &str) -> Result<String, String> {
    let params = Params::builder()
        .region(region)
        // Never asked for with FIPS: where the queue has no name of its own for it, Secrets Manager may have one.
        .use_fips(false)
        .use_dual_stack(config.use_dual_stack().is_some_and(|both| both))
        .build()
        .map_err(|error| error.to_string())?;
    let queue = DefaultResolver::new()
        .resolve_endpoint(&params)
        .await
        .map_err(|error| format!("the region {region} has no endpoints: {error}"))?;
    let domain = queue
        .url()
        .strip_prefix("https://sqs.")
        .ok_or_else(|| format!("the domain of {} is not known", queue.url()))?
        .trim_end_matches('/');
    let service = if config.use_fips().is_some_and(|fips| fips) {
        "secretsmanager-fips"
    } else {
        "secretsmanager"
    };
    Ok(format!("https://{service}.{domain}/"))
}

#[cfg(test)]
mod tests {
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    #[derive(Debug)]
    struct Elsewhere;

    impl LoadServiceConfig for Elsewhere {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            (key.service_id() == "Secrets Manager").then(|| "http://127.0.0.1:5001".to_owned())
        }
    }

    async fn url(config: aws_types::sdk_config::Builder, region: &str) -> String {
        let url = endpoint(&config.build(), region).await;
        url.unwrap().to_string()
    }

    /// The domains of `partitions.json`, which all SDKs of AWS share.
    #[tokio::test]
    async fn the_service_is_in_the_partition_of_its_region() {
        let partitions = [
            ("eu-central-1", "amazonaws.com", "api.aws"),
            (
                "cn-north-1",
                "amazonaws.com.cn",
                "api.amazonwebservices.com.cn",
            ),
            ("us-gov-west-1", "amazonaws.com", "api.aws"),
            ("eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
            ("us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
            ("eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
            ("us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
            // One that is younger than the list.
            ("eu-south-9", "amazonaws.com", "api.aws"),
        ];
        for (region, domain, both) in partitions {
            for (fips, dual_stack, host) in [
                (false, false, format!("secretsmanager.{region}.{domain}")),
                (
                    true,
                    false,
                    format!("secretsmanager-fips.{region}.{domain}"),
                ),
                (false, true, format!("secretsmanager.{region}.{both}")),
                (true, true, format!("secretsmanager-fips.{region}.{both}")),
            ] {
                let config = SdkConfig::builder().use_fips(fips);
                let found = url(config.use_dual_stack(dual_stack), region).await;
                assert_eq!(found, format!("https://{host}/"));
            }
        }
    }

    #[tokio::test]
    async fn the_service_is_where_the_settings_say() {
        let everywhere = || SdkConfig::builder().endpoint_url("http://127.0.0.1:5000");
        assert_eq!(
            url(everywhere(), "eu-central-1").await,
            "http://127.0.0.1:5000/"
        );
        assert_eq!(
            url(everywhere().service_config(Elsewhere), "eu-central-1").await,
            "http://127.0.0.1:5001/"
        );
    }
}
