//! What comes with the service: the page, the interface's description, its health.

use baton_rehearsal::scripted::ScriptedModel;
use serde_json::Value;

use super::support::{Server, clerk};

#[tokio::test]
async fn the_page_is_served_and_may_load_nothing_but_its_own_files() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    for path in ["/", "/desk"] {
        let page = client.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(policy.ends_with("trusted-types 'none'"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
}

#[tokio::test]
async fn every_file_that_the_page_names_is_there() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let page = client.get("/").await.body;
    let named = page
        .split(['"', '\''])
        .filter(|part| part.starts_with("static/"));
    let named: Vec<_> = named.map(|part| format!("/{part}")).collect();
    assert!(
        named.iter().any(|path| path.starts_with("/static/app/")),
        "{named:?}"
    );
    for path in &named {
        let file = client.get(path).await;
        assert_eq!(file.status, 200, "{path}");
        let expected = match path.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("a file of kind {other}: {path}"),
        };
        assert_eq!(file.header("content-type"), expected, "{path}");
        let again = client
            .request("GET", path)
            .header("if-none-match", file.header("etag"));
        let again = client.fetch(again).await;
        assert_eq!(
            (again.status.as_u16(), again.body.as_str()),
            (304, ""),
            "{path}"
        );
    }
    for hidden in [
        "/static/README.md",
        "/static/package.json",
        "/static/../Cargo.toml",
        "/static/.env",
        "/static/none.js",
    ] {
        assert_eq!(client.get(hidden).await.status, 404, "{hidden}");
    }
}

#[tokio::test]
async fn a_copy_is_known_by_its_tag_however_it_is_written() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let asked = |headers: &[(&str, &str)]| {
        let request = client.request("GET", "/");
        client.fetch(headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        }))
    };
    let plain = asked(&[("accept-encoding", "gzip;q=0.0")]).await;
    assert_eq!(plain.header("content-encoding"), "");
    let gzipped = asked(&[("accept-encoding", "br, GZIP;q=0.5")]).await;
    assert_eq!(gzipped.status, 200);
    let (plain, gzipped) = (plain.header("etag"), gzipped.header("etag"));
    assert_eq!(gzipped.replace("-gz", ""), plain);
    assert_ne!(gzipped, plain, "other bytes");
    for known in [
        plain.to_owned(),
        format!("W/{plain}"),
        format!("\"other\", W/{plain}"),
        "*".to_owned(),
    ] {
        let known = [
            ("accept-encoding", "identity"),
            ("if-none-match", known.as_str()),
        ];
        assert_eq!(asked(&known).await.status, 304, "{known:?}");
    }
    for unknown in [gzipped, "\"other\"", "other"] {
        let unknown = [("accept-encoding", "identity"), ("if-none-match", unknown)];
        assert_eq!(asked(&unknown).await.status, 200, "{unknown:?}");
    }
}

#[tokio::test]
async fn the_description_of_the_interface_names_paths_that_exist() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let client = server.client();
    let answer = client.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/chat/completions",
        "/conversations/{id}",
        "/actions/{id}/approve",
        "/health",
    ] {
        let known = |described: &String| braces_out(described) == braces_out(path);
        assert!(paths.keys().any(known), "{path} is not described");
    }
    for (path, methods) in paths {
        let real = braces_out(path);
        for method in methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| is_method(key))
        {
            let answer = client
                .fetch(client.request(&method.to_uppercase(), &real))
                .await;
            assert_ne!(answer.status, 405, "{method} {path}");
            let nobody = answer.status == 404 && answer.body.contains("no such page");
            // A file that does not exist is no page, like a path that does not exist.
            assert!(!nobody || path.starts_with("/static"), "{method} {path}");
        }
    }
}

fn is_method(key: &str) -> bool {
    ["get", "post", "put", "patch", "delete"].contains(&key)
}

/// A path with something in the place of each parameter.
fn braces_out(path: &str) -> String {
    let part = |part: &str| {
        if part.starts_with('{') {
            "1".to_owned()
        } else {
            part.to_owned()
        }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn health_says_ready_and_what_serves() {
    let model = ScriptedModel::responding(clerk).await;
    let server = Server::open(&model).await;
    let health = server.client().get("/health").await;
    assert_eq!(health.status, 200);
    let health = health.json();
    assert_eq!(
        (&health["status"], &health["reason"]),
        (&Value::from("ready"), &Value::Null)
    );
    assert_eq!(health["model"]["rehearsal"], false);
    assert_eq!(health["team"]["entry"], "TriageAgent");
}
