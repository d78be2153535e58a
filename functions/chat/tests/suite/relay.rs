//! A relay in front of the server makes every client look like one of this machine. It opens no route of operators.

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use baton_rehearsal::scripted::ScriptedModel;

use super::support::{Client, OPERATOR, Server, clerk};

/// Passes connections on, byte for byte. Returns its address.
async fn relay(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, to) = (listener.local_addr().unwrap(), to.to_owned());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let to = to.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_relay_on_this_machine_opens_no_route_of_operators() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    server.client().say("c", "refund item_318205561").await;
    let client = Client::new(&relay(server.address()).await);
    let document = client.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    let of_operators = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods
            .filter(|(_, operation)| operation["tags"] == json!(["operators"]))
            .map(move |(method, _)| (method.to_uppercase(), path.replace("{id}", "c.1.0")))
    });
    // The page of the desk has no data in it.
    let of_operators = of_operators.filter(|(_, path)| path != "/desk");
    let of_operators: Vec<_> = of_operators.collect();
    assert!(of_operators.len() > 6, "{of_operators:?}");
    let tricks: [&[(&str, &str)]; 6] = [
        &[],
        &[("origin", "http://localhost")],
        &[("x-forwarded-for", "127.0.0.1")],
        &[("forwarded", "for=127.0.0.1;host=localhost")],
        &[("x-forwarded-host", "localhost"), ("x-real-ip", "::1")],
        &[("authorization", "Bearer ")],
    ];
    for (method, path) in &of_operators {
        for trick in tricks {
            let mut request = client.bare(method, path).header("host", "localhost");
            for (name, value) in trick {
                request = request.header(*name, *value);
            }
            let refused = client.fetch(request.json(&json!({}))).await;
            assert_eq!(
                refused.status, 401,
                "{method} {path} {trick:?}: {refused:?}"
            );
        }
    }
    // With the secret it is no other way than the direct one.
    let request = client
        .bare("GET", "/actions?state=proposed")
        .header("host", "localhost");
    let listed = client.fetch(request.bearer_auth(OPERATOR)).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    assert_eq!(listed.json()["actions"].as_array().unwrap().len(), 1);
}
