//! A DynamoDB engine in this process, on a thread and behind a socket of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use baton_aws::{DynamoStore, Https};
use baton_handoff::ports::Env;

pub(crate) struct Engine {
    address: SocketAddr,
}

impl Engine {
    /// Starts it, empty. It serves until the process ends, whatever becomes of the runtime that asked for it.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()).await;
            });
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn config(&self) -> SdkConfig {
        config(&self.url())
    }

    /// A store in this engine's table, which is made when it is not there.
    pub(crate) async fn store(&self, env: Arc<dyn Env>) -> DynamoStore {
        let store = DynamoStore::new(&self.config(), "baton", env);
        store.create_table().await.unwrap();
        store
    }
}

pub(crate) fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .http_client(Https::new().unwrap())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
