//! A DynamoDB engine in this process, on a thread and behind a socket of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// The engine, without tables at first.
#[derive(Debug)]
pub struct Dynamo {
    address: SocketAddr,
}

impl Dynamo {
    /// Starts it. It serves until the process ends, whatever becomes of the runtime that asked for it.
    pub fn start() -> Self {
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

    /// What a client takes for the endpoint of DynamoDB.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
