//! The reader of secrets against a server that speaks Secrets Manager, recomputes signatures and asks IAM; and against one that
//! says nothing.
#![expect(
    clippy::unwrap_used,
    reason = "a broken promise fails the test that relies on it"
)]

use std::collections::{BTreeMap, VecDeque};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::sdk_config::Builder;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use baton_aws::{Https, read_secrets};
use baton_http::builder;
use baton_kit::cloud::Moto;
use reqwest::Url;
use serde_json::{Value, json};

/// An account of AWS in which nobody may do anything that a policy does not allow.
struct Account {
    moto: Moto,
    http: reqwest::Client,
}

/// Whose signature it is.
#[derive(Clone)]
struct Key {
    id: String,
    secret: String,
}

impl Account {
    fn start() -> Self {
        let moto = Moto::start();
        let http = builder(&moto.url().parse().unwrap(), &[], false).unwrap();
        let http = http.build().unwrap();
        Self { moto, http }
    }

    /// One request of whoever sets the account up: while nothing is enforced, the signature is only read for the service.
    async fn ask(&self, service: &str, headers: &[(&str, &str)], body: String) -> String {
        let scope = format!("Credential=setup/20260101/eu-central-1/{service}/aws4_request");
        let mut request = self
            .http
            .post(self.moto.url())
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{status} {text}");
        text
    }

    /// Its ARN.
    async fn secret(&self, name: &str, value: &Value) -> String {
        let headers = [
            ("x-amz-target", "secretsmanager.CreateSecret"),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        let body = json!({ "Name": name, "SecretString": value.to_string() });
        let made = self.ask("secretsmanager", &headers, body.to_string()).await;
        let made: Value = serde_json::from_str(&made).unwrap();
        made.get("ARN").unwrap().as_str().unwrap().to_owned()
    }

    /// Somebody new, who may read these secrets.
    async fn user(&self, name: &str, readable: &[&str]) -> Key {
        let iam = async |action: &str, more: &[(&str, &str)]| {
            let form = [("content-type", "application/x-www-form-urlencoded")];
            let common = [("Action", action), ("UserName", name)];
            let version = [("Version", "2010-05-08")];
            let fields = common.iter().chain(more).chain(&version);
            let asked = Url::parse_with_params("http://iam/", fields).unwrap();
            self.ask("iam", &form, asked.query().unwrap().to_owned())
                .await
        };
        iam("CreateUser", &[]).await;
        if !readable.is_empty() {
            let policy = json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": readable,
            }]});
            let policy = policy.to_string();
            let fields = [("PolicyName", "program"), ("PolicyDocument", &policy)];
            iam("PutUserPolicy", &fields).await;
        }
        let made = iam("CreateAccessKey", &[]).await;
        let element = |name: &str| {
            let (_, rest) = made.split_once(&format!("<{name}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        Key {
            id: element("AccessKeyId"),
            secret: element("SecretAccessKey"),
        }
    }

    /// From now on signatures and policies count.
    async fn enforce(&self) {
        let reset = self
            .http
            .post(format!("{}/moto-api/reset-auth", self.moto.url()));
        let answer = reset.body("0").send().await.unwrap();
        assert!(answer.status().is_success());
    }

    async fn read(&self, key: &Key, ids: &[&str]) -> Result<BTreeMap<String, String>, String> {
        read(&self.moto.url(), key, ids).await
    }
}

async fn read(endpoint: &str, key: &Key, ids: &[&str]) -> Result<BTreeMap<String, String>, String> {
    let credentials = Credentials::new(&key.id, &key.secret, None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .http_client(Https::new().unwrap())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
    read_secrets(&config, &ids)
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn secrets_are_read_by_name_and_by_arn_and_put_together() {
    let account = Account::start();
    let model = json!({ "BATON_MODEL_KEY": "sk-ü\n\"" });
    let model = account.secret("baton/model", &model).await;
    let operator = json!({ "BATON_OPERATOR_TOKEN": "token" });
    account.secret("operator", &operator).await;
    let reader = account.user("reader", &["*"]).await;
    account.enforce().await;
    let read = account.read(&reader, &[&model, "operator"]).await;
    let expected = [
        ("BATON_MODEL_KEY", "sk-ü\n\""),
        ("BATON_OPERATOR_TOKEN", "token"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(read, Ok(BTreeMap::from(expected)));
}

#[tokio::test]
#[ignore = "needs moto: BATON_MOTO=VENV/bin/moto_server"]
async fn a_secret_that_cannot_be_read_is_named_with_the_reason() {
    let account = Account::start();
    account
        .secret("mine", &json!({ "BATON_MODEL_KEY": "sk-secret" }))
        .await;
    account.secret("list", &json!(["sk-secret"])).await;
    account
        .secret("nested", &json!({ "BATON_MODEL_KEY": { "sk": "secret" } }))
        .await;
    let reader = account.user("reader", &["*"]).await;
    let stranger = account.user("stranger", &[]).await;
    account.enforce().await;
    let refused = async |key: &Key, id: &str| {
        // Another one that is there does not make up for it.
        account.read(key, &["mine", id]).await.unwrap_err()
    };
    for (id, why) in [
        ("nobody", "Not Found ResourceNotFoundException"),
        ("list", "it is not a JSON object of strings"),
        ("nested", "it is not a JSON object of strings"),
    ] {
        let error = refused(&reader, id).await;
        assert!(
            error.starts_with(&format!("the secret {id} cannot be read: ")),
            "{error}"
        );
        assert!(error.ends_with(why), "{error}");
    }
    let forged = Key {
        secret: "forged".to_owned(),
        ..reader
    };
    for key in [&stranger, &forged] {
        let error = account.read(key, &["mine"]).await.unwrap_err();
        assert_eq!(error, "the secret mine cannot be read: 403 Forbidden");
    }
}

/// Time is paused: it passes when everybody waits, so that nobody waits for it.
#[tokio::test(start_paused = true)]
async fn a_service_that_says_nothing_is_given_up() {
    // Connections are made, and nobody ever takes them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let key = Key {
        id: "test".to_owned(),
        secret: "test".to_owned(),
    };
    let began = tokio::time::Instant::now();
    let error = read(&endpoint, &key, &["mine"]).await.unwrap_err();
    assert!(
        error.starts_with("the secret mine cannot be read: no answer: "),
        "{error}"
    );
    // Lambda gives a start 10 s.
    assert!(began.elapsed() <= std::time::Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_there_is_given_up() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let key = Key {
        id: "test".to_owned(),
        secret: "test".to_owned(),
    };
    let error = read(&endpoint, &key, &["mine"]).await.unwrap_err();
    assert!(error.contains("no answer: "), "{error}");
}

/// A client of HTTP that says where each request goes, and answers with the next of these.
#[derive(Debug, Clone)]
struct Scripted {
    asked: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
}

impl Scripted {
    fn new(answers: &[(u16, &'static str)]) -> Self {
        Self {
            asked: Arc::default(),
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl HttpClient for Scripted {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Scripted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.asked.lock().unwrap().push(request.uri().to_owned());
        let (status, body) = self.answers.lock().unwrap().pop_front().unwrap();
        let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        HttpConnectorFuture::ready(Ok(answer))
    }
}

const EMPTY: (u16, &str) = (200, r#"{"SecretString":"{}"}"#);

fn scripted(service: &Scripted, region: &'static str) -> Builder {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .http_client(service.clone())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
}

/// Where the secret is asked for.
async fn address(region: &'static str, more: impl FnOnce(Builder) -> Builder) -> String {
    let service = Scripted::new(&[EMPTY]);
    let config = more(scripted(&service, region)).build();
    read_secrets(&config, &["mine".to_owned()]).await.unwrap();
    service.asked().concat()
}

/// The domains of `partitions.json`, which all SDKs of AWS share.
#[tokio::test]
async fn the_service_is_in_the_partition_of_its_region() {
    for (region, domain) in [
        ("eu-central-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("us-gov-west-1", "amazonaws.com"),
        ("eusc-de-east-1", "amazonaws.eu"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk"),
        ("us-isof-south-1", "csp.hci.ic.gov"),
        // One that is younger than the list.
        ("eu-south-9", "amazonaws.com"),
    ] {
        let plain = address(region, |config| config).await;
        assert_eq!(plain, format!("https://secretsmanager.{region}.{domain}/"));
        let fips = address(region, |config| config.use_fips(true)).await;
        let expected = format!("https://secretsmanager-fips.{region}.{domain}/");
        assert_eq!(fips, expected);
    }
}

/// As the service's own rules say: most of its names have addresses of both kinds anyway.
#[tokio::test]
async fn dual_stack_is_asked_of_the_service_by_its_own_rules() {
    for (region, fips, host) in [
        ("us-east-1", false, "secretsmanager.us-east-1.amazonaws.com"),
        (
            "us-east-1",
            true,
            "secretsmanager-fips.us-east-1.amazonaws.com",
        ),
        (
            "cn-north-1",
            false,
            "secretsmanager.cn-north-1.amazonaws.com.cn",
        ),
        (
            "cn-north-1",
            true,
            "secretsmanager-fips.cn-north-1.api.amazonwebservices.com.cn",
        ),
    ] {
        let both = |config: Builder| config.use_dual_stack(true).use_fips(fips);
        assert_eq!(address(region, both).await, format!("https://{host}/"));
    }
}

#[derive(Debug)]
struct Elsewhere;

impl LoadServiceConfig for Elsewhere {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let is_asked = key.service_id() == "Secrets Manager" && key.env() == "AWS_ENDPOINT_URL";
        is_asked.then(|| "http://127.0.0.1:5001".to_owned())
    }
}

#[tokio::test]
async fn the_service_is_where_the_settings_say() {
    let region = "eu-central-1";
    let everywhere = |config: Builder| config.endpoint_url("http://127.0.0.1:5000");
    assert_eq!(address(region, everywhere).await, "http://127.0.0.1:5000/");
    let own = address(region, |config| {
        everywhere(config).service_config(Elsewhere)
    });
    assert_eq!(own.await, "http://127.0.0.1:5001/");
}

#[tokio::test(start_paused = true)]
async fn a_busy_service_is_asked_again() {
    let busy = [
        (400, r#"{"__type":"ThrottlingException"}"#),
        (503, ""),
        (200, r#"{"SecretString":"{\"BATON_MODEL_KEY\":\"key\"}"}"#),
    ];
    let service = Scripted::new(&busy);
    let config = scripted(&service, "eu-central-1").build();
    let read = read_secrets(&config, &["mine".to_owned()]).await.unwrap();
    let key = read.get("BATON_MODEL_KEY").map(String::as_str);
    assert_eq!(key, Some("key"));
    assert_eq!(service.asked().len(), busy.len());
}

#[tokio::test]
async fn what_cannot_be_read_is_not_quoted() {
    for body in [
        r#"{"SecretString":"{\"BATON_MODEL_KEY\":7,\"a\":\"sk-secret\"}"}"#,
        r#"{"SecretString":sk-secret"#,
        r#"{"SecretBinary":"c2stc2VjcmV0"}"#,
    ] {
        let service = Scripted::new(&[(200, body)]);
        let config = scripted(&service, "eu-central-1").build();
        let error = read_secrets(&config, &["mine".to_owned()]).await;
        let error = error.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the secret mine cannot be read: "),
            "{error}"
        );
        let all = format!("{error} {error:?}");
        assert!(
            !all.contains("sk-secret") && !all.contains("c2stc2VjcmV0"),
            "{all}"
        );
    }
}
